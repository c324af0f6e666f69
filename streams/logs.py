"""Logs: one JSON object a line for machines, one readable line for people at a terminal.

Decides: the fields of a line, and what a worker says first. Leaves to others: what is worth a line, and where stderr goes.
Use the standard library's loggers: `logging.getLogger(__name__).info("order sent", extra={"account": …, "order_id": …})`.
"""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TextIO

FIELDS = ("account", "signal_id", "order_id", "tape_offset")
"""What a line names, where it is known, so that everything about one order can be found."""

WORKER = "worker"
"""The attribute under which a worker's banner travels to the formatters."""

_COLOURS = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.CRITICAL: "\x1b[1;31m"}
_PLAIN = "\x1b[0m"


class JsonLines(logging.Formatter):
    """One JSON object a line: ts, level, logger, message, then the fields that are known."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line; an exception's traceback is a field of it."""
        line: dict[str, object] = {
            "ts": _moment(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_known(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class Readable(logging.Formatter):
    """A line for a person: time of day, level, message, then the fields that are known."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line, and a traceback below it."""
        fields = "".join(f" {name}={value}" for name, value in _known(record).items())
        level = f"{_COLOURS.get(record.levelno, '')}{record.levelname:<8}{_PLAIN}"
        # A line break in a message from outside must not pass for a line of ours.
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = f"{_moment(record):%H:%M:%S}.{int(record.msecs):03d} {level} {message}{fields}"
        return line + "\n" + self.formatException(record.exc_info) if record.exc_info else line


def set_up(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send all logs to a stream (stderr): readable if it is a terminal, else JSON lines. Calling again replaces what was set up before."""
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    handler.setFormatter(Readable() if target.isatty() else JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


@dataclass(frozen=True)
class Worker:
    """What a worker says of itself before anything else."""

    mode: str
    """demo, tests or production."""
    role: str
    """sequencer, desk, views, execution, sinks or replay."""
    desk_version: str
    policy_version: int | None
    phase: str | None
    ess: str | None
    """Where the emergency stop stands; unknown before a snapshot or the tape has told."""
    risk_per_trade_pct: Decimal | None
    queue_limits: Mapping[str, int]


def worker_banner(logger: logging.Logger, worker: Worker) -> None:
    """Log a worker's first lines: who it is, what it is allowed, how much it can hold. What is not known yet is said to be unknown."""
    about = {name: _unknown(value) for name, value in asdict(worker).items() if name != "queue_limits"}
    limits = {f"{name}_max": value for name, value in worker.queue_limits.items()}
    who, may = ("mode", "role", "desk_version"), ("policy_version", "phase", "ess", "risk_per_trade_pct")
    logger.info("worker starts", extra={WORKER: {name: about[name] for name in who}})
    logger.info("worker trades by", extra={WORKER: {name: about[name] for name in may}})
    logger.info("worker queues hold", extra={WORKER: limits})


def _unknown(value: object) -> object:
    return "unknown" if value is None else value


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _known(record: logging.LogRecord) -> dict[str, object]:
    known = {name: record.__dict__[name] for name in FIELDS if record.__dict__.get(name) is not None}
    return known | dict(record.__dict__.get(WORKER, {}))
