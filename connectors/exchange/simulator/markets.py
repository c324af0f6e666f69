"""The markets of the simulated exchange: grids, filters, fees, starting prices, liveliness.

Decides: what each market looks like. The figures are round ones near those of the real exchange. Leaves to others: how prices move (prices).
"""

from decimal import Decimal
from random import Random
from typing import NamedTuple

from connectors.exchange.simulator.records import QUOTE, Symbol


class Market(NamedTuple):
    """A market, and how its price behaves."""

    symbol: Symbol
    start_price: Decimal
    sigma_ppm: int
    """Standard deviation of its own return over one second, in millionths; the market's comes on top."""
    beta_pct: int
    """Share of the moves of the whole market that it follows."""
    spread_ticks: int


class Row(NamedTuple):
    """The figures of a market. Grids are powers of ten: tick = 10 ** -tick_digits, step = 10 ** -step_digits."""

    base: str
    tick_digits: int
    step_digits: int
    start_ticks: int
    sigma_ppm: int
    beta_pct: int
    spread_ticks: int
    depth_usd: int


_ROWS = (
    Row("BTC", 1, 3, 643_210, 60, 90, 1, 2_500_000),
    Row("ETH", 2, 3, 341_550, 80, 95, 1, 1_800_000),
    Row("BNB", 2, 2, 58_460, 80, 80, 1, 600_000),
    Row("SOL", 3, 0, 148_370, 130, 110, 6, 800_000),
    Row("XRP", 4, 1, 5_213, 120, 90, 1, 500_000),
    Row("ADA", 4, 0, 4_478, 120, 100, 1, 300_000),
    Row("DOGE", 5, 0, 12_840, 150, 115, 1, 350_000),
    Row("LINK", 3, 2, 14_180, 130, 105, 2, 220_000),
    Row("AVAX", 3, 0, 27_910, 140, 115, 3, 250_000),
    Row("LTC", 2, 3, 7_230, 110, 85, 1, 200_000),
    Row("DOT", 3, 1, 6_420, 130, 105, 1, 200_000),
    Row("TRX", 5, 0, 12_190, 80, 50, 1, 150_000),
    Row("BCH", 2, 3, 38_150, 120, 90, 4, 160_000),
    Row("ATOM", 3, 2, 8_050, 130, 105, 1, 130_000),
    Row("NEAR", 3, 0, 5_370, 160, 120, 1, 150_000),
    Row("UNI", 3, 0, 9_760, 150, 110, 2, 140_000),
    Row("FIL", 3, 1, 4_590, 150, 110, 1, 100_000),
    Row("ETC", 3, 2, 25_640, 120, 100, 2, 140_000),
    Row("APT", 4, 1, 70_150, 150, 115, 12, 120_000),
    Row("ARB", 4, 1, 7_940, 160, 120, 1, 130_000),
)
LISTED = tuple(f"{row.base}{QUOTE}" for row in _ROWS)
"""The symbols that are always there, the largest first."""


def row_for(name: str) -> Row:
    """Give the figures of a symbol; one that is not listed gets plain ones that depend on its name alone."""
    if name in LISTED:
        return _ROWS[LISTED.index(name)]
    chance = Random(f"market/{name}")  # noqa: S311 - seeded chance is the point
    start_ticks = 5_000 + (chance.getrandbits(32) * 50_000 >> 32)
    return Row(name.removesuffix(QUOTE), 4, 1, start_ticks, 140, 100, 2, 150_000)


def market_for(name: str) -> Market:
    """Give the market of a symbol."""
    return _market(row_for(name))


def symbols(count: int) -> tuple[Symbol, ...]:
    """Give this many markets' symbols, the listed ones first, then made-up ones."""
    names = [*LISTED[:count], *(f"GEN{number:03d}{QUOTE}" for number in range(len(LISTED), count))]
    return tuple(market_for(name).symbol for name in names)


def _market(row: Row) -> Market:
    tick, step = Decimal(1).scaleb(-row.tick_digits), Decimal(1).scaleb(-row.step_digits)
    symbol = Symbol(
        symbol=f"{row.base}{QUOTE}",
        base=row.base,
        quote=QUOTE,
        tick_size=tick,
        step_size=step,
        min_quantity=step,
        max_quantity=Decimal(1_000_000),
        max_market_quantity=Decimal(500_000),
        min_notional=Decimal(5),
        price_up=Decimal("1.05"),
        price_down=Decimal("0.95"),
        max_orders=200,
        max_algo_orders=10,
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        funding_interval_ms=8 * 3_600_000,
        maintenance_margin_ratio=Decimal("0.004") if row.base in {"BTC", "ETH"} else Decimal("0.01"),
        max_leverage=125 if row.base in {"BTC", "ETH"} else 50,
        depth_usd=Decimal(row.depth_usd),
    )
    return Market(symbol, row.start_ticks * tick, row.sigma_ppm, row.beta_pct, row.spread_ticks)
