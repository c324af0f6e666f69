"""Orders without a desk: as a desk would approve them, the same for a seed, and of every kind execution has to cope with."""

from decimal import Decimal

from streams.desk.messages import Instrument, Mark
from streams.desk.outputs import Cancel, Order
from streams.desk.turn import order_id
from streams.desk.values import ZERO
from streams.simulation.approvals import EPOCH, Approvals

ACCOUNTS, SYMBOLS = ("acc000", "acc001"), ("BTCUSDT", "ARBUSDT")
PRICES = {"BTCUSDT": Decimal("64321.0"), "ARBUSDT": Decimal("0.7940")}
START_MS, EVERY_MS, TURN_MS = 1_780_000_000_000, 500, 50


def instrument(symbol: str) -> Instrument:
    tick, step = {"BTCUSDT": ("0.1", "0.001"), "ARBUSDT": ("0.0001", "0.1")}[symbol]
    return Instrument(
        f"{symbol}-1", symbol, symbol[:-4], "USDT", Decimal(tick), Decimal(step), Decimal(step), Decimal(1_000_000), Decimal(500_000), Decimal(5),
        Decimal("1.05"), Decimal("0.95"), 200, Decimal("0.0002"), Decimal("0.0005"), 28_800, 0, 0,
    )  # fmt: skip


def mark(symbol: str) -> Mark:
    price, tick = PRICES[symbol], instrument(symbol).tick_size
    return Mark(f"{symbol}-1", symbol, price, price, price, price, price + tick, Decimal(100_000), ZERO, START_MS)


def approvals(seed: int = 1) -> Approvals:
    made = Approvals(seed, ACCOUNTS, SYMBOLS, EVERY_MS)
    for symbol in SYMBOLS:
        made.take(mark(symbol))
        made.take(instrument(symbol))
    return made


def said(made: Approvals, seconds: int = 400) -> list[Order | Cancel]:
    return [one for at_ms in range(START_MS, START_MS + seconds * 1_000, TURN_MS) for one in made.advance(at_ms)]


def orders(made: Approvals) -> list[Order]:
    return [one for one in said(made) if isinstance(one, Order)]


def test_nothing_is_approved_before_every_symbol_has_a_price() -> None:
    made = Approvals(1, ACCOUNTS, SYMBOLS, EVERY_MS)
    made.take(mark("BTCUSDT"))

    assert not made.ready
    assert made.advance(START_MS) == []


def test_orders_come_about_as_often_as_was_asked() -> None:
    assert 700 < len(orders(approvals())) < 900


def test_the_same_seed_approves_the_same() -> None:
    assert said(approvals()) == said(approvals())
    assert said(approvals()) != said(approvals(2))


def test_ids_are_the_desks_and_offsets_grow() -> None:
    last = 0
    for order in orders(approvals()):
        assert order.order_id == order_id(EPOCH, order.account, order.offset, order.n)
        assert order.offset > last
        last = order.offset


def test_there_is_every_kind_of_order_for_everybody() -> None:
    made = orders(approvals())

    kinds = {(order.account, order.symbol, order.side, order.type, order.reduce_only) for order in made}
    assert len(kinds) == 32
    assert any(order.quantity * PRICES[order.symbol] > 500_000 for order in made)


def test_orders_fit_the_grids_and_their_collars() -> None:
    for order in orders(approvals()):
        grid = instrument(order.symbol)
        assert order.quantity % grid.step_size == 0
        assert order.quantity * PRICES[order.symbol] >= grid.min_notional
        assert (order.limit_price is None) == (order.type == "MARKET")
        assert order.limit_price is None or order.limit_price % grid.tick_size == 0
        assert order.protective_stop is None or order.protective_stop % grid.tick_size == 0
        assert order.collar_low < PRICES[order.symbol] < order.collar_high
        assert (order.protective_stop is None) == order.reduce_only


def test_every_limit_is_taken_back_by_its_time() -> None:
    made = approvals()
    begun: list[Order | Cancel] = [one for at_ms in range(START_MS, START_MS + 60_000, TURN_MS) for one in made.advance(at_ms)]
    limits = {one.order_id: one.expires_ms for one in begun if isinstance(one, Order) and one.type == "LIMIT"}

    back = {one.order_id: one.ts for one in [*begun, *made.take_all_back(START_MS + 60_000)] if isinstance(one, Cancel)}

    assert back.keys() == limits.keys()
    assert all(ts <= limits[name] + TURN_MS for name, ts in back.items())
    assert any(ts < limits[name] - 1_000 for name, ts in back.items())
    assert made.take_all_back(START_MS + 60_000) == []


def test_what_is_out_of_reach_is_for_every_account_and_leaves_no_trace() -> None:
    made, other = approvals(), approvals()

    far = made.out_of_reach(START_MS, 3)

    assert [order.account for order in far] == ["acc000"] * 3 + ["acc001"] * 3
    assert all(order.collar_low > PRICES[order.symbol] for order in far)
    assert not any(order.reduce_only for order in far)
    assert not any(order.reduce_only for order in other.out_of_reach(START_MS, 50))
