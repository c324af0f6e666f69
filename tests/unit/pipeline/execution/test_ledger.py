"""The ledger: records of many lives of many owners, in whatever order, come to the same; what is forgotten stays over."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from streams.desk.outputs import Cancel, Order
from streams.desk.turn import order_id
from streams.desk.values import ZERO
from streams.pipeline.execution.ledger import CHANGELOG, Ledger, client_id
from streams.pipeline.execution.ledger_keys import Keys, Place, Step, place_of
from streams.pipeline.execution.ledger_records import StepRecord
from tests.execution_acts import arrived
from tests.execution_kit import CODEC, ORDERS, World
from tests.log_kit import Cluster

KEYS = Keys(0)
EPOCH = 1
TS = 1_700_000_000_000
WINDOW_MS = 3_000

Record = tuple[bytes, bytes | None]


def order_at(offset: int, quantity: str = "1", account: str = "main") -> Order:
    return Order(
        order_id(EPOCH, account, offset, 0), account, offset, 0, "BTCUSDT", "BUY", "MARKET", Decimal(quantity), None, False, None, "signal", 0,
        1, 0, Decimal(1), Decimal(9), -1, -1, TS,
    )  # fmt: skip


def new(order: Order) -> Record:
    return KEYS.new(order.account, where(order)), CODEC.encode(order)


def where(order: Order) -> Place:
    place = place_of(order)
    assert place is not None
    return place


def step(order: Order, attempt: int, name: Step, at_ms: int = 0, **record: Any) -> Record:
    """Make a step; of a sending, and of a decision that it is over, at its time."""
    record.setdefault("quantity", order.quantity)
    key = KEYS.step(order.account, where(order), attempt, name, TS + at_ms)
    window_ms = WINDOW_MS if name == "SENDING" else 0
    return key, Ledger(0, CODEC).encode_step(StepRecord(TS + at_ms, window_ms=window_ms, **record))


def high(order: Order) -> Record:
    return KEYS.high(order.account, where(order)), Ledger(0, CODEC).encode_step(StepRecord(0, ZERO))


def cancel(order: Order) -> Record:
    wish = Cancel(order.order_id, order.account, order.offset + 1, 0, order.symbol, "TEST", TS)
    return KEYS.cancel(order.account, where(order)), CODEC.encode(wish)


def taken(records: Sequence[Record]) -> Ledger:
    """Let a ledger hear records one after the other."""
    ledger = Ledger(0, CODEC)
    for key, value in records:
        ledger.take(key, value)
    return ledger


def restored(records: Sequence[Record]) -> Ledger:
    """Make a ledger from what a table holds of them."""
    cluster = Cluster()
    for key, value in records:
        cluster.put(CHANGELOG, 0, key, value)
    return Ledger(0, CODEC, cluster.table(CHANGELOG, 0).items())


def known(ledger: Ledger) -> Any:
    """Tell what is known: of orders all there is, of what is over how far it goes."""
    orders = [
        (entry.place, entry.order, entry.cancel, entry.over, [
            (one.number, one.quantity, one.sent, one.done, one.unknown, one.exchange_id, one.filled) for one in entry.attempts
        ])
        for entry in ledger.entries()
    ]  # fmt: skip
    names = {name: (entry.place, attempt.number) for name, (entry, attempt) in ledger.by_client_id.items()}
    return orders, names, ledger.high


def a_life(chance: Random, offset: int, account: str) -> list[Record]:
    """All that several owners, one after the other and late, may have written of one order."""
    order = order_at(offset, "10", account)
    records, at_ms, left = [new(order)], 0, Decimal(10)
    if chance.random() < 0.3:
        records.append(cancel(order))
    for attempt in range(3):
        quantity = left
        if chance.random() < 0.2:  # somebody who had lost it already refused it, before it was sent by whoever had it then
            records.append(step(order, attempt, "DONE", at_ms, quantity=quantity, kind="REJECTED", reason="TOO_OLD"))
        for _ in range(chance.randint(0, 3)):
            at_ms += chance.randint(1, 9_000)
            records.append(step(order, attempt, "SENDING", at_ms, quantity=quantity))
        if chance.random() < 0.4:
            records.append(step(order, attempt, "UNKNOWN", quantity=quantity))
        if chance.random() < 0.6:
            records.append(step(order, attempt, "WORKING", quantity=quantity, exchange_id=f"x{offset}-{attempt}"))
        if chance.random() < 0.2:
            return records
        at_ms += 10
        filled, more = Decimal(chance.randint(0, 3)), attempt < 2 and chance.random() < 0.5
        left -= filled
        rest = left if more else ZERO
        records.append(step(order, attempt, "DONE", at_ms, quantity=quantity, filled=filled, rest=rest, kind="EXPIRED"))
        if not more:
            if chance.random() < 0.7:
                records.append(step(order, attempt, "OVER", quantity=quantity))
            return records
    return records


@pytest.mark.parametrize("seed", range(20))
def test_records_come_to_the_same_in_whatever_order_they_are_read(seed: int) -> None:
    chance = Random(seed)
    records = [record for offset in range(1, 6) for account in ("a", "b") for record in a_life(chance, offset, account)]
    if chance.random() < 0.5:
        records.append(high(order_at(chance.randint(1, 3), account="a")))
    expected = known(restored(records))

    for _ in range(10):
        chance.shuffle(records)
        assert known(taken(records)) == expected
        assert known(restored(records)) == expected


def test_of_several_sendings_the_last_one_counts() -> None:
    order = order_at(1)
    ledger = taken([new(order), step(order, 0, "SENDING", 9_000), step(order, 0, "SENDING", 2_000)])

    [entry] = ledger.entries()
    assert entry.attempt.sent == StepRecord(TS + 9_000, Decimal(1), WINDOW_MS)


def test_who_refused_before_it_was_sent_did_not_know_of_that() -> None:
    order = order_at(1)
    sent = [new(order), step(order, 0, "SENDING", 20_000), step(order, 0, "WORKING", exchange_id="7")]
    ledger = restored([*sent, step(order, 0, "DONE", 5_000, kind="REJECTED", reason="TOO_OLD")])

    [entry] = ledger.entries()
    assert entry.attempt.done is None
    assert entry.attempt.exchange_id == "7"


def test_who_refused_after_a_sending_that_was_read_too_late_knew_better() -> None:
    order = order_at(1)
    ledger = restored(
        [new(order), step(order, 0, "DONE", 20_000, kind="REJECTED"), step(order, 0, "OVER"), step(order, 0, "SENDING", 5_000)]
    )

    [entry] = ledger.entries()
    assert entry.over
    assert entry.attempt.done is not None


def test_of_two_decisions_that_it_is_over_the_newer_one_counts_also_for_what_is_asked_for_next() -> None:
    order = order_at(1, "10")
    whole = [new(order), step(order, 0, "SENDING", 0, quantity=Decimal(10))]
    early = step(order, 0, "DONE", 100, filled=Decimal(4), rest=Decimal(6), kind="EXPIRED")
    late = step(order, 0, "DONE", 30_000, filled=Decimal(4), kind="EXPIRED")
    for records in ([*whole, late, early], [*whole, early, late]):
        [entry] = restored(records).entries()
        assert [one.number for one in entry.attempts] == [0]
        assert (client_id(order, 1) in taken(records).by_client_id) is False


def test_an_order_that_was_written_again_gets_what_is_known_of_it_when_compaction_has_taken_the_first() -> None:
    order = order_at(1)
    ledger = taken([step(order, 0, "SENDING", 0), step(order, 0, "WORKING", exchange_id="7"), new(order)])

    [entry] = ledger.entries()
    assert entry.attempt.sent is not None
    assert entry.attempt.accepted


def test_an_attempt_that_waits_is_the_same_one_whatever_is_heard_of_the_one_before() -> None:
    order = order_at(1, "10")
    ledger = taken([new(order), step(order, 0, "SENDING", 0), step(order, 0, "DONE", 10, rest=Decimal(6), kind="EXPIRED")])
    [entry] = ledger.entries()
    waiting = entry.attempt

    ledger.take(*step(order, 0, "PARTIAL", filled=Decimal(4)))

    assert entry.attempt is waiting


def test_nothing_at_or_below_a_high_water_is_there_whatever_is_written_of_it_late() -> None:
    orders = [order_at(offset) for offset in (1, 2, 3)]
    ledger = taken([*(new(order) for order in orders), high(orders[1])])
    for order in orders[:2]:
        ledger.take(*new(order))
        ledger.take(*step(order, 0, "SENDING", 0))
        assert ledger.is_over("main", where(order))
        assert ledger.of_id(order.order_id) is None

    assert [entry.place for entry in ledger.entries()] == [where(orders[2])]
    assert not ledger.is_over("other", where(orders[0])), "a high-water is an account's own"


def test_a_high_water_that_is_written_late_by_who_has_lost_it_takes_nothing_back() -> None:
    orders = [order_at(offset) for offset in (1, 2, 3)]
    for records in ([high(orders[1]), high(orders[0])], [high(orders[0]), high(orders[1])]):
        assert taken(records).high == restored(records).high == {"main": where(orders[1])}
        assert taken(records).outdated("main") == [KEYS.high("main", where(orders[0]))]


def test_what_is_outdated_is_everything_below_also_what_came_late_and_never_the_high_water_itself() -> None:
    orders = [order_at(offset) for offset in (1, 2, 3)]
    records = [*(new(order) for order in orders), step(orders[0], 0, "SENDING", 0), step(orders[0], 0, "DONE", 5, kind="FILLED")]
    ledger = taken([*records, high(orders[0]), high(orders[1]), step(orders[1], 0, "SENDING", 0)])

    outdated = ledger.outdated("main")

    assert set(outdated) == {key for key, _ in records if b"/1-3-0/" not in key} | {
        KEYS.high("main", where(orders[0])),
        step(orders[1], 0, "SENDING", 0)[0],
    }
    for key in outdated:
        ledger.take(key, None)
    assert ledger.outdated("main") == []


def test_deleting_may_end_anywhere_and_what_was_over_stays_over() -> None:
    orders = [order_at(offset) for offset in range(1, 5)]
    records: list[Record] = []
    for order in orders[:3]:
        records += [new(order), step(order, 0, "SENDING", 0), step(order, 0, "DONE", 5, kind="EXPIRED"), step(order, 0, "OVER")]
    records += [new(orders[3]), high(orders[2])]
    deleted: list[Record] = [(key, None) for key in taken(records).outdated("main")]
    expected = known(restored(records))

    for through in range(len(deleted) + 1):
        assert known(restored([*records, *deleted[:through]])) == expected


def test_orders_that_are_over_are_forgotten_only_up_to_the_first_that_is_not() -> None:
    orders = [order_at(offset) for offset in range(1, 6)]
    ledger = taken([new(order) for order in reversed(orders)])
    for order in (*orders[:2], *orders[3:]):
        entry = ledger.of_id(order.order_id)
        assert entry is not None
        entry.over = True

    assert ledger.finished("main", 2) == where(orders[1])
    assert ledger.finished("main", 3) is None
    assert ledger.finished("other", 0) is None


def test_after_ten_thousand_orders_little_is_kept_and_none_is_sent_when_all_are_read_again() -> None:
    world = World()
    for _ in range(10):
        for _ in range(1_000):
            world.order("main", "BTCUSDT", "BUY", "0.010")
        world.clock.now_s += 10
        world.live()
    kept = world.cluster.table(CHANGELOG, 0)
    assert sum(1 for _ in Ledger(0, CODEC, kept.items()).entries()) < world.limits.forget_at
    assert len(kept) < 10 * world.limits.forget_at
    world.committed = 0

    world.live()

    assert world.committed == world.cluster.ends[ORDERS, 0]
    assert world.exchange.requests == []


def test_all_orders_read_again_from_the_beginning_are_not_sent_again() -> None:
    world = World()
    orders = [world.order("main", "BTCUSDT", "BUY", "0.010") for _ in range(100)]
    world.live()
    assert world.cluster.table(CHANGELOG, 0).keys() & {new(order)[0] for order in orders[:64]} == set()
    world.cluster.compact(CHANGELOG, 0)
    world.committed = 0

    world.live()

    world.check()
    assert {len(arrived(world, order)) for order in orders} == {1}
