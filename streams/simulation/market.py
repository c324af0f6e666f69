"""The symbols of the generated market: their grids, starting prices, liveliness and fees.

Decides: what an instrument of the simulation looks like. Leaves to others: how its price moves (prices), who trades it (venue).
"""

from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

from streams.desk.messages import Instrument

QUOTE: Final = "USDT"
FUNDING_INTERVAL_S = 28_800


class Market(NamedTuple):
    """One symbol. Grids are powers of ten: tick = 10 ** -tick_digits, step = 10 ** -step_digits."""

    symbol: str
    base: str
    tick_digits: int
    step_digits: int
    start_ticks: int
    sigma_ppm: int
    """Standard deviation of the return over one second, in millionths."""
    beta_pct: int
    """Share of the market factor's moves that this symbol follows."""
    spread_ticks: int
    depth_usd: int

    @property
    def tick(self) -> Decimal:
        """The price grid."""
        return Decimal(1).scaleb(-self.tick_digits)

    @property
    def step(self) -> Decimal:
        """The quantity grid."""
        return Decimal(1).scaleb(-self.step_digits)


MARKETS = (
    Market("BTCUSDT", "BTC", 1, 3, 643_210, 110, 90, 1, 2_500_000),
    Market("ETHUSDT", "ETH", 2, 3, 341_550, 140, 95, 1, 1_800_000),
    Market("BNBUSDT", "BNB", 2, 2, 58_460, 130, 80, 1, 600_000),
    Market("SOLUSDT", "SOL", 3, 0, 148_370, 190, 110, 6, 800_000),
    Market("XRPUSDT", "XRP", 4, 1, 5_213, 170, 90, 1, 500_000),
    Market("ADAUSDT", "ADA", 4, 0, 4_478, 180, 100, 1, 300_000),
    Market("DOGEUSDT", "DOGE", 5, 0, 12_840, 220, 115, 1, 350_000),
    Market("LINKUSDT", "LINK", 3, 2, 14_180, 190, 105, 2, 220_000),
    Market("AVAXUSDT", "AVAX", 3, 0, 27_910, 200, 115, 3, 250_000),
    Market("LTCUSDT", "LTC", 2, 3, 7_230, 160, 85, 1, 200_000),
    Market("DOTUSDT", "DOT", 3, 1, 6_420, 190, 105, 1, 200_000),
    Market("TRXUSDT", "TRX", 5, 0, 12_190, 110, 50, 1, 150_000),
    Market("BCHUSDT", "BCH", 2, 3, 38_150, 170, 90, 4, 160_000),
    Market("ATOMUSDT", "ATOM", 3, 2, 8_050, 190, 105, 1, 130_000),
    Market("NEARUSDT", "NEAR", 3, 0, 5_370, 230, 120, 1, 150_000),
    Market("UNIUSDT", "UNI", 3, 0, 9_760, 210, 110, 2, 140_000),
    Market("FILUSDT", "FIL", 3, 1, 4_590, 210, 110, 1, 100_000),
    Market("ETCUSDT", "ETC", 3, 2, 25_640, 180, 100, 2, 140_000),
    Market("APTUSDT", "APT", 4, 1, 70_150, 220, 115, 12, 120_000),
    Market("ARBUSDT", "ARB", 4, 1, 7_940, 230, 120, 1, 130_000),
)
"""The twenty symbols of the last phase, in its order: the first three and ten are those of the phases before."""
_BY_SYMBOL = {market.symbol: market for market in MARKETS}


def market_for(symbol: str) -> Market:
    """Give the market of a symbol; one that is not listed gets plain figures that depend on its name alone."""
    known = _BY_SYMBOL.get(symbol)
    if known is not None:
        return known
    start_ticks = 5_000 + below(Random(f"market/{symbol}"), 50_000)
    return Market(symbol, symbol.removesuffix(QUOTE), 4, 1, start_ticks, 200, 100, 2, 150_000)


def markets_for(symbols: int) -> tuple[Market, ...]:
    """Give this many markets, the listed ones first."""
    listed = MARKETS[:symbols]
    return listed + tuple(market_for(f"GEN{number:03d}{QUOTE}") for number in range(len(listed), symbols))


def instrument(market: Market, ts: int, next_funding_ts: int) -> Instrument:
    """Say what the simulated exchange demands of an order in this market."""
    return Instrument(
        instrument_id=f"{market.symbol}-{ts}",
        symbol=market.symbol,
        base=market.base,
        quote=QUOTE,
        tick_size=market.tick,
        step_size=market.step,
        min_quantity=market.step,
        max_quantity=Decimal(1_000_000),
        max_market_quantity=Decimal(500_000),
        min_notional=Decimal(5),
        price_up_ratio=Decimal("1.1"),
        price_down_ratio=Decimal("0.9"),
        max_open_orders=200,
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        funding_interval_s=FUNDING_INTERVAL_S,
        next_funding_ts=next_funding_ts,
        ts=ts,
    )


def below(chance: Random, bound: int) -> int:
    """Draw a whole number from 0 to bound - 1 with integer arithmetic alone: the same on every machine and Python."""
    return chance.getrandbits(32) * bound >> 32
