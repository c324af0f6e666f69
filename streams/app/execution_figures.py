"""The figures of an execution worker.

Decides: how open orders are counted. Leaves to others: the names (services.metrics), what is done about an order (pipeline.execution).
"""

from collections import Counter
from collections.abc import Iterable

from streams.agents.executing import Executors
from streams.app.execution import Execution
from streams.pipeline.execution.ledger import Entry
from streams.services.metrics import Metrics, Sample

STEPS = ("NEW", "SENDING", "UNKNOWN", "WORKING", "PARTIAL")


def step_of(entry: Entry) -> str:
    """Tell how far the last attempt of an order has come."""
    attempt = entry.attempt
    if attempt.sent is None:
        return "NEW"
    if attempt.accepted:
        return "PARTIAL" if attempt.filled else "WORKING"
    return "UNKNOWN" if attempt.unknown else "SENDING"


def execution_samples(executors: Executors, execution: Execution) -> Iterable[Sample]:
    """Give the figures of all partitions."""
    now_ms = execution.exchange.now_ms()
    yield Sample(Metrics.LEASE_LEFT_SECONDS, execution.lease.left_s())
    yield Sample(Metrics.CONTROL_READ, int(execution.known.brakes.caught_up))
    yield Sample(Metrics.ALERTS, execution.alerts.count)
    yield Sample(Metrics.EXCHANGE_WEIGHT, execution.allowance.weight)
    error_ms = execution.exchange.clock_error_ms()
    if error_ms is not None:
        yield Sample(Metrics.EXCHANGE_CLOCK_ERROR_SECONDS, error_ms / 1_000)
    for partition, held in executors.held.items():
        label, standing = (str(partition),), held.executor.standing
        open_ = [entry for orders in held.ledger.accounts.values() for entry in orders.values() if not entry.over]
        counts = Counter(map(step_of, open_))
        for step in STEPS:
            yield Sample(Metrics.OPEN_ORDERS, counts[step], (*label, step))
        doubted = [entry.attempt.sent.ts for entry in open_ if entry.attempt.sent is not None and step_of(entry) == "UNKNOWN"]
        yield Sample(Metrics.UNKNOWN_AGE_SECONDS, max(0, now_ms - min(doubted, default=now_ms)) / 1_000, label)
        yield Sample(Metrics.ACCOUNTS_READY, len({account for account, _ in standing.ready}), label)
        yield Sample(Metrics.ACCOUNTS_RECONCILED, len(standing.reconciled), label)
        yield Sample(Metrics.ACCOUNTS_HALTED, len(standing.halted), label)
    yield Sample(Metrics.OWNED_PARTITIONS, sum(held.executor.standing.taken_over for held in executors.held.values()))
