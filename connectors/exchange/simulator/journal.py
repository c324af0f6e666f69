"""The journal of a session: one line of JSON for each request and its answer, each event of a private stream, each change from outside.

Decides: what is left out (signatures, keys, secrets, listen keys), how much is kept, how entries are found again. Leaves to others: when something is
written (server, user_events), how it is shown (the command). Market data is not written: it is the seed's, and can be had again.
"""

import json
from collections.abc import Iterator, Mapping
from io import BufferedWriter
from pathlib import Path

BYTES_MAX = 32 * 1024 * 1024
FILES_MAX = 4
"""Some 400,000 requests; past that the oldest file gives way."""
ANSWER_MAX = 4_000
"""Characters of an answer that are kept: long ones are lists that can be asked for again."""
LEFT_OUT = {"signature", "secret", "key", "listenKey", "X-MBX-APIKEY", "apiKey"}
CLIENT_IDS = ("newClientOrderId", "origClientOrderId", "clientOrderId", "clientAlgoId", "c", "caid")

Entry = dict[str, object]


class Journal:
    """Writes, or does nothing where there is no file."""

    def __init__(self, file: Path | None, bytes_max: int = BYTES_MAX) -> None:
        """Write to a file; what is in it goes on."""
        self._file, self._bytes_max = file, bytes_max
        self._output: BufferedWriter | None = None
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._output = file.open("ab")

    def write(self, ts_ms: int, kind: str, account: str, told: Mapping[str, object]) -> None:
        """Add an entry."""
        if self._output is None:
            return
        entry = {"ts": ts_ms, "kind": kind, "account": account, **cleaned(told)}
        self._output.write(json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
        if self._output.tell() > self._bytes_max:
            self._turn()

    def flush(self) -> None:
        """Hand everything to the disk's cache."""
        if self._output is not None:
            self._output.flush()

    def close(self) -> None:
        """End it."""
        if self._output is not None:
            self._output.close()
            self._output = None

    def _turn(self) -> None:
        """Go on with a new file."""
        assert self._file is not None
        assert self._output is not None
        self._output.close()
        for number in range(FILES_MAX - 1, 0, -1):
            older = _numbered(self._file, number - 1)
            if older.exists():
                older.replace(_numbered(self._file, number))
        self._output = self._file.open("ab")


def cleaned(told: Mapping[str, object]) -> Entry:
    """Leave out what is secret, wherever it is, and what is too long."""
    kept: Entry = {}
    for name, value in told.items():
        if name in LEFT_OUT:
            continue
        if isinstance(value, Mapping):
            kept[name] = cleaned(value)
        elif isinstance(value, list):
            kept[name] = [cleaned(item) if isinstance(item, Mapping) else item for item in value]
        else:
            kept[name] = value
    return kept


def shortened(answer: object, text: str) -> object:
    """Give an answer as it is, or its beginning where it is long."""
    return answer if len(text) <= ANSWER_MAX else f"{text[:ANSWER_MAX]}…"


def entries(
    file: Path, *, account: str | None = None, client_id: str | None = None, path: str | None = None, since_ms: int = 0
) -> Iterator[Entry]:
    """Give what was written, oldest first; only what is about an account, a client id or a path that begins so, and from a time on."""
    for number in range(FILES_MAX - 1, -1, -1):
        there = _numbered(file, number)
        if not there.exists():
            continue
        with there.open(encoding="utf-8") as lines:
            for line in lines:
                if not line.endswith("\n"):
                    break  # it is being written
                if client_id is not None and client_id not in line:
                    continue
                entry: Entry = json.loads(line)
                if (
                    account in {None, entry["account"]}
                    and (client_id is None or client_id in set(_client_ids(entry)))
                    and (path is None or str(entry.get("path", "")).startswith(path))
                    and int(str(entry["ts"])) >= since_ms
                ):
                    yield entry


def _client_ids(value: object) -> Iterator[object]:
    """Give every client id in an entry."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in CLIENT_IDS:
                yield inner
            else:
                yield from _client_ids(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _client_ids(inner)


def _numbered(file: Path, number: int) -> Path:
    return file.with_name(f"{file.name}.{number}") if number else file
