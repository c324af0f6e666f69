"""The arithmetic of `./qts bench execution`: what is made of the times that were found."""

from pathlib import Path
from typing import Any

import pytest

from connectors.exchange.simulator.journal import Journal, entries
from connectors.kafka.bench_ends import NotDone
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.bench.execution_accounts import at_once, waiting_rows
from streams.bench.execution_allowance import counted, used_rows
from streams.bench.execution_latency import latency_rows
from streams.bench.execution_recovery import ACCOUNTS, filled
from streams.bench.execution_stage import Arrival, Ground, Stage, arrivals_in
from streams.bench.rates import Timer
from streams.pipeline.execution.ledger import Ledger

MS = 1_000_000


class _Nobody:
    """An exchange nobody asks."""


def asked(minute: int, used: int, status: int = 200) -> dict[str, Any]:
    return {"kind": "request", "ts": minute * 60_000 + 1, "status": status, "headers": {"X-MBX-USED-WEIGHT-1M": str(used)}}


def test_an_order_is_compared_with_the_bare_side_by_the_slowest_hundredth() -> None:
    rows = {row.name: row for row in latency_rows([3.0] * 98 + [30.0] * 2, [2.0] * 98 + [10.0] * 2)}

    assert rows["order on `orders` to its request at the exchange, p50"].ratio == 1.5
    assert rows["order on `orders` to its request at the exchange, p99"].ratio == 3.0
    assert rows["bare hop and one ccxt request, p99"].figure == 10.0


def test_an_order_that_waits_for_as_long_as_an_answer_takes_is_counted() -> None:
    rows = {row.name: row for row in waiting_rows([10.0] * 20, [10.0] * 18 + [199.9, 200.0], 200)}

    late = rows["orders that waited for as long as an answer takes"]
    assert (late.figure, late.unit, late.ratio) == (1, "of 20", 0.05)
    assert rows["order to its request, 200 accounts, p99"].ratio == 20.0


def test_requests_under_way_at_once_are_those_that_overlap() -> None:
    assert at_once([Arrival(0, 200, "a"), Arrival(100 * MS, 200, "b"), Arrival(200 * MS, 200, "c")]) == 2
    assert at_once([]) == 0


def test_what_a_minute_used_is_the_most_the_exchange_has_said_in_it() -> None:
    used, refused = counted([asked(5, 10), asked(5, 40), asked(6, 3), asked(6, 2, 429), {"kind": "event", "ts": 1}])

    assert (used, refused) == ({5: 40, 6: 3}, 1)


def test_the_worst_minute_after_the_first_counts() -> None:
    worst, first, refused = used_rows([80, 97, 96], 0, 100)

    assert (worst.figure, worst.ratio) == (96, 0.96)
    assert first.ratio == 0.8
    assert refused.figure == 0


def test_a_minute_in_which_nothing_was_asked_is_no_figure() -> None:
    with pytest.raises(NotDone):
        used_rows([80, 0], 0, 100)


def test_an_arrival_is_half_a_millisecond_after_what_the_journal_tells(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    for method in ("GET", "POST"):
        told = {"method": method, "path": "/fapi/v1/order", "parameters": {"newClientOrderId": "q1-a0"}, "took_ms": 7}
        journal.write(12, "request", "a", told)
    journal.close()

    assert arrivals_in(entries(tmp_path / "journal.jsonl")) == {"q1-a0": Arrival(12 * MS + MS // 2, 7, "a")}


def test_a_ledger_reads_what_it_was_filled_with_as_orders_that_were_filled(tmp_path: Path) -> None:
    exchange: Any = _Nobody()
    ground = Ground(KafkaSettings("127.0.0.1:1"), 1, embedded=False, folder=tmp_path)
    stage = Stage(ground, exchange, tmp_path / "journal.jsonl", Timer(lambda: 5_000 * MS, lambda _: None))

    records = list(filled(stage, 8))

    ledger = Ledger(0, Codec(BundledRegistry()), [(key, value) for _, key, value in records])
    found = list(ledger.entries())
    assert [entry.order.account for entry in found] == sorted(2 * ACCOUNTS)
    assert all(entry.attempt.done is not None and entry.filled == entry.order.quantity for entry in found)
