"""Every metric of a worker: its name, its unit, its labels, in one place.

Decides: what is measured and how it is called. Leaves to others: the figures (the roles give them when asked), and who reads them.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Kind(Enum):
    """What a figure does over time."""

    COUNTER = "counter"
    GAUGE = "gauge"


class About(NamedTuple):
    """A metric."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


class Metrics(Enum):
    """All of them. Names end in their unit."""

    READY = About("qts_ready", Kind.GAUGE, "1 once the worker has recovered and works, else 0")
    MEMORY_BYTES = About("qts_memory_bytes", Kind.GAUGE, "Resident memory")
    OWNED_PARTITIONS = About("qts_owned_partitions", Kind.GAUGE, "Partitions this worker has")
    RECOVERY_SECONDS = About("qts_recovery_seconds", Kind.GAUGE, "How long the last recovery took")
    REBALANCES = About("qts_rebalances_total", Kind.COUNTER, "Assignments since the start")
    LOOP_LAG_SECONDS = About("qts_loop_lag_seconds", Kind.GAUGE, "How late the last look at everything was")
    RECORDS_FORWARDED = About("qts_forwarded_records_total", Kind.COUNTER, "Records put on the tape")
    TAPE_OFFSET = About("qts_tape_offset", Kind.GAUGE, "Last tape offset stepped", ("partition",))
    TAPE_LAG_RECORDS = About("qts_tape_lag_records", Kind.GAUGE, "Tape records not stepped yet", ("partition",))
    DESK_TIME_SECONDS = About("qts_desk_time_seconds", Kind.GAUGE, "The desk's time", ("partition",))
    INPUTS = About("qts_inputs_total", Kind.COUNTER, "Inputs by what became of them", ("partition", "fate"))
    SUPPRESSED = About("qts_suppressed_outputs_total", Kind.COUNTER, "Outputs that were on their topic already", ("partition",))
    SNAPSHOTS = About("qts_snapshots_total", Kind.COUNTER, "Snapshots made durable", ("partition",))
    ACCOUNTS = About("qts_accounts", Kind.GAUGE, "Accounts known", ("partition",))
    POSITIONS = About("qts_positions", Kind.GAUGE, "Positions held", ("partition",))
    STOPS_TRIPPED = About("qts_stops_tripped", Kind.GAUGE, "Accounts whose emergency stop is not armed", ("partition",))
    OPEN_ORDERS = About("qts_open_orders", Kind.GAUGE, "Orders that are not over, by how far they are", ("partition", "step"))
    UNKNOWN_AGE_SECONDS = About(
        "qts_unknown_order_age_seconds",
        Kind.GAUGE,
        "Since the oldest order was sent that nobody has an answer for",
        ("partition",),
    )
    ACCOUNTS_READY = About("qts_accounts_ready", Kind.GAUGE, "Accounts that were checked and may trade", ("partition",))
    ACCOUNTS_RECONCILED = About("qts_accounts_reconciled", Kind.GAUGE, "Accounts compared with the exchange", ("partition",))
    ACCOUNTS_HALTED = About("qts_accounts_halted", Kind.GAUGE, "Accounts for which a person has to look", ("partition",))
    LEASE_LEFT_SECONDS = About("qts_lease_left_seconds", Kind.GAUGE, "For how long this worker may act on its partitions")
    CONTROL_READ = About("qts_control_read", Kind.GAUGE, "1 while all commands have been read, else 0: no new risk")
    EXCHANGE_CLOCK_ERROR_SECONDS = About(
        "qts_exchange_clock_error_seconds", Kind.GAUGE, "By how much the exchange's time may be wrong"
    )
    EXCHANGE_WEIGHT = About("qts_exchange_weight_total", Kind.COUNTER, "Weight of what was asked of the exchange")
    ALERTS = About("qts_execution_alerts_total", Kind.COUNTER, "Alerts for a person; the log has them")
    MARK_AGE_SECONDS = About("qts_mark_age_seconds", Kind.GAUGE, "Since a symbol's price was heard", ("symbol",))
    MARKS_SILENT = About(
        "qts_marks_silent", Kind.GAUGE, "1 while a symbol gets no marks because its source is stale", ("symbol",)
    )
    MARKS_SAID = About("qts_marks_total", Kind.COUNTER, "Marks published")
    STREAM_BREAKS = About("qts_stream_breaks_total", Kind.COUNTER, "Market data streams that broke or fell silent", ("stream",))
    RECORDS_NOT_TAKEN = About("qts_records_not_taken_total", Kind.COUNTER, "Records for which publisher and spool had no room")
    UNREADABLE_ANSWERS = About("qts_unreadable_answers_total", Kind.COUNTER, "What an exchange said and nobody can read")
    POLICY_VERSION = About("qts_policy_version", Kind.GAUGE, "Version of the policy in force", ("partition",))


class Sample(NamedTuple):
    """A figure of a metric."""

    metric: Metrics
    value: float
    labels: tuple[str, ...] = ()


Sampler = Callable[[], Iterable[Sample]]
"""Gives the figures of this moment. Nothing is counted twice for them: what the pipeline knows anyway is read when somebody asks."""


class _Samples(Collector):
    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def collect(self) -> Iterator[Metric]:
        """Give all families with their samples."""
        families: dict[Metrics, CounterMetricFamily | GaugeMetricFamily] = {}
        for metric, value, labels in self._sampler():
            family = families.get(metric)
            if family is None:
                about = metric.value
                make = CounterMetricFamily if about.kind is Kind.COUNTER else GaugeMetricFamily
                family = families[metric] = make(about.name, about.help, labels=about.labels)
            family.add_metric(labels, value)
        yield from families.values()


def exposition(sampler: Sampler) -> bytes:
    """Write all figures the way Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_Samples(sampler))
    return generate_latest(registry)
