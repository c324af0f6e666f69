"""The policy: every threshold the desk decides by.

Decides: which limits exist and what values they may have. The classes below are the whole vocabulary of a policy document. Leaves to others:
whether a document is one (desk.policy_check), files and environment (streams.services), when a policy is fresh (desk.gates).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from streams.desk.policy_fields import choice, days, flag, names, number, whole

RISK_PER_TRADE_PCT = Decimal("10.00")
"""The share of equity one trade may lose at its stop unless a phase sets less; no phase may set more."""


@dataclass(frozen=True, slots=True)
class ThrottleLimits:
    """How many signals of an account are worked on a second, and how many may wait."""

    signals_per_cycle: int = whole(1, 1_000)
    queue_max: int = whole(1, 100_000)


@dataclass(frozen=True, slots=True)
class AgeLimits:
    """How old an input may be. Older is unknown, and unknown is a no."""

    signal_s_max: int = whole(1, 3_600)
    signal_ahead_s_max: int = whole(0, 60)
    mark_s_max: int = whole(1, 600)
    policy_s_max: int = whole(60, 86_400)


@dataclass(frozen=True, slots=True)
class EntryLimits:
    """What a signal needs to be worth a position."""

    confidence_min: Decimal = number("0", "1")
    agreement_min: Decimal = number("0", "1")
    allow_degraded: bool = flag()


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """How much may be held and risked."""

    positions_max: int = whole(1, 1_000)
    max_position_usd: Decimal = number("0", "1000000000", above=True)
    max_exposure_usd: Decimal = number("0", "1000000000", above=True)
    leverage_max: Decimal = number("0", "125", above=True)
    risk_per_trade_pct: Decimal = number("0", str(RISK_PER_TRADE_PCT), above=True)


@dataclass(frozen=True, slots=True)
class MarketLimits:
    """What a market must offer."""

    funding_pay_pct_max: Decimal = number("0", "10")
    spread_bps_max: Decimal = number("0", "10000", above=True)
    depth_share_max_pct: Decimal = number("0", "100", above=True)
    collar_pct_max: Decimal = number("0", "50", above=True)
    depth_cut: bool = flag(optional=True)
    """Cut a signal's order to its share of the depth instead of refusing it."""
    volume_24h_usd_min: Decimal | None = number("0", "1000000000000", above=True, optional=True)


@dataclass(frozen=True, slots=True)
class OrderLimits:
    """How often orders may be sent and how long they may stay."""

    per_10s_max: int = whole(1, 300)
    open_max: int = whole(1, 200)
    lifetime_s: int = whole(1, 86_400)
    retry_s: int = whole(1, 600)


@dataclass(frozen=True, slots=True)
class StopLimits:
    """When the emergency stop trips, and what it does then."""

    drawdown_pct: Decimal = number("0", "100", above=True)
    on_trip: Literal["hold", "flatten"] = choice("hold", "flatten")
    cooldown_s: int = whole(0, 604_800)
    stale_mark_s: int = whole(1, 3_600)


@dataclass(frozen=True, slots=True)
class ExitRules:
    """How a position of one regime is left. Distances in multiples of the signal's ATR."""

    stop_atr: Decimal = number("0", "100", above=True)
    take_profit_atr: Decimal = number("0", "1000", above=True)
    take_profit_share_pct: Decimal = number("0", "100", above=True)
    trail_atr: Decimal = number("0", "100", above=True)
    trail_step_pct: Decimal = number("1", "100")
    hold_s_max: int = whole(1, 31_536_000)


@dataclass(frozen=True, slots=True)
class RegimeExits:
    """The exit rules by regime, and the stop of a position nobody planned."""

    trend: ExitRules
    range: ExitRules
    volatile: ExitRules
    adopted_stop_pct: Decimal = number("0", "50", above=True)


@dataclass(frozen=True, slots=True)
class Phase:
    """All limits of one phase of going live."""

    throttle: ThrottleLimits
    age: AgeLimits
    entry: EntryLimits
    size: SizeLimits
    market: MarketLimits
    orders: OrderLimits
    ess: StopLimits
    exits: RegimeExits
    min_days: int | None = days()
    trading_mode: Literal["limited", "full"] = choice("limited", "full")
    symbols: tuple[str, ...] = names()
    monitoring_frequency: Literal["1h", "4h", "daily"] = choice("1h", "4h", "daily")


@dataclass(frozen=True, slots=True)
class CrashRule:
    """How far and how fast a held symbol may fall."""

    fall_pct: Decimal = number("0", "100", above=True)
    window_s: int = whole(1, 3_600)


@dataclass(frozen=True, slots=True)
class TotalRule:
    """The stop over all accounts."""

    drawdown_pct: Decimal = number("0", "100", above=True)
    on_trip: Literal["hold", "flatten"] = choice("hold", "flatten")
    cooldown_s: int = whole(0, 604_800)
    report_s_max: int = whole(2, 3_600)


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of all limits."""

    version: int
    hash: str
    crash: CrashRule
    total: TotalRule
    phases: Mapping[str, Phase]
