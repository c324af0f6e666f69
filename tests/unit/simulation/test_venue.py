"""The exchange in this process."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random

from streams.desk.messages import AccountEvent, Fill, Mark, OrderEvent, OrderSide, OrderType
from streams.desk.outputs import Cancel, Order
from streams.simulation.market import MARKETS
from streams.simulation.venue import FillStyle, Odds, Reply, Style, Venue

SMOOTH = Odds(0, 0, 0, 0, 0)
NOW_MS = 1_740_963_600_000
BTC = {market.symbol: market for market in MARKETS[:3]}


def mark(price: str, symbol: str = "BTCUSDT", rate: str = "0.0001") -> Mark:
    at, tick = Decimal(price), BTC[symbol].tick
    return Mark(f"m{price}", symbol, at, at, at, at - tick, at + tick, Decimal(10**6), Decimal(rate), NOW_MS)


def order(
    name: str, side: OrderSide, quantity: str, limit: str | None = None, reduce_only: bool = False, account: str = "a"
) -> Order:
    kind: OrderType = "MARKET" if limit is None else "LIMIT"
    price = None if limit is None else Decimal(limit)
    zero = Decimal(0)
    return Order(
        name, account, 1, 1, "BTCUSDT", side, kind, Decimal(quantity), price, reduce_only, None, "", 0, 1, 0, zero, zero, 0, 0, NOW_MS
    )  # fmt: skip


def cancel(name: str) -> Cancel:
    return Cancel(name, "a", 2, 0, "BTCUSDT", "LIFETIME", NOW_MS)


def whole(_chance: Random, _order: Order) -> FillStyle:
    return FillStyle(0, 1)


def in_parts(parts: int, stuck_after: int | None = None) -> Style:
    return lambda _chance, _order: FillStyle(0, parts, stuck_after)


def venue(style: Style = whole, odds: Odds = SMOOTH, currency: str = "USDT", at: str = "50000") -> Venue:
    made = Venue(1, BTC, lambda _account: currency, style, odds)  # type: ignore[arg-type,return-value]  # one of the currencies
    made.match(mark("600", "BNBUSDT"), NOW_MS)
    made.match(mark(at), NOW_MS)
    return made


def fills(replies: Sequence[Reply]) -> list[Fill]:
    return [body for _, body in replies if isinstance(body, Fill)]


def events(replies: Sequence[Reply]) -> list[str]:
    return [body.kind for _, body in replies if isinstance(body, OrderEvent)]


def test_a_market_order_is_acknowledged_and_filled_at_the_other_side_or_a_little_worse() -> None:
    replies = venue().place(order("o", "BUY", "0.010"), NOW_MS)
    assert events(replies) == ["ACKNOWLEDGED"]
    assert fills(replies)[0].quantity == Decimal("0.010")
    assert Decimal("50000.1") <= fills(replies)[0].price <= Decimal("50000.2")


def test_answers_take_time_and_never_come_before_the_question() -> None:
    assert all(due_ms > NOW_MS for due_ms, _ in venue().place(order("o", "BUY", "0.010"), NOW_MS))


def test_parts_lie_on_the_grid_and_add_up() -> None:
    parts = fills(venue(in_parts(5)).place(order("o", "BUY", "0.123"), NOW_MS))
    assert len(parts) > 1
    assert sum(part.quantity for part in parts) == Decimal("0.123")
    assert all(part.quantity % Decimal("0.001") == 0 for part in parts)
    assert len({part.trade_id for part in parts}) == len(parts)


def test_a_limit_order_rests_until_its_price_comes() -> None:
    market = venue()
    assert events(market.place(order("o", "BUY", "0.010", "49900"), NOW_MS)) == ["ACKNOWLEDGED"]
    assert not market.match(mark("49950"), NOW_MS + 1)
    traded = fills(market.match(mark("49899"), NOW_MS + 2))
    assert [(one.price, one.quantity) for one in traded] == [(Decimal(49900), Decimal("0.010"))]
    assert market.open_orders == 0


def test_a_limit_order_waits_for_its_place_in_the_queue() -> None:
    market = venue(lambda _chance, _order: FillStyle(500, 1))
    market.place(order("o", "SELL", "0.010", "50000"), NOW_MS)
    assert not market.match(mark("50010"), NOW_MS + 499)
    assert fills(market.match(mark("50010"), NOW_MS + 500))


def test_a_cancel_ends_what_rests_and_later_prices_do_not_fill_it() -> None:
    market = venue(in_parts(3, stuck_after=1))
    market.place(order("o", "BUY", "0.030", "50000"), NOW_MS)
    assert len(fills(market.match(mark("49990"), NOW_MS))) == 1
    assert not market.match(mark("49990"), NOW_MS + 1)
    assert events(market.cancel(cancel("o"), NOW_MS + 2)) == ["CANCELLED"]
    assert not market.match(mark("49000"), NOW_MS + 3)


def test_a_cancel_of_what_has_filled_is_answered_by_the_fill_under_way() -> None:
    market = venue()
    assert fills(market.place(order("o", "BUY", "0.010"), NOW_MS))
    assert not market.cancel(cancel("o"), NOW_MS)


def test_a_rejected_cancel_leaves_the_order_open() -> None:
    market = venue(odds=SMOOTH._replace(cancel_rejected=10_000))
    market.place(order("o", "BUY", "0.010", "49000"), NOW_MS)
    assert events(market.cancel(cancel("o"), NOW_MS)) == ["CANCEL_REJECTED"]
    assert market.open_orders == 1


def test_reduce_only_never_opens_and_never_flips() -> None:
    market = venue()
    assert events(market.place(order("o1", "SELL", "0.010", reduce_only=True), NOW_MS)) == ["ACKNOWLEDGED", "EXPIRED"]
    market.place(order("o2", "BUY", "0.010"), NOW_MS)
    replies = market.place(order("o3", "SELL", "0.025", reduce_only=True), NOW_MS)
    assert [one.quantity for one in fills(replies)] == [Decimal("0.010")]
    assert events(replies)[-1] == "EXPIRED"
    assert market.books.positions("a") == {}


def test_a_rejected_order_trades_nothing() -> None:
    market = venue(odds=SMOOTH._replace(rejected=10_000))
    assert events(market.place(order("o", "BUY", "0.010"), NOW_MS)) == ["REJECTED"]
    assert market.books.positions("a") == {}


def test_an_unknown_fate_is_settled_either_way() -> None:
    market = venue(odds=SMOOTH._replace(unknown=10_000))
    seen = {tuple(events(market.place(order(f"o{number}", "BUY", "0.001"), NOW_MS))) for number in range(40)}
    assert seen == {("UNKNOWN", "ACKNOWLEDGED"), ("UNKNOWN", "REJECTED")}


def test_fees_are_taken_in_the_coin_that_was_chosen() -> None:
    in_quote = fills(venue().place(order("o", "BUY", "0.010"), NOW_MS))[0]
    in_base = fills(venue(currency="BASE").place(order("o", "BUY", "0.010"), NOW_MS))[0]
    in_bnb = fills(venue(currency="BNB").place(order("o", "BUY", "0.010"), NOW_MS))[0]
    assert (in_quote.fee_currency, in_base.fee_currency, in_bnb.fee_currency) == ("USDT", "BTC", "BNB")
    assert in_quote.fee == (in_quote.price * Decimal("0.010") * Decimal("0.0005")).quantize(Decimal("0.00000001"))
    assert in_base.fee == Decimal("0.000005")
    assert abs(in_bnb.fee * 600 - in_quote.fee) < Decimal("0.00001")


def test_a_fee_in_the_base_coin_makes_the_position_smaller() -> None:
    market = venue(currency="BASE")
    market.place(order("o", "BUY", "0.010"), NOW_MS)
    assert market.books.position("a", "BTCUSDT") == Decimal("0.009995")


def test_funding_is_paid_by_longs_and_received_by_shorts() -> None:
    market = venue()
    market.place(order("o1", "BUY", "0.010", account="long"), NOW_MS)
    market.place(order("o2", "SELL", "0.010", account="short"), NOW_MS)
    paid = {body.account: body.amount for _, body in market.pay_funding("BTCUSDT", NOW_MS) if isinstance(body, AccountEvent)}
    assert paid == {"long": Decimal("-0.05"), "short": Decimal("0.05")}


def test_the_same_seed_gives_the_same_answers() -> None:
    runs = [[market.place(order(f"o{number}", "BUY", "0.010"), NOW_MS) for number in range(50)] for market in (venue(), venue())]
    assert runs[0] == runs[1]
