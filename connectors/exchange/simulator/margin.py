"""Margin: what an account needs for what it holds and wishes to hold, and what it has left.

Decides: the initial margin of a symbol is the larger of what it comes to if all its open buys, or all its open sells, trade, over the leverage;
USDT alone is margin, in one wallet. An isolated position has the margin of its start set aside and risks no more than that; it cannot be given more.
Leaves to others: refusing (filters), liquidating (liquidation).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from connectors.exchange.simulator.accounts import Account, Holding
from connectors.exchange.simulator.money import ZERO, ratio
from connectors.exchange.simulator.pit import Pit
from connectors.exchange.simulator.records import QUOTE, NewOrder

_LIMIT_DEPTHS = 400
"""A position may be worth this many depths of its book, over the leverage: 8 million dollars of BTCUSDT at 125, 50 million at 20."""


class Standing(NamedTuple):
    """How a position that is margined together stands: what is behind it, what it must not fall to, and what moves it."""

    equity: Decimal
    maintenance: Decimal
    value: Decimal
    """Of everything held, whatever its sign."""


def exposure(account: Account, pit: Pit, order: NewOrder | None = None, price: Decimal = ZERO) -> Decimal:
    """Give the most a symbol's position can come to be worth, with one more order where it is given."""
    name = pit.symbol.symbol
    holding = account.holdings[name]
    held = holding.cost if holding.isolated else holding.quantity * pit.point.mark
    bids, asks = account.wishes(name, order, price)
    return max(abs(held + bids), abs(held - asks))


def position_limit(pit: Pit, leverage: int) -> Decimal:
    """Give what a position may be worth."""
    return ratio(pit.symbol.depth_usd * _LIMIT_DEPTHS, Decimal(leverage))


def available(account: Account, pits: Mapping[str, Pit]) -> Decimal:
    """Give what is left for new orders; below zero where too much is bound already."""
    left = account.wallet.get(QUOTE, ZERO)
    for name in account.holdings:
        holding, pit = account.holdings[name], pits[name]
        left -= ratio(exposure(account, pit), Decimal(holding.leverage))
        if not holding.isolated:
            left += holding.unrealized(pit.point.mark)
    return left


def isolated_standing(holding: Holding, pit: Pit) -> Standing:
    """Tell how a position stands that is on its own."""
    value = abs(holding.quantity) * pit.point.mark
    return Standing(holding.margin + holding.unrealized(pit.point.mark), value * pit.symbol.maintenance_margin_ratio, value)


def cross_standing(account: Account, pits: Mapping[str, Pit]) -> Standing:
    """Tell how everything stands that shares the wallet."""
    equity, maintenance, value = account.wallet.get(QUOTE, ZERO), ZERO, ZERO
    for name, holding in account.holdings.items():
        if not holding.quantity:
            continue
        if holding.isolated:
            equity -= holding.margin
            continue
        pit = pits[name]
        worth = abs(holding.quantity) * pit.point.mark
        equity += holding.unrealized(pit.point.mark)
        maintenance += worth * pit.symbol.maintenance_margin_ratio
        value += worth
    return Standing(equity, maintenance, value)


def liquidation_price(account: Account, pits: Mapping[str, Pit], name: str) -> Decimal:
    """Give the mark at which a position falls to its maintenance margin, all else standing still; 0 where no price does that."""
    holding, pit = account.holdings[name], pits[name]
    if not holding.quantity:
        return ZERO
    standing = isolated_standing(holding, pit) if holding.isolated else cross_standing(account, pits)
    per_price = holding.quantity - abs(holding.quantity) * pit.symbol.maintenance_margin_ratio
    price = pit.point.mark - ratio(standing.equity - standing.maintenance, per_price)
    return max(ZERO, price)
