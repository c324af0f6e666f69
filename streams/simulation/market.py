"""The symbols of the generated market: those of the simulated exchange, livelier.

Decides: how lively each is, and what an instrument of the simulation looks like. Leaves to others: grids, starting prices, depth, filters and fees
(connectors.exchange.simulator.markets), how a price moves (prices), who trades it (venue).
"""

from decimal import Decimal
from random import Random
from typing import NamedTuple

from connectors.exchange.simulator import markets as exchange
from connectors.exchange.simulator.records import QUOTE
from streams.desk.messages import Instrument

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


_SIGMAS_PPM = dict(
    zip(
        exchange.LISTED, (110, 140, 130, 190, 170, 180, 220, 190, 200, 160, 190, 110, 170, 190, 230, 210, 210, 180, 220, 230), strict=True
    )
)  # fmt: skip
"""More than at the exchange: a generated day shows in hours what takes weeks there."""
_SIGMA_UNLISTED_PPM = 200


def market_for(symbol: str) -> Market:
    """Give the market of a symbol; one that is not listed gets plain figures that depend on its name alone."""
    row = exchange.row_for(symbol)
    sigma_ppm = _SIGMAS_PPM.get(symbol, _SIGMA_UNLISTED_PPM)
    return Market(
        symbol, row.base, row.tick_digits, row.step_digits, row.start_ticks, sigma_ppm, row.beta_pct, row.spread_ticks, row.depth_usd
    )  # fmt: skip


MARKETS = tuple(map(market_for, exchange.LISTED))
"""The twenty symbols of the last phase, in its order: the first three and ten are those of the phases before."""


def markets_for(symbols: int) -> tuple[Market, ...]:
    """Give this many markets, the listed ones first."""
    return tuple(market_for(one.symbol) for one in exchange.symbols(symbols))


def instrument(market: Market, ts: int, next_funding_ts: int) -> Instrument:
    """Say what the simulated exchange demands of an order in this market."""
    listed = exchange.market_for(market.symbol).symbol
    return Instrument(
        instrument_id=f"{market.symbol}-{ts}",
        symbol=market.symbol,
        base=market.base,
        quote=QUOTE,
        tick_size=market.tick,
        step_size=market.step,
        min_quantity=listed.min_quantity,
        max_quantity=listed.max_quantity,
        max_market_quantity=listed.max_market_quantity,
        min_notional=listed.min_notional,
        price_up_ratio=Decimal("1.1"),
        price_down_ratio=Decimal("0.9"),
        max_open_orders=listed.max_orders,
        maker_fee=listed.maker_fee,
        taker_fee=listed.taker_fee,
        funding_interval_s=FUNDING_INTERVAL_S,
        next_funding_ts=next_funding_ts,
        ts=ts,
    )


def below(chance: Random, bound: int) -> int:
    """Draw a whole number from 0 to bound - 1 with integer arithmetic alone: the same on every machine and Python."""
    return chance.getrandbits(32) * bound >> 32
