"""The gates: every question an order has to answer, each a function of its own.

A gate looks at a request and returns a `Check` with every figure it compared and, where it says no, the refusal's code. `OPENING` is the
order for whatever may add risk, `REDUCING` for what can only take it away. Missing, stale and unknown are a no for new risk.
Leaves to others: acting on it (desk.approval).
"""

from collections.abc import Callable
from decimal import Decimal

from streams.desk import portfolio
from streams.desk.emergency_stop import StopState
from streams.desk.outputs import Check
from streams.desk.rate import orders_in_window
from streams.desk.request import Request, listed, rules_of
from streams.desk.sizing import cut_to_depth, size_by_risk
from streams.desk.values import HUNDRED, ZERO, round_down

Gate = Callable[[Request], Check]


def known(request: Request) -> Check:
    """Refuse accounts out of service, symbols without exchange filters, and sources nobody has let trade."""
    source = request.signal.source if request.signal else "operator"
    stage = request.state.stages.get(source, "UNKNOWN") if request.signal else "LIVE"
    figures = listed(venue=request.account.venue, symbol=request.symbol, source=source, stage=stage)
    if not request.account.in_service:
        return Check("known", "ACCOUNT_CLOSED", figures)
    if request.instrument is None:
        return Check("known", "INSTRUMENT_UNKNOWN", figures)
    if stage != "LIVE":
        return Check("known", "SOURCE_NOT_LIVE", figures)
    return Check("known", "", figures)


def fresh(request: Request) -> Check:
    """Refuse what was wished too long ago, or from a clock that runs ahead."""
    if request.phase is None:
        return Check("fresh", "POLICY_MISSING" if request.adds_risk else "", "")
    age = request.phase.age
    age_ms = request.now_ms - request.asked_ms
    figures = listed(age_ms=age_ms, age_ms_max=age.signal_s_max * 1000, ahead_ms_max=age.signal_ahead_s_max * 1000)
    if age_ms > age.signal_s_max * 1000:
        return Check("fresh", "SIGNAL_STALE", figures)
    return Check("fresh", "SIGNAL_AHEAD" if -age_ms > age.signal_ahead_s_max * 1000 else "", figures)


def throttled(request: Request) -> Check:
    """Note where the second's budget stands; who is over it waits and does not come here."""
    if request.phase is None or request.signal is None:
        return Check("throttle", "", "")
    account = request.account
    limits = request.phase.throttle
    figures = listed(
        used=account.budget_used, per_cycle=limits.signals_per_cycle, waiting=len(account.queue), queue_max=limits.queue_max
    )
    return Check("throttle", "", figures)


def enabled(request: Request) -> Check:
    """Refuse while trading is switched off, for all or for the account."""
    every, own = request.state.enabled, request.account.enabled
    return Check("enabled", "" if every and own else "TRADING_DISABLED", listed(all=every, account=own))


def armed(request: Request) -> Check:
    """Refuse new risk while an emergency stop is not armed."""
    own, every = request.account.stop, request.state.stop
    figures = listed(account=own.state.value, all=every.state.value)
    if own.armed and every.armed:
        return Check("armed", "", figures)
    tripped = StopState.TRIPPED in (own.state, every.state)
    return Check("armed", "ESS_TRIPPED" if tripped else "ESS_COOLDOWN", figures)


def policy_fresh(request: Request) -> Check:
    """Refuse new risk on limits nobody has confirmed for too long."""
    if request.phase is None:
        return Check("policy", "POLICY_MISSING", "")
    age_ms, age_ms_max = request.now_ms - request.state.policy_ms, request.phase.age.policy_s_max * 1000
    return Check("policy", "POLICY_STALE" if age_ms > age_ms_max else "", listed(age_ms=age_ms, age_ms_max=age_ms_max))


def undoubted(request: Request) -> Check:
    """Refuse new risk while an account's books hold something no trade explains."""
    account = request.account
    figures = listed(adjustments=len(account.adjustments), doubt=account.doubt or "none", fees_owed=len(account.fees_owed))
    return Check("undoubted", "ACCOUNT_IN_DOUBT" if account.adjustments or account.doubt or account.fees_owed else "", figures)


def in_phase(request: Request) -> Check:
    """Refuse symbols the phase does not trade."""
    assert request.phase is not None
    name = request.account.phase or request.state.phase
    refused = request.symbol not in request.phase.symbols
    return Check("phase", "SYMBOL_NOT_IN_PHASE" if refused else "", listed(phase=name, symbols=len(request.phase.symbols)))


def confident(request: Request) -> Check:
    """Refuse signals that are not sure enough, not agreed on, or made while the models were down."""
    assert request.phase is not None
    signal, entry = request.signal, request.phase.entry
    if signal is None:
        return Check("confident", "", "manual=True")
    figures = listed(
        confidence=signal.confidence, confidence_min=entry.confidence_min, agreement=signal.model_agreement,
        agreement_min=entry.agreement_min, degraded=signal.degraded,
    )  # fmt: skip
    if signal.degraded and not entry.allow_degraded:
        return Check("confident", "SIGNAL_DEGRADED", figures)
    if signal.confidence < entry.confidence_min:
        return Check("confident", "CONFIDENCE_LOW", figures)
    return Check("confident", "AGREEMENT_LOW" if signal.model_agreement < entry.agreement_min else "", figures)


def mark_fresh(request: Request) -> Check:
    """Refuse new risk where the price of this symbol, or of anything the account holds, is missing or stale."""
    assert request.phase is not None
    state, age_ms_max = request.state, request.phase.age.mark_s_max * 1000
    oldest_ms, oldest = 0, request.symbol
    for symbol in sorted(portfolio.symbols_in_use(request.account) | {request.symbol}):
        if symbol not in state.marks:
            return Check("mark", "MARK_MISSING", listed(symbol=symbol))
        age_ms = request.now_ms - state.mark_ms[symbol]
        if age_ms > oldest_ms:
            oldest_ms, oldest = age_ms, symbol
    figures = listed(symbol=oldest, age_ms=oldest_ms, age_ms_max=age_ms_max)
    return Check("mark", "MARK_STALE" if oldest_ms > age_ms_max else "", figures)


def within_positions(request: Request) -> Check:
    """Refuse a symbol too many, a second entry in limited mode, and an entry against an order that is still open."""
    assert request.phase is not None
    account, limit = request.account, request.phase.size.positions_max
    used = portfolio.symbols_in_use(account)
    figures = listed(positions=len(used), positions_max=limit, mode=request.phase.trading_mode)
    if len(used | {request.symbol}) > limit:
        return Check("positions", "POSITIONS_MAX", figures)
    if request.symbol not in used:
        return Check("positions", "", figures)
    position = account.positions.get(request.symbol)
    if position is not None and position.exiting:
        return Check("positions", "POSITION_CLOSING", figures)
    if any(
        order.symbol == request.symbol and order.side != request.side and not order.reduce_only
        for order in account.orders.values()
    ):
        return Check("positions", "OPPOSITE_OPEN", figures)
    return Check("positions", "MODE_LIMITED" if request.phase.trading_mode == "limited" else "", figures)


def within_exposure(request: Request) -> Check:
    """Refuse where position, exposure or leverage limit leaves nothing; note how much value they leave."""
    assert request.phase is not None
    account, size = request.account, request.phase.size
    request.equity = worth = portfolio.equity(request.state, account)
    assert worth is not None  # `undoubted` and `mark_fresh` have seen to it
    own, total = ZERO, ZERO
    for symbol in portfolio.symbols_valued(account):
        value = portfolio.exposure(request.state, account, symbol) or ZERO
        total += value
        own = value if symbol == request.symbol else own
    leverage = min(size.leverage_max, account.leverage)
    rooms = (size.max_position_usd - own, size.max_exposure_usd - total, leverage * worth - total)
    request.room = min(rooms)
    figures = listed(
        position_usd=own, position_usd_max=size.max_position_usd, exposure_usd=total, exposure_usd_max=size.max_exposure_usd, equity=worth,
        leverage_max=leverage,
    )  # fmt: skip
    if request.room > ZERO:
        return Check("exposure", "", figures)
    return Check("exposure", ("POSITION_USD", "EXPOSURE_USD", "LEVERAGE")[rooms.index(request.room)], figures)


def cheap_to_hold(request: Request) -> Check:
    """Refuse a position that would pay more than the limit at the next funding."""
    assert request.phase is not None and request.mark is not None
    rate = request.mark.funding_rate
    pays_pct = (rate if request.long else -rate) * HUNDRED
    limit = request.phase.market.funding_pay_pct_max
    return Check("funding", "FUNDING_COST" if pays_pct > limit else "", listed(pays_pct=pays_pct, pays_pct_max=limit))


def sized(request: Request) -> Check:
    """Give a signal's order its quantity by risk; hold a manual order to the room and to having a stop."""
    assert request.phase is not None and request.equity is not None
    if request.signal is not None:
        return size_by_risk(request, rules_of(request.phase, request.signal.regime))
    value = request.quantity * request.value_price
    figures = listed(quantity=request.quantity, value_usd=value, room_usd=request.room, stop=request.stop or "none")
    if request.stop is None or not (ZERO < request.stop < request.price if request.long else request.stop > request.price):
        return Check("size", "STOP_MISSING", figures)
    return Check("size", "ROOM_EXCEEDED" if value > request.room else "", figures)


def liquid(request: Request) -> Check:
    """Refuse where the spread is wide, little is traded, or the book is thin for this size; cut to the book where the policy says so."""
    assert request.phase is not None and request.mark is not None
    mark, market = request.mark, request.phase.market
    spread, share_max, value = mark.ask - mark.bid, market.depth_share_max_pct, request.quantity * request.value_price
    figures = listed(
        spread=spread, spread_bps_max=market.spread_bps_max, value_usd=value, depth_usd=mark.depth, depth_share_pct_max=share_max
    )  # fmt: skip
    volume_min = market.volume_24h_usd_min
    if volume_min is not None:
        volume = "unknown" if mark.volume_24h is None else mark.volume_24h
        figures += " " + listed(volume_24h_usd=volume, volume_24h_usd_min=volume_min)
    if spread * 10_000 > market.spread_bps_max * mark.mark:
        return Check("liquidity", "SPREAD_WIDE", figures)
    if volume_min is not None and (mark.volume_24h is None or mark.volume_24h < volume_min):
        return Check("liquidity", "VOLUME_LOW", figures)
    if value * HUNDRED <= share_max * mark.depth:
        return Check("liquidity", "", figures)
    if not market.depth_cut or request.signal is None:
        return Check("liquidity", "DEPTH_THIN", figures)
    return cut_to_depth(request, figures)


def filtered(request: Request) -> Check:
    """Round the quantity down to what the exchange takes and check its minima again; reducing needs no minimum value."""
    instrument = request.instrument
    if instrument is None:
        return Check("filters", "INSTRUMENT_UNKNOWN", "")
    if any(price is not None and price % instrument.tick_size for price in (request.limit_price, request.stop)):
        figures = listed(limit=request.limit_price or "none", stop=request.stop or "none", tick=instrument.tick_size)
        return Check("filters", "PRICE_TICK", figures)
    most = instrument.max_market_quantity if request.type == "MARKET" else instrument.max_quantity
    wanted = request.quantity
    request.quantity = round_down(min(wanted, most), instrument.step_size)
    value = request.quantity * request.price
    figures = listed(
        wanted=wanted, quantity=request.quantity, quantity_min=instrument.min_quantity, quantity_max=most, step=instrument.step_size,
        value=value, value_min=instrument.min_notional,
    )  # fmt: skip
    if request.quantity <= ZERO or request.quantity < instrument.min_quantity:
        return Check("filters", "QUANTITY_MIN", figures)
    return Check("filters", "NOTIONAL_MIN" if request.adds_risk and value < instrument.min_notional else "", figures)


def collared(request: Request) -> Check:
    """Refuse a price too far from the mark, by our collar or by the exchange's band."""
    assert request.phase is not None and request.mark is not None and request.instrument is not None
    low, high = collar(request)
    band_low, band_high = (
        request.mark.mark * request.instrument.price_down_ratio,
        request.mark.mark * request.instrument.price_up_ratio,
    )
    figures = listed(price=request.price, low=low, high=high, band_low=band_low, band_high=band_high)
    if not low <= request.price <= high:
        return Check("collar", "PRICE_COLLAR", figures)
    return Check("collar", "" if band_low <= request.price <= band_high else "PRICE_BAND", figures)


def collar(request: Request) -> tuple[Decimal, Decimal]:
    """Give the prices an order that adds risk may have."""
    assert request.phase is not None and request.mark is not None
    away = request.mark.mark * request.phase.market.collar_pct_max / HUNDRED
    return request.mark.mark - away, request.mark.mark + away


def rated(request: Request) -> Check:
    """Refuse an order too many in ten seconds, or too many open at once."""
    assert request.phase is not None and request.instrument is not None
    account, limits = request.account, request.phase.orders
    sent, still_open = orders_in_window(account, request.now_ms), len(account.orders)
    of_symbol, of_symbol_max = (
        sum(order.symbol == request.symbol for order in account.orders.values()),
        request.instrument.max_open_orders,
    )
    figures = listed(
        sent_10s=sent, sent_10s_max=limits.per_10s_max, open=still_open, open_max=limits.open_max, symbol=of_symbol, symbol_max=of_symbol_max
    )  # fmt: skip
    if sent >= limits.per_10s_max:
        return Check("rate", "ORDER_RATE", figures)
    return Check("rate", "OPEN_ORDERS_MAX" if still_open >= limits.open_max or of_symbol >= of_symbol_max else "", figures)


def reduces(request: Request) -> Check:
    """Hold an order to what it can close: never more than is held, counting the closing orders already open."""
    position = request.account.positions.get(request.symbol)
    held = position.quantity if position else ZERO
    pending = portfolio.reducing_rest(request.account, position) if position else ZERO
    closable = abs(held) - pending
    figures = listed(held=held, pending=pending, wanted=request.quantity)
    if not held or (held > ZERO) == request.long:
        return Check("reduces", "NO_POSITION", figures)
    if closable <= ZERO:
        return Check("reduces", "ALREADY_CLOSING", figures)
    request.quantity = min(request.quantity, closable) if request.quantity else closable
    return Check("reduces", "", figures)


OPENING: tuple[Gate, ...] = (
    known, fresh, throttled, enabled, armed, policy_fresh, undoubted, in_phase, confident, mark_fresh, within_positions, within_exposure,
    cheap_to_hold, sized, liquid, filtered, collared, rated,
)  # fmt: skip
REDUCING: tuple[Gate, ...] = (known, fresh, throttled, enabled, reduces, filtered)
"""For a signal that reduces. The order rate is counted but never refuses it."""
EXITING: tuple[Gate, ...] = (reduces, filtered)
"""For the desk's own exits and an operator's: they stay possible whatever is switched off, closed, tripped or stale."""
