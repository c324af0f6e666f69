"""The row about coming back: from the start of a worker whose ledger holds 100,000 orders to its first request for an order.

Decides: what the ledger holds (a real worker has opened the accounts, sent the oldest orders, which rest at the exchange, and was killed; behind each
of these stand orders that were filled and cannot be forgotten before it), and that orders keep coming meanwhile, of all accounts: the first one that
arrives counts. So the wait for the lease of the one before is in the figure. A worker is killed a minute after its start, and no sooner: the weight
that cost is not in the exchange's count any more, as it is not where a worker dies that has run for a day. Leaves to others: the stage, the worker,
filling (bench_ends).
"""

from collections.abc import Iterator
from typing import Final

from connectors.kafka.bench_ends import Bench
from connectors.kafka.partitioner import partition_of
from streams.bench.execution_stage import PRICES, SYMBOL, Ground, Stage, staged
from streams.bench.rates import Timer
from streams.bench.workers import BenchWorker
from streams.desk.outputs import Order
from streams.pipeline.execution.ledger import CHANGELOG, Ledger
from streams.pipeline.execution.ledger_keys import place_of
from streams.pipeline.execution.ledger_records import StepRecord
from streams.pipeline.execution.means import Limits
from streams.replay.bench import Row

ACCOUNTS: Final = tuple(f"bench-{number}" for number in range(4))
OPEN_EACH: Final = 10
REST_AT: Final = PRICES[SYMBOL] - 1_000
ORDER_EVERY_S: Final = 0.25
STEADY_S: Final = 65.0
FIRST_S_MAX: Final = 180.0
REST_S_MAX: Final = 120.0
FIRST_ID: Final = 1_000_000
"""Of the exchange's: no order of this run has one so high."""


def recovery(ground: Ground, orders: int, timer: Timer) -> list[Row]:
    """Kill a worker, start it again; fill its ledger, kill it and start it again."""
    with staged(ground, timer) as stage:
        stage.open(*ACCOUNTS)
        with stage.worker() as worker:
            stage.wait_until_served(worker, len(ACCOUNTS))
            _rest(stage)
            stage.pause(STEADY_S)
            worker.kill()
            empty_s = _comes_back(stage, worker)
            stage.pause(STEADY_S)
            worker.kill()
            Bench(ground.settings).fill(CHANGELOG, filled(stage, orders))
            full_s = _comes_back(stage, worker)
    return [
        Row(f"ledger recovery with {orders:,} orders, to the first request", full_s, "s", full_s / empty_s),
        Row(f"the same with {len(ACCOUNTS) * OPEN_EACH} orders", empty_s, "s", None),
    ]


def _rest(stage: Stage) -> None:
    """Have orders rest at the exchange, the oldest of each account. One that is refused for its age is followed by another."""
    resting: dict[str, int] = {}

    def enough() -> bool:
        arrived = [arrival.account for arrival in stage.arrivals().values()]
        resting.update({account: arrived.count(account) for account in ACCOUNTS})
        short = [account for account in ACCOUNTS if resting[account] < OPEN_EACH]
        for account in short:
            stage.send(stage.order(account, "BUY", limit=REST_AT))
        stage.pause(1.0)
        return not short

    stage.until(enough, lambda: f"orders rest at the exchange: {resting}", REST_S_MAX)


def _comes_back(stage: Stage, worker: BenchWorker) -> float:
    """Start a worker that was killed, have orders come, and tell after how many seconds the first one is at the exchange."""
    names, began_ns, began_ms = set[str](), stage.timer.now_ns(), stage.now_ms()
    worker.start()
    first_ns: list[int] = []

    def arrived() -> bool:
        worker.check()
        account = ACCOUNTS[len(names) % len(ACCOUNTS)]
        names.add(stage.send(stage.order(account, "BUY", limit=REST_AT)))
        stage.pause(ORDER_EVERY_S)
        first_ns.extend(arrival.at_ns for name, arrival in stage.arrivals(began_ms).items() if name in names)
        return bool(first_ns)

    stage.until(arrived, lambda: f"an order arrives again: {worker.last_words()}", FIRST_S_MAX)
    return (min(first_ns) - began_ns) / 1e9


def filled(stage: Stage, orders: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Give the ledger's records of orders that came and were filled, as execution writes them, with their partitions."""
    ledgers = {account: Ledger(partition_of(account.encode(), stage.ground.partitions), stage.codec) for account in ACCOUNTS}
    for number in range(orders):
        order = stage.order(ACCOUNTS[number % len(ACCOUNTS)], "BUY")
        ledger = ledgers[order.account]
        for key, value in _records(ledger, order, str(FIRST_ID + number)):
            yield ledger.keys.partition, key, value


def _records(ledger: Ledger, order: Order, exchange_id: str) -> Iterator[tuple[bytes, bytes]]:
    """Give what is written of an order that was filled at once."""
    place, keys, account, ts = place_of(order), ledger.keys, order.account, order.ts
    assert place is not None
    sent = StepRecord(ts, order.quantity, Limits().window_ms)
    working = StepRecord(ts, order.quantity, exchange_id=exchange_id)
    done = working._replace(filled=order.quantity, kind="FILLED")
    yield keys.new(account, place), ledger.encode_message(order)
    yield keys.step(account, place, 0, "SENDING", ts), ledger.encode_step(sent)
    yield keys.step(account, place, 0, "WORKING", 0), ledger.encode_step(working)
    yield keys.step(account, place, 0, "DONE", ts), ledger.encode_step(done)
