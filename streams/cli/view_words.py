"""Figures as the terminal views write them: money, prices, drawdowns, stops, curves.

Decides: how a figure reads. Rounding happens here and nowhere before. Leaves to others: where it stands (view_tables).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from rich.style import Style
from rich.text import Text

from streams.desk.outputs import Portfolio
from streams.desk.values import shown

DIM = Style(color="grey58")
STOPS = {"ARMED": "green", "TRIPPED": "bold white on red", "COOLDOWN": "black on yellow"}
BARS, PLAIN_BARS = "▁▂▃▄▅▆▇█", "_.-=+*#@"


def stop(account: Portfolio) -> Text:
    """Write an emergency stop's state and the time left."""
    return Text(stop_words(account.ess_state, account.ess_left_s), STOPS[account.ess_state])


def stop_words(state: str, left_s: int) -> str:
    """Write a state and the minutes and seconds left."""
    return f"{state} {left_s // 60:02d}:{left_s % 60:02d}" if left_s else state


def drawdown(pct: Decimal | None, limit_pct: Decimal | None, width: int) -> Text:
    """Draw a drawdown against the limit that trips the stop."""
    if pct is None:
        return Text("unknown", "magenta")
    share = float(pct / limit_pct) if limit_pct else 0.0
    filled = min(width, max(0, round(share * width)))
    colour = "red" if share >= 0.8 else "yellow" if share >= 0.5 else "green"
    return Text.assemble((f"{max(0.0, float(pct)):5.2f} % ", colour), ("|" * filled, colour), ("." * (width - filled), DIM))


def money(value: Decimal | None) -> str:
    """Write money for people."""
    return "unknown" if value is None else format(Decimal(shown(value)), ",")


def signed(value: Decimal | None) -> Text:
    """Write a gain or a loss."""
    if value is None:
        return Text("unknown", "magenta")
    return Text(format(Decimal(shown(value)), "+,"), "green" if value >= 0 else "red")


def total_equity(accounts: Iterable[Portfolio]) -> Decimal | None:
    """Sum what the accounts are worth; None where one cannot be valued."""
    worths = [account.equity for account in accounts]
    known = [worth for worth in worths if worth is not None]
    return sum(known, Decimal(0)) if len(known) == len(worths) else None


def price_text(price: Decimal | None) -> str:
    """Write a price with as many places as a column has room for."""
    if price is None:
        return "-"
    places = 2 if abs(price) >= 100 else 4 if abs(price) >= 1 else 6
    return f"{price:,.{places}f}"


def quantity_text(quantity: Decimal) -> str:
    """Write a signed quantity without the zeros a wire format has added."""
    text = f"{quantity:+,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def spark(values: Iterable[Decimal], width: int, plain: bool) -> str:
    """Draw a curve in one line, as many of the newest values as there is room for."""
    bars = PLAIN_BARS if plain else BARS
    return "".join(bars[level - 1] for level in levels_of(list(values)[-width:], 8))


def levels_of(values: Sequence[Decimal], steps: int) -> list[int]:
    """Scale values to 1 … steps."""
    if not values:
        return []
    low, high = min(values), max(values)
    spread = high - low
    return [1 + int((value - low) * (steps - 1) / spread) if spread else steps // 2 for value in values]
