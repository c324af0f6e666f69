"""How a worker is, by its pages and by the system.

Decides: how long a look may take, and that a worker that does not answer is alive but not well. Leaves to others: what the pages say (streams.app),
when to look, what follows.
"""

import http.client
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

LOOK_S_MAX = 1.0
"""A worker answers in milliseconds, and within a second however busy it is: its loop comes round."""
PAGE_BYTES_MAX = 4 * 1024 * 1024
_MEMORY_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Figures = Mapping[str, Mapping[str, float]]
"""By name, by the value of the label `partition`; where there is none, by the empty text."""


class Health(NamedTuple):
    """What a worker says of itself."""

    ready: bool
    figures: Figures

    def one(self, name: str) -> float | None:
        """Give a figure that has no partition."""
        return self.figures.get(name, {}).get("")


def ready(port: int) -> bool:
    """Ask a worker whether it is ready."""
    return _page(port, "/health/ready")[0] == http.client.OK


def health(port: int) -> Health | None:
    """Ask a worker how it is; nothing where it does not answer."""
    status, body = _page(port, "/metrics")
    if status != http.client.OK:
        return None
    figures: dict[str, dict[str, float]] = {}
    try:
        families = list(text_string_to_metric_families(body.decode(errors="replace")))
    except ValueError:
        return None  # somebody else has the port
    for family in families:
        for sample in family.samples:
            by = figures.setdefault(sample.name, {})
            partition = sample.labels.get("partition", "")
            by[partition] = by.get(partition, 0.0) + sample.value  # fates of one partition add up
    return Health(figures.get("qts_ready", {}).get("") == 1.0, figures)


def _page(port: int, path: str) -> tuple[int, bytes]:
    """Get a page of 127.0.0.1; status 0 where nobody answers."""
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=LOOK_S_MAX)
    try:
        asked.request("GET", path)
        answer = asked.getresponse()
        return answer.status, answer.read(PAGE_BYTES_MAX)
    except (OSError, http.client.HTTPException):
        return 0, b""  # not there (yet, any more), or too busy: the caller looks again
    finally:
        asked.close()


def memory_bytes(pid: int | str = "self") -> int | None:
    """Give the resident memory of a process; nothing where there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _MEMORY_PAGE_BYTES
    except (OSError, ValueError):
        return None


def is_worker(pid: int, name: str) -> bool:
    """Tell whether this process is that worker: after a restart of the machine its id may be somebody else's."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"streams.cli.main" in words and name.encode() in words
