"""The topics, as a cluster has to have them.

Decides: partitions, for how long records are kept, how soon old ones give way, how large one may be. Leaves to others: which topics there are and
which are compacted (streams.flow, and whoever keeps a changelog), how many copies there are (connectors.kafka.topic_rules).
"""

from collections.abc import Mapping

from connectors.kafka.identity import TOPIC as IDENTITY
from connectors.kafka.topic_rules import WantedTopic
from streams.flow import ASIDE, INPUTS, OUTPUTS, TAPE
from streams.pipeline.execution.ledger import CHANGELOG as LEDGER
from streams.pipeline.views import CHANGELOGS as VIEWS
from streams.pipeline.write_pipeline import CHANGELOG as DESK

DEFAULT_PARTITIONS = 4
"""Partitions are the unit of work and of loss of work: four workers of a role at most, and a fixed number within an epoch of the tape."""
PARTITIONS_MAX = 1_000
"""Each costs the sequencer a tick a second and every broker some files."""

DAY_MS = 24 * 3_600_000

RETENTION_DAYS: Mapping[str, int] = {
    "signals": 30, "marks": 7, "liquidity": 30, "allowances": 1, "order-events": 90, "fills": 90, "account-events": 90, "orders": 90,
    "dead-letters": 90, "control": 400, "tape": 90, "decisions": 400,
}  # fmt: skip
"""What is on the tape too is kept for looking things up: a month of signals, a week of marks. Liquidity is said
every ten seconds, and a month of it shows what is usual. What the exchange said is kept a quarter, for
reconciliation, and so are dead letters, which somebody has to redrive, and the tape: workers need it since the last snapshot, minutes ago,
and an audit exports it. Executors read all of `control` at their start, and a year's report needs the decisions: both outlive a year."""

INPUT_BYTES_MAX = 1024 * 1024 + 12
"""One record of 1 MiB in Kafka's envelope."""
WRAPPED_BYTES_MAX = 2 * 1024 * 1024
"""The tape and dead letters carry an input of 1 MiB with where it came from, snapshots go in chunks of 900 KB, a decision has every figure."""

_COMPACTED: Mapping[str, Mapping[str, str]] = {
    DESK: {
        # A snapshot every ten ticks, old ones deleted by name: all but the last ones is dead weight that every recovery has to read.
        "segment.ms": "60000", "segment.bytes": str(16 * 1024**2), "min.cleanable.dirty.ratio": "0.1",
        "min.compaction.lag.ms": "0", "max.compaction.lag.ms": "120000", "delete.retention.ms": "600000",
    },
    LEDGER: {
        # A dozen records an order, deleted when a few dozen orders are over. Who reads it while it is compacted has a day to see what was deleted.
        "segment.ms": "600000", "segment.bytes": str(16 * 1024**2), "min.cleanable.dirty.ratio": "0.2", "min.compaction.lag.ms": "0",
        "delete.retention.ms": str(DAY_MS),
    },
    **{
        name: {"segment.ms": "600000", "segment.bytes": str(16 * 1024**2), "min.cleanable.dirty.ratio": "0.2", "min.compaction.lag.ms": "0"}
        for name in VIEWS.values()
    },
    # An account is pictured at every tick, and only the newest picture is asked for; readers that fell behind get an hour.
    "portfolio": {
        "segment.ms": "3600000", "segment.bytes": str(64 * 1024**2), "min.cleanable.dirty.ratio": "0.3", "min.compaction.lag.ms": "3600000",
    },
    "instruments": {"segment.ms": str(DAY_MS), "min.cleanable.dirty.ratio": "0.5", "min.compaction.lag.ms": "0"},
    IDENTITY: {"segment.ms": str(7 * DAY_MS), "min.cleanable.dirty.ratio": "0.5", "min.compaction.lag.ms": "0"},
}  # fmt: skip


def catalogue(partitions: int = DEFAULT_PARTITIONS) -> tuple[WantedTopic, ...]:
    """Give every topic, each once, in the order of the flow."""
    inputs = {topic.name for topic in INPUTS}
    flow = {topic.name: topic.cleanup for topic in (*INPUTS, TAPE, *OUTPUTS, *ASIDE)}
    ours = [WantedTopic(name, partitions, _settings(name, cleanup, name in inputs)) for name, cleanup in flow.items()]
    changelogs = [WantedTopic(name, partitions, _settings(name, "compact", False)) for name in (DESK, LEDGER, *VIEWS.values())]
    return (*ours, *changelogs, WantedTopic(IDENTITY, 1, _settings(IDENTITY, "compact", False)))


MADE_BY_THE_TAPE = (TAPE.name, "orders", "decisions", "portfolio", DESK, LEDGER, *VIEWS.values())
"""Where nothing can be before a tape has begun. Records here without an identity mean that the identity was lost, not that there was none."""


def _settings(name: str, cleanup: str, is_input: bool) -> dict[str, str]:
    kept = _COMPACTED[name] if cleanup == "compact" else {"retention.ms": str(RETENTION_DAYS[name] * DAY_MS)}
    size = INPUT_BYTES_MAX if is_input else WRAPPED_BYTES_MAX
    return {"cleanup.policy": cleanup, "max.message.bytes": str(size), **kept}
