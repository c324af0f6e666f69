"""What an account has to look like before orders of ours go there.

Decides: keys that could withdraw are refused; the account trades, holds one net position a symbol, each symbol at the account's leverage and with the
margin of the whole account behind it; our clock is near the exchange's. Leverage and margin type are set, the rest is for a person to set right
(`Fatal`). Leaves to others: when to look (pipeline), and the figures (policy).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from connectors.exchange import endpoints
from connectors.exchange.ccxt_answers import Unreadable, exact, flag, one, text
from connectors.exchange.ccxt_line import Line
from streams.exchange.errors import ExchangeError, Fatal, Rejected, Retryable
from streams.exchange.port import AccountRef

CLOCK_ERROR_MS_MAX: Final = 250
"""Beyond it nothing may be sent: a request could be older than its window says."""
MARGIN: Final = "CROSSED"
"""The desk's limits are on an account's equity as a whole, so all of it stands behind each position."""
SAME_ALREADY: Final = "-4046"
"""No need to change the margin type."""


async def check(line: Line, ref: AccountRef, *, permissions: bool) -> None:
    """Look at the account; `Fatal` at the first that is wrong."""
    clock(line)
    if permissions:
        refuse(ref, await line.ask(endpoints.PERMISSIONS, may_not))
    refuse(ref, await line.ask(endpoints.ACCOUNT, cannot_trade))
    refuse(ref, await line.ask(endpoints.POSITION_MODE, two_sided))


async def set_up(line: Line, ref: AccountRef, symbols: Sequence[str]) -> None:
    """Set leverage and margin of symbols; `Fatal` where the exchange does not."""
    clock(line)
    for symbol in symbols:
        await margin(line, symbol)
        await leverage(line, symbol, ref.leverage)


def clock(line: Line) -> None:
    """Refuse to go on by a clock that may be wrong. It is compared again by itself."""
    error_ms = line.clock.error_ms()
    if error_ms is None:
        raise Retryable("our clock was not compared with the exchange's", 1.0)
    if error_ms > CLOCK_ERROR_MS_MAX:
        raise Retryable(f"our clock may be wrong by {error_ms} ms, more than {CLOCK_ERROR_MS_MAX}", 1.0)


def refuse(ref: AccountRef, reason: str) -> None:
    """Stop where there is a reason."""
    if reason:
        raise Fatal(f"account {ref.account}: {reason}")


def may_not(answer: Any) -> str:
    """Read what the keys may do: too much, or too little. What is left out of this answer counts as the worse."""
    row = one(answer)
    if "enableWithdrawals" not in row or flag(row, "enableWithdrawals"):
        return "its keys may withdraw: make others that may not"
    return "" if flag(row, "enableFutures") else "its keys may not trade futures"


def cannot_trade(answer: Any) -> str:
    """Read whether the account may trade."""
    return "" if flag(one(answer), "canTrade") else "the exchange does not let it trade"


def two_sided(answer: Any) -> str:
    """Read the position mode. Left out is not good enough."""
    row = one(answer)
    if "dualSidePosition" not in row:
        raise Unreadable("dualSidePosition is not there")
    return "it holds both sides of a symbol apart: set it to one-way mode" if flag(row, "dualSidePosition") else ""


async def margin(line: Line, symbol: str) -> None:
    """Set the margin type, where it is not that already."""
    try:
        await line.ask(endpoints.MARGIN_TYPE, one, symbol=symbol, marginType=MARGIN)
    except Rejected as error:
        if error.code != SAME_ALREADY:
            raise _not_set(line, symbol, f"margin type {MARGIN}", error) from error


async def leverage(line: Line, symbol: str, wanted: Decimal) -> None:
    """Set the leverage, and see that it is set."""
    if wanted != wanted.to_integral_value() or wanted < 1:
        raise Fatal(f"account {line.account}: leverage {wanted} is not a whole number")
    try:
        found = await line.ask(endpoints.LEVERAGE, set_to, symbol=symbol, leverage=int(wanted))
    except Rejected as error:
        raise _not_set(line, symbol, f"leverage {wanted}", error) from error
    if found != (symbol, wanted):
        raise Fatal(f"account {line.account}: leverage of {symbol} was to be {wanted}, the exchange set {found[1]} of {found[0]}")


def set_to(answer: Any) -> tuple[str, Decimal]:
    """Read which leverage a symbol has now."""
    row = one(answer)
    return text(row, "symbol"), exact(row, "leverage")


def _not_set(line: Line, symbol: str, what: str, error: ExchangeError) -> Fatal:
    return Fatal(f"account {line.account}: the exchange does not set {what} of {symbol}: {error}")
