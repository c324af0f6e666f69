"""Validation: what no market, model or operator can mean.

Decides: whether the values of a decoded input can be true. Returns what is wrong as `field=… value=…`, or nothing. Leaves to others: what
could not be decoded at all (schemas.codec), and whether something true is wanted (desk.gates).
"""

from collections.abc import Callable
from typing import Any

from streams.desk.messages import (
    AccountEvent,
    CloseAccount,
    ClosePosition,
    Control,
    Disable,
    EquityReport,
    Fill,
    Instrument,
    ManualOrder,
    Mark,
    OpenAccount,
    OrderEvent,
    PhaseChange,
    PolicyUpdate,
    Promotion,
    Signal,
    Trip,
    VersionChange,
)  # fmt: skip
from streams.desk.ranges import (
    AHEAD_MS_MAX,
    ID_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    among,
    amount,
    found,
    ids,
    notional,
    ordered,
    positive,
    share,
    sums,
    symbol,
    time,
)  # fmt: skip
from streams.desk.values import AMOUNT_MAX, INPUT_SCALE, ONE, ZERO, is_amount, text

MODELS_MAX = 64
"""Scores a signal may carry: an ensemble has a handful, and a queue holds a hundred signals of each account."""
_SAFER = (Disable, Trip, ClosePosition, CloseAccount)


def wrong(body: Any, stamp_ms: int) -> str:
    """Name the first field that cannot be true, or nothing."""
    check = _CHECKS.get(type(body))
    return "" if check is None else check(body, stamp_ms)


def _signal(signal: Signal, _stamp_ms: int) -> str:
    # Its time is judged by the gate `fresh`, which says more than that it cannot be true.
    return (
        ids(signal_id=signal.signal_id, source=signal.source)
        or symbol(signal.symbol)
        or among("side", signal.side, "LONG", "SHORT", "CLOSE")
        or among("regime", signal.regime, "TREND", "RANGE", "VOLATILE")
        or share(confidence=signal.confidence, model_agreement=signal.model_agreement)
        or _scores(signal)
        or (positive(atr=signal.atr) if signal.side != "CLOSE" else amount(atr=signal.atr))
    )


def _scores(signal: Signal) -> str:
    if len(signal.model_scores) > MODELS_MAX:
        return found("model_scores", len(signal.model_scores))
    for model, score in signal.model_scores.items():
        if not (-1e9 < score < 1e9 and len(model) <= ID_CHARACTERS_MAX):  # false for NaN as well
            return found(f"model_scores.{model}"[:64], score)
    return ""


def _mark(mark: Mark, stamp_ms: int) -> str:
    # Four of five inputs are marks, so their sum is asked at once what `ranges` asks field by field: a sum is as fine as its finest part,
    # and not finite or not exact where a part makes it so.
    try:
        whole = mark.mark + mark.high + mark.low + mark.bid + mark.ask + mark.depth + mark.funding_rate
        sound = whole.is_finite() and -int(whole.as_tuple().exponent) <= INPUT_SCALE
    except ArithmeticError:
        sound = False
    if not sound:
        return found("mark", "/".join(map(text, mark[2:9])))
    if not ZERO < mark.low <= mark.mark <= mark.high < AMOUNT_MAX:
        return found("mark", f"{text(mark.low)}<={text(mark.mark)}<={text(mark.high)}")
    if not ZERO < mark.bid <= mark.ask < AMOUNT_MAX:
        return found("bid", f"{text(mark.bid)}<={text(mark.ask)}")
    if not ZERO <= mark.depth < AMOUNT_MAX:
        return found("depth", mark.depth)
    if not -ONE < mark.funding_rate < ONE:
        return found("funding_rate", mark.funding_rate)
    if mark.volume_24h is not None and not (is_amount(mark.volume_24h) and mark.volume_24h >= ZERO):
        return found("volume_24h", mark.volume_24h)
    if not 0 < len(mark.mark_id) <= ID_CHARACTERS_MAX:
        return found("mark_id", mark.mark_id)
    return time(mark.ts, stamp_ms)


def _instrument(instrument: Instrument, stamp_ms: int) -> str:
    return (
        ids(instrument_id=instrument.instrument_id, base=instrument.base, quote=instrument.quote)
        or symbol(instrument.symbol)
        or positive(
            tick_size=instrument.tick_size,
            step_size=instrument.step_size,
            min_quantity=instrument.min_quantity,
            max_quantity=instrument.max_quantity,
            max_market_quantity=instrument.max_market_quantity,
            price_up_ratio=instrument.price_up_ratio,
        )
        or amount(min_notional=instrument.min_notional, price_down_ratio=instrument.price_down_ratio)
        or ordered(0, min_notional=instrument.min_notional, price_down_ratio=instrument.price_down_ratio)
        or ordered(instrument.price_down_ratio, price_up_ratio=instrument.price_up_ratio)
        or ordered(
            max(instrument.min_quantity, instrument.step_size),
            max_quantity=instrument.max_quantity,
            max_market_quantity=instrument.max_market_quantity,
        )
        or amount(maker_fee=instrument.maker_fee, taker_fee=instrument.taker_fee)
        or ("" if instrument.max_open_orders > 0 else found("max_open_orders", instrument.max_open_orders))
        or time(instrument.ts, stamp_ms)
    )


def _account_event(event: AccountEvent, stamp_ms: int) -> str:
    return (
        ids(event_id=event.event_id)
        or among("kind", event.kind, "FUNDING", "DEPOSIT", "WITHDRAWAL", "LIQUIDATION", "ADJUSTMENT")
        or amount(amount=event.amount, quantity=event.quantity, price=event.price)
        or (positive(amount=event.amount) if event.kind in ("DEPOSIT", "WITHDRAWAL") else "")
        or (positive(price=event.price) or notional(event.price, event.quantity) if event.quantity else "")
        or (symbol(event.symbol or "") if event.quantity or event.symbol is not None else "")
        or (ids(reverses=event.reverses) if event.reverses is not None else "")
        or (found("note", len(event.note)) if len(event.note) > TEXT_CHARACTERS_MAX else "")
        or time(event.ts, stamp_ms)
    )


def _order_event(event: OrderEvent, stamp_ms: int) -> str:
    kinds = ("ACKNOWLEDGED", "REJECTED", "CANCELLED", "EXPIRED", "UNKNOWN", "CANCEL_REJECTED")
    return ids(event_id=event.event_id, order_id=event.order_id) or among("kind", event.kind, *kinds) or time(event.ts, stamp_ms)


def _fill(fill: Fill, stamp_ms: int) -> str:
    return (
        ids(venue=fill.venue, trade_id=fill.trade_id, order_id=fill.order_id, fee_currency=fill.fee_currency)
        or symbol(fill.symbol)
        or among("side", fill.side, "BUY", "SELL")
        or positive(price=fill.price, quantity=fill.quantity)
        or notional(fill.price, fill.quantity)
        or amount(fee=fill.fee)
        or time(fill.ts, stamp_ms)
    )


def _report(report: EquityReport, stamp_ms: int) -> str:
    return (
        ids(report_id=report.report_id)
        or ("" if 0 <= report.partition < report.partitions else found("partition", report.partition))
        or ("" if report.second * 1000 <= stamp_ms + AHEAD_MS_MAX else found("second", report.second))
        or sums(equity=report.equity, transfers=report.transfers)
        or time(report.ts, stamp_ms)
    )


def _control(control: Control, stamp_ms: int) -> str:
    if isinstance(control.command, _SAFER):
        # Whoever wants less risk gets it, however wrong a clock is and however long an id or a reason.
        return _command(control.command)
    return (
        ids(control_id=control.control_id)
        or (found("user", len(control.user)) if len(control.user) > TEXT_CHARACTERS_MAX else "")
        or (found("reason", len(control.reason)) if len(control.reason) > TEXT_CHARACTERS_MAX else "")
        or time(control.ts, stamp_ms)
        or _command(control.command)
    )


def _command(command: object) -> str:
    match command:
        case ManualOrder():
            limit, stop = command.limit_price, command.stop_price
            return (
                symbol(command.symbol)
                or among("side", command.side, "BUY", "SELL")
                or among("type", command.type, "MARKET", "LIMIT")
                or positive(quantity=command.quantity)
                or (positive(limit_price=limit) if limit is not None else "")
                or (found("limit_price", limit) if (command.type == "LIMIT") != (limit is not None) else "")
                or (positive(stop_price=stop) if stop is not None else "")
            )
        case ClosePosition():
            return "" if command.symbol is None else symbol(command.symbol)
        case Promotion():
            return ids(source=command.source) or among("stage", command.stage, "LIVE", "SHADOW", "RETIRED")
        case OpenAccount():
            balance = command.opening_balance
            return (
                ids(venue=command.venue, credentials=command.credentials)
                or positive(leverage=command.leverage)
                or amount(opening_balance=balance)
                or (found("opening_balance", balance) if balance < ZERO else "")
            )
        case PolicyUpdate():
            return "" if command.version > 0 else found("version", command.version)
        case PhaseChange():
            return ids(phase=command.phase)
        case VersionChange():
            return ids(version=command.version)
    return ""


_CHECKS: dict[type, Callable[[Any, int], str]] = {
    Signal: _signal, Mark: _mark, Instrument: _instrument, Control: _control, AccountEvent: _account_event, OrderEvent: _order_event,
    Fill: _fill, EquityReport: _report,
}  # fmt: skip
