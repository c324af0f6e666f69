"""The exchange's market data, read: mark prices, best prices, books, volumes, filters.

Decides: which field is what, that prices come from text, exactly, or not at all, and what cannot be a price. What of many cannot be read is left out,
and said: one market that is strange must not silence the others. Leaves to others: asking (market_questions), listening (market_stream), what is made
of it (market_watch).
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

from connectors.exchange.ccxt_answers import Row, Unreadable, exact, many, one, text, whole
from connectors.exchange.local_book import Change, Level, Picture
from connectors.exchange.market_watch import Price, Touch, Volume
from streams.desk.messages import Instrument

T = TypeVar("T")
Heard = Price | Touch | Change | Volume
"""What a stream says."""

FUNDING_S: Final = 8 * 3_600
"""How often funding is exchanged where the exchange lists no other interval for a symbol."""


class Fees(NamedTuple):
    """What a trade costs, as a share of its notional. The exchange tells it only to who asks with an account's keys."""

    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.0005")
    """The lowest tier, which is the dearest: what is reckoned with is never less than what is paid."""


def heard(message: Any) -> Heard | None:
    """Read a message of a stream; None for what is no news: that a subscription worked."""
    row = one(message)
    row = one(row.get("data", row))
    kind = row.get("e")
    if kind == "markPriceUpdate":
        return Price(text(row, "s"), positive(row, "p"), _rate(row, "r"), whole(row, "T"), whole(row, "E"))
    if kind == "bookTicker":
        return touch(text(row, "s"), positive(row, "b"), positive(row, "a"), whole(row, "T"))
    if kind == "depthUpdate":
        return Change(
            text(row, "s"),
            whole(row, "U"),
            whole(row, "u"),
            whole(row, "pu"),
            levels(row, "b"),
            levels(row, "a"),
            whole(row, "T"),
        )
    if kind == "24hrMiniTicker":
        return Volume(text(row, "s"), _amount(row, "q"))
    return None


def refusal(message: Any) -> str:
    """Tell why a stream was refused; empty where it was not."""
    return str(message["error"])[:200] if isinstance(message, dict) and "error" in message else ""


def price_of(row: Row) -> Price:
    """Read a mark price as REST tells of it."""
    return Price(
        text(row, "symbol"), positive(row, "markPrice"), _rate(row, "lastFundingRate"), whole(row, "nextFundingTime"), whole(row, "time")
    )  # fmt: skip


def touch_of(row: Row) -> Touch:
    """Read best bid and ask as REST tells of them."""
    return touch(text(row, "symbol"), positive(row, "bidPrice"), positive(row, "askPrice"), whole(row, "time"))


def picture_of(symbol: str, answer: Any) -> Picture:
    """Read a book."""
    row = one(answer)
    return Picture(symbol, whole(row, "lastUpdateId"), levels(row, "bids"), levels(row, "asks"))


def volume_of(answer: Any) -> Volume:
    """Read what was traded in 24 hours."""
    row = one(answer)
    return Volume(text(row, "symbol"), _amount(row, "quoteVolume"))


def some(answer: Any, wanted: Collection[str], read: Callable[[Row], T], bad: Callable[[str], None]) -> list[T]:
    """Read the rows of some symbols, of an answer about one or about all. One that cannot be read is left out, and told."""
    rows = many(one)(answer) if isinstance(answer, list) else [one(answer)]
    return list(_readable([row for row in rows if row.get("symbol") in wanted], read, bad))


def intervals_of(answer: Any) -> dict[str, int]:
    """Read how many seconds are between fundings, for the symbols that are listed."""
    return {text(row, "symbol"): whole(row, "fundingIntervalHours") * 3_600 for row in many(one)(answer)}


class Listed(NamedTuple):
    """The markets that are listed and trade, as the exchange tells of them."""

    rows: tuple[Row, ...]
    ts: int

    @property
    def symbols(self) -> set[str]:
        """Name them."""
        return {row["symbol"] for row in self.rows}


def listed_of(answer: Any, wanted: Collection[str]) -> Listed:
    """Read which of some symbols are listed and trade."""
    row = one(answer)
    rows = [
        found for found in many(one)(row.get("symbols")) if found.get("symbol") in wanted and found.get("status") == "TRADING"
    ]
    return Listed(tuple(rows), whole(row, "serverTime"))


def instruments_of(
    listed: Listed, intervals: Mapping[str, int], next_funding: Mapping[str, int], fees: Fees, bad: Callable[[str], None]
) -> list[Instrument]:
    """Read the filters of markets. One whose next funding is not known has no instrument yet."""

    def read(row: Row) -> Instrument:
        name = text(row, "symbol")
        return _instrument(row, intervals.get(name, FUNDING_S), next_funding[name], fees, listed.ts)

    return list(_readable([row for row in listed.rows if row["symbol"] in next_funding], read, bad))


def levels(row: Row, name: str) -> tuple[Level, ...]:
    """Read one side of a book."""
    side = row.get(name)
    if not isinstance(side, list):
        raise Unreadable(f"{name} is no side of a book")
    return tuple(_level(level) for level in side)


def positive(row: Row, name: str) -> Decimal:
    """Read a price."""
    value = exact(row, name)
    if value <= 0:
        raise Unreadable(f"{name} is no price")
    return value


def touch(symbol: str, bid: Decimal, ask: Decimal, ts: int) -> Touch:
    """Put best bid and ask together. A bid above the ask is no market."""
    if bid > ask:
        raise Unreadable("the best bid is above the best ask")
    return Touch(symbol, bid, ask, ts)


def _amount(row: Row, name: str) -> Decimal:
    """Read an amount of money, which may be nothing."""
    value = exact(row, name)
    if value < 0:
        raise Unreadable(f"{name} is below 0")
    return value


def _readable(rows: Sequence[Row], read: Callable[[Row], T], bad: Callable[[str], None]) -> Iterator[T]:
    for row in rows:
        try:
            yield read(row)
        except Unreadable as error:
            bad(f"{row.get('symbol')}: {error}")


def _rate(row: Row, name: str) -> Decimal:
    """Read a funding rate, which may be negative."""
    value = exact(row, name)
    if not -1 < value < 1:
        raise Unreadable(f"{name} is no funding rate")
    return value


def _level(level: Any) -> Level:
    if not isinstance(level, list) or len(level) < 2:
        raise Unreadable("a level of a book is no price and quantity")
    found = {"price": level[0], "quantity": level[1]}
    price, quantity = positive(found, "price"), exact(found, "quantity")
    if quantity < 0:
        raise Unreadable("a quantity is below 0")
    return price, quantity


def _instrument(row: Row, interval_s: int, next_funding_ts: int, fees: Fees, ts: int) -> Instrument:
    filters = {text(found, "filterType"): found for found in many(one)(row.get("filters"))}
    price, lot, market = (_filter(filters, name) for name in ("PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE"))
    band, least, orders = (_filter(filters, name) for name in ("PERCENT_PRICE", "MIN_NOTIONAL", "MAX_NUM_ORDERS"))
    figures = (
        text(row, "symbol"), text(row, "baseAsset"), text(row, "quoteAsset"), exact(price, "tickSize"),
        max(exact(lot, "stepSize"), exact(market, "stepSize")), max(exact(lot, "minQty"), exact(market, "minQty")), exact(lot, "maxQty"),
        exact(market, "maxQty"), exact(least, "notional"), exact(band, "multiplierUp"), exact(band, "multiplierDown"), whole(orders, "limit"),
        fees.maker, fees.taker, interval_s, next_funding_ts,
    )  # fmt: skip
    return Instrument(_id_of(figures), *figures, ts)


def _filter(filters: Mapping[str, Row], name: str) -> Row:
    found = filters.get(name)
    if found is None:
        raise Unreadable(f"there is no filter {name}")
    return found


def _id_of(figures: Sequence[object]) -> str:
    """Make an id of what an instrument says: the same for a repeat, also after a restart, another one for any change."""
    return f"{figures[0]}-{hashlib.blake2b(repr(figures).encode(), digest_size=8).hexdigest()}"
