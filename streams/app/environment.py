"""What a worker is told by its environment.

Decides: the names of the variables, their defaults, and what is refused. Leaves to others: settings of Kafka (connectors.kafka.settings),
limits of trading (they travel on the tape, never through here).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from connectors.kafka.settings import KafkaSettings, kafka_settings
from streams.services.watchdog import Limits

Role = Literal["sequencer", "desk", "views", "execution"]
Mode = Literal["demo", "tests", "production"]


class BadEnvironment(ValueError):
    """A variable cannot be used."""


class WorkerSettings(NamedTuple):
    """Where a worker runs and as what."""

    role: Role
    name: str
    mode: Mode
    kafka: KafkaSettings
    registry_url: str | None
    home: Path
    web_port: int
    web_bind: str
    """The pages are for this machine alone unless the deployment says otherwise."""
    embedded_partitions: int | None
    """On the broker without topic ids and creation of topics: how many partitions there are. None on a real one."""
    record_folder: Path | None
    """Where the tape and the decisions are kept in files too."""
    steps_file: Path | None
    """Where the step a worker is at is noted, for proofs."""
    die_at: str | None
    """STEP:N: die at the Nth time the worker is at that step, for proofs."""
    watchdog: Limits
    dead_letters_max: int
    catch_up: bool
    """End when the tape has been stepped to where it ended at the start."""


DEFAULT_PORTS: Mapping[Role, int] = {"sequencer": 6066, "desk": 6067, "views": 6068, "execution": 6070}


def worker_settings(environ: Mapping[str, str]) -> WorkerSettings:
    """Read the environment of a worker."""
    role: Any = environ.get("QTS_ROLE", "desk")
    mode: Any = environ.get("QTS_MODE", "production")
    if role not in get_args(Role):
        raise BadEnvironment(f"QTS_ROLE={role}: must be one of {', '.join(get_args(Role))}")
    if mode not in get_args(Mode):
        raise BadEnvironment(f"QTS_MODE={mode}: must be one of {', '.join(get_args(Mode))}")
    embedded = environ.get("QTS_EMBEDDED_PARTITIONS")
    return WorkerSettings(
        role,
        environ.get("QTS_WORKER") or f"{role}-0",
        mode,
        kafka_settings(environ),
        environ.get("QTS_SCHEMA_REGISTRY_URL") or None,
        Path(environ.get("QTS_HOME") or ".qts"),
        _number(environ, "QTS_WEB_PORT", DEFAULT_PORTS[role]),
        environ.get("QTS_WEB_BIND") or "127.0.0.1",
        None if embedded is None else _number(environ, "QTS_EMBEDDED_PARTITIONS", 0),
        _path(environ, "QTS_RECORD"),
        _path(environ, "QTS_STEPS_FILE"),
        environ.get("QTS_DIE_AT"),
        Limits(
            _number(environ, "QTS_RECOVERY_S_MAX", int(Limits().recovery_s_max)),
            _number(environ, "QTS_SILENT_S_MAX", int(Limits().silent_s_max)),
            _number(environ, "QTS_MEMORY_MB_MAX", Limits().memory_bytes_max // 1024**2) * 1024**2,
        ),
        _number(environ, "QTS_DEAD_LETTERS_MAX", 1_000),
        environ.get("QTS_CATCH_UP") == "1",
    )


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()):
        raise BadEnvironment(f"{name}={text}: must be a whole number")
    return int(text)


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name)
    return Path(text) if text else None
