"""Account events: money or quantity that moved without a trade of ours.

Decides: how funding, transfers, liquidations and adjustments are booked. A transfer leaves the drawdown as it was in per cent: the
high-water mark moves in proportion. An adjustment puts the account in doubt until its trade turns up and it is reversed.
"""

from decimal import Decimal

from streams.desk import orders, plans, portfolio
from streams.desk.memory import Seen, printed
from streams.desk.messages import AccountEvent
from streams.desk.outputs import Fate
from streams.desk.request import listed
from streams.desk.state import Account, Adjustment
from streams.desk.stopping import trip
from streams.desk.turn import Turn
from streams.desk.validation import wrong
from streams.desk.values import ZERO, money_share

ADJUSTMENTS_MAX = 256
"""Open adjustments that can still be reversed. One more is booked but can not be: the account stays in doubt until it is enabled again."""


def on_account_event(turn: Turn, event: AccountEvent) -> None:
    """Book it, once."""
    account = turn.state.accounts.get(event.account)
    mistake = wrong(event, turn.now_ms)
    if mistake or account is None:
        error = "ACCOUNT_EVENT_INVALID" if mistake else "UNKNOWN_ACCOUNT"
        turn.bury(error, mistake or f"account={event.account[:64]}")
        turn.alert(account, event.event_id[:64], f"{error} {mistake}".rstrip())
        return
    key = f"A:{event.event_id}"
    content = printed(event)
    seen = account.inputs_seen.look(key, event.ts, content)
    if seen is Seen.CONTRADICTION:
        turn.fate = Fate.REFUSED
        turn.alert(account, event.event_id, "ACCOUNT_EVENT_CONFLICT " + listed(kind=event.kind, amount=event.amount))
        return
    if seen is Seen.REPEAT:
        turn.fate = Fate.DUPLICATE
        return
    if seen is Seen.TOO_OLD:
        account.doubt = "ACCOUNT_EVENT_TOO_OLD"
        turn.moved(account)
        turn.fate = Fate.REFUSED
        turn.alert(account, event.event_id, "ACCOUNT_EVENT_TOO_OLD " + listed(ts=event.ts, floor_ts=account.inputs_seen.floor_ts))
        return
    account.inputs_seen.remember(key, event.ts, turn.now_ms, orders.KEEP_MS, content)
    turn.moved(account)
    _book(turn, account, event)
    if event.quantity:
        plans.set_aside_dust(turn, account, event.symbol or "")


def _book(turn: Turn, account: Account, event: AccountEvent) -> None:
    state = turn.state
    match event.kind:
        case "FUNDING":
            account.funding += event.amount
            portfolio.move_cash(state, account, event.amount)
        case "DEPOSIT":
            _transfer(turn, account, event.amount)
        case "WITHDRAWAL":
            _transfer(turn, account, -event.amount)
        case "LIQUIDATION":
            _correct(turn, account, event.symbol or "", event.quantity, event.price, event.amount)
            trip(turn, account, "LIQUIDATION " + listed(symbol=event.symbol, quantity=event.quantity, price=event.price))
        case "ADJUSTMENT":
            _adjust(turn, account, event)


def _transfer(turn: Turn, account: Account, amount: Decimal) -> None:
    before = portfolio.equity(turn.state, account)
    portfolio.move_transfers(turn.state, account, amount)
    account.day_start += amount
    account.high_water = rebased(account.high_water, before, amount)


def rebased(high_water: Decimal, equity: Decimal | None, amount: Decimal) -> Decimal:
    """Move a high-water mark with a transfer so that the drawdown stays what it was in per cent; by the amount where that means nothing."""
    if equity is None or equity <= ZERO or equity + amount <= ZERO:
        return max(ZERO, high_water + amount)
    return money_share(high_water, equity + amount, equity)


def _correct(turn: Turn, account: Account, symbol: str, quantity: Decimal, price: Decimal, amount: Decimal) -> None:
    if quantity:
        portfolio.trade(turn.state, account, symbol, quantity, price)
        plans.take_on(turn, account, symbol, price)
    account.adjusted += amount
    portfolio.move_cash(turn.state, account, amount)


def _adjust(turn: Turn, account: Account, event: AccountEvent) -> None:
    if event.reverses is None:
        _correct(turn, account, event.symbol or "", event.quantity, event.price, event.amount)
        if len(account.adjustments) >= ADJUSTMENTS_MAX:
            account.doubt = "ADJUSTMENTS_FULL"
            turn.alert(account, event.event_id, "ADJUSTMENTS_FULL " + listed(adjustments_max=ADJUSTMENTS_MAX))
            return
        account.adjustments[event.event_id] = Adjustment(event.symbol or "", event.quantity, event.price, event.amount)
        turn.alert(
            account, event.event_id, "ADJUSTED " + listed(symbol=event.symbol, quantity=event.quantity, amount=event.amount)
        )
        return
    undone = account.adjustments.pop(event.reverses, None)
    if undone is None:
        turn.fate = Fate.REFUSED
        turn.alert(account, event.event_id, f"ADJUSTMENT_UNKNOWN reverses={event.reverses[:64]}")
        return
    _correct(turn, account, undone.symbol, -undone.quantity, undone.price, -undone.amount)
    turn.alert(account, event.event_id, f"ADJUSTMENT_REVERSED reverses={event.reverses}")
    plans.set_aside_dust(turn, account, undone.symbol)
