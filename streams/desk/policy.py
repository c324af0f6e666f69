"""The policy: every threshold the desk decides by, as one checked document.

Decides: which limits exist, what values they may have, and that none is missing or infinite. The tables below are the whole
vocabulary: a document with a key too many or too few is refused, with the path of every error. Leaves to others: files, lines and
environment (streams.services), when a policy is fresh (desk.gates).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NamedTuple, TypeVar

RISK_PER_TRADE_PCT = Decimal("10.00")
"""The share of equity one trade may lose at its stop unless a phase sets less; no phase may set more."""


DECIMALS_MAX = 6
"""Places of a limit after the point, so that its products with prices stay within the places money has."""


class PolicyError(NamedTuple):
    """What is wrong with a document, and where: ("phases", "phase1", "ess", "drawdown_pct")."""

    path: tuple[str, ...]
    problem: str


Parser = Callable[[Any], Any]


def number(low: str, high: str, above: bool = False) -> Any:
    """Declare a Decimal field from low (or above it) to high."""

    def parse(raw: Any) -> Decimal:
        try:
            value = Decimal(str(raw)) if not isinstance(raw, bool) else None
        except InvalidOperation:
            value = None
        if value is None:
            raise ValueError(f"{raw!r} is not a number")
        if not value.is_finite() or not Decimal(low) <= value <= Decimal(high) or (above and value == Decimal(low)):
            raise ValueError(f"{raw} is not {'above' if above else 'from'} {low} {'and up to' if above else 'to'} {high}")
        if -int(value.as_tuple().exponent) > DECIMALS_MAX:
            raise ValueError(f"{raw} has more than 6 decimal places")
        return value

    return field(metadata={"parse": parse})


def whole(low: int, high: int) -> Any:
    """Declare an int field from low to high."""

    def parse(raw: Any) -> int:
        try:
            value = int(str(raw))
        except ValueError:
            raise ValueError(f"{raw!r} is not a whole number") from None
        if not low <= value <= high:
            raise ValueError(f"{raw} is not from {low} to {high}")
        return value

    return field(metadata={"parse": parse})


def choice(*allowed: str) -> Any:
    """Declare a field with one of a few words."""

    def parse(raw: Any) -> str:
        if raw not in allowed:
            raise ValueError(f"{raw!r} is not one of {', '.join(allowed)}")
        return str(raw)

    return field(metadata={"parse": parse})


def flag() -> Any:
    """Declare a true/false field."""

    def parse(raw: Any) -> bool:
        words = {"true": True, "false": False}
        if str(raw).lower() not in words:
            raise ValueError(f"{raw!r} is not true or false")
        return words[str(raw).lower()]

    return field(metadata={"parse": parse})


def names() -> Any:
    """Declare a field with a list of distinct names."""

    def parse(raw: Any) -> tuple[str, ...]:
        if not isinstance(raw, list) or not raw or not all(isinstance(name, str) and name for name in raw):
            raise ValueError("is not a list of names")
        if len(set(raw)) != len(raw):
            raise ValueError("names something twice")
        return tuple(raw)

    return field(metadata={"parse": parse})


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
    min_days: int | None = field(metadata={"parse": lambda raw: None if raw in (None, "none") else _days(raw)})
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


def document_hash(document: str) -> str:
    """Hash a canonical document."""
    return hashlib.blake2b(document.encode(), digest_size=16).hexdigest()


def canonical(document: Mapping[str, Any]) -> str:
    """Write a document the one way it is hashed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parse_policy(version: int, document: str) -> Policy | list[PolicyError]:
    """Read a canonical document: a policy, or everything that is wrong with it."""
    try:
        raw = json.loads(document)
    except (ValueError, RecursionError) as error:
        return [PolicyError((), f"not JSON: {error}")]
    return check_policy(version, raw, document_hash(document))


def check_policy(version: int, raw: Any, digest: str) -> Policy | list[PolicyError]:
    """Check an already read document: {"crash": …, "total": …, "phases": {name: …}}."""
    errors: list[PolicyError] = []
    top = _keys(raw, ("crash", "total", "phases"), (), errors)
    crash = _record(CrashRule, top["crash"], ("crash",), errors) if "crash" in top else None
    total = _record(TotalRule, top["total"], ("total",), errors) if "total" in top else None
    listed = top.get("phases", {})
    if not isinstance(listed, dict) or ("phases" in top and not listed):
        errors.append(PolicyError(("phases",), "is not a table of phases"))
        listed = {}
    phases = {name: _record(Phase, body, ("phases", name), errors) for name, body in sorted(listed.items())}
    for name, phase in phases.items():
        errors += [] if phase is None else _contradictions(("phases", name), phase)
    if errors or crash is None or total is None:
        return errors
    return Policy(version, digest, crash, total, {name: phase for name, phase in phases.items() if phase is not None})


def _days(raw: Any) -> int:
    value = int(str(raw)) if str(raw).isdigit() else -1
    if not 0 <= value <= 3_650:
        raise ValueError(f"{raw!r} is neither none nor a number of days")
    return value


def _contradictions(path: tuple[str, ...], phase: Phase) -> list[PolicyError]:
    found = []
    if phase.size.max_position_usd > phase.size.max_exposure_usd:
        found.append(PolicyError((*path, "size", "max_position_usd"), "is above max_exposure_usd"))
    if phase.ess.stale_mark_s < phase.age.mark_s_max:
        found.append(PolicyError((*path, "ess", "stale_mark_s"), "is below age.mark_s_max: it would trip before a signal is refused"))
    return found


T = TypeVar("T")


def _record(kind: type[T], raw: Any, path: tuple[str, ...], errors: list[PolicyError]) -> T | None:
    slots = fields(kind)  # type: ignore[arg-type]  # every kind passed here is a dataclass of this module
    table = _keys(raw, tuple(slot.name for slot in slots), path, errors)
    values: dict[str, Any] = {}
    for slot in slots:
        if slot.name not in table:
            continue
        inner = (*path, slot.name)
        if "parse" not in slot.metadata:
            assert isinstance(slot.type, type)
            values[slot.name] = _record(slot.type, table[slot.name], inner, errors)
            continue
        try:
            values[slot.name] = slot.metadata["parse"](table[slot.name])
        except ValueError as error:
            errors.append(PolicyError(inner, str(error)))
    complete = len(values) == len(slots) and all(value is not None or name == "min_days" for name, value in values.items())
    return kind(**values) if complete else None


def _keys(raw: Any, wanted: tuple[str, ...], path: tuple[str, ...], errors: list[PolicyError]) -> dict[str, Any]:
    if not isinstance(raw, dict):
        errors.append(PolicyError(path, "is not a table"))
        return {}
    errors.extend(PolicyError((*path, key), "is missing") for key in wanted if key not in raw)
    errors.extend(PolicyError((*path, str(key)), "is not known") for key in raw if key not in wanted)
    return {key: value for key, value in raw.items() if key in wanted}
