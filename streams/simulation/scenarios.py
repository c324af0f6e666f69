"""Days with a story: small generated tapes, each showing one side of the desk.

Decides: what happens in each, and how long it takes. Leaves to others: what the desk makes of it, and keeping that (tests/tapes).
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from random import Random
from typing import NamedTuple

from streams.desk.desk import Outcome
from streams.desk.messages import EVERY_ACCOUNT, AccountEvent, Command, Control, Reset, Signal, SignalSide, TapeEvent, Trip
from streams.desk.outputs import Order
from streams.simulation.market import below, markets_for
from streams.simulation.plan import START_MS, Flood, Happening, Plan
from streams.simulation.policies import generated_policy
from streams.simulation.prices import Crash, Silence
from streams.simulation.signals import SOURCE
from streams.simulation.venue import FillStyle, Odds, Style, natural_style
from streams.simulation.world import World, make_venue

MINUTE_MS = 60_000
_MARKETS = markets_for(3)
_SYMBOLS = [market.symbol for market in _MARKETS]
_SMOOTH = Odds(0, 0, 0, 0, 0)


class Scenario(NamedTuple):
    """A world, and the time of its day at which the story ends."""

    world: World
    until_ms: int

    def run(self) -> Iterator[tuple[TapeEvent, Outcome]]:
        """Tell the story, then let what is under way arrive."""
        yield from self.world.run(self.until_ms)
        yield from self.world.settle()


def quiet_day(seed: int = 1) -> Scenario:
    """Show forty minutes in which nothing goes wrong: entries, exits by plan and by signal, ordinary refusals."""
    return _told(_plan(seed, mark_every_ms=2_000, signal_every_ms=25_000, operator_every_ms=10 * MINUTE_MS), 40)


def flash_crash(seed: int = 1) -> Scenario:
    """Show ETH losing a quarter in a minute, a minute and a half without BNB prices, and the accounts coming back after both."""
    troubles = (
        Crash("ETHUSDT", START_MS + 10 * MINUTE_MS, 2_500, MINUTE_MS),
        Silence("BNBUSDT", START_MS + 34 * MINUTE_MS, MINUTE_MS * 3 // 2),
    )
    return _told(_plan(seed, accounts=4, mark_every_ms=1_000, signal_every_ms=5_000, troubles=troubles), 40)


def signal_flood(seed: int = 1) -> Scenario:
    """Show sixty signals a second to one account, then thirty a second to all: the queue fills, drops, expires and drains."""
    floods = (Flood(MINUTE_MS, 20_000, 60, "acc00000"), Flood(2 * MINUTE_MS, 20_000, 30))
    return _told(_plan(seed, accounts=2, mark_every_ms=500, signal_every_ms=4_000, floods=floods), 3)


def partial_fills(seed: int = 1) -> Scenario:
    """Show an exchange on a bad day: many parts, orders that get stuck, reports that overtake each other, fates unknown."""
    odds = Odds(rejected=500, unknown=700, expired=600, cancel_rejected=2_500, slow_fill=1_500)
    policy = generated_policy(_SYMBOLS, orders={"lifetime_s": "4"})
    plan = _plan(seed, mark_every_ms=1_000, signal_every_ms=6_000, operator_every_ms=0, odds=odds, repeats=100, policy=policy)
    return _told(plan, 20, _in_parts)


def ess_life_cycle(seed: int = 1) -> Scenario:
    """Show an emergency stop from breach to reset: drawdown, cooldown, refused resets, an override, trips by hand, the stop over all accounts."""
    account, other = "acc00000", "acc00001"
    opened_s, fall_s = 10, 60
    script = (
        *(_signal(opened_s + at, name, symbol, "LONG") for name in (account, other) for at, symbol in enumerate(_SYMBOLS)),
        _control(150, account, Reset(False), "", ""),
        _control(160, account, Reset(False), "ops", "too early"),
        _control(200, account, Reset(True), "risk-desk", "crash understood, sizes halved"),
        _signal(210, account, "BTCUSDT", "LONG"),
        _control(240, account, Trip(), "risk-desk", "drill"),
        _control(250, account, Trip(), "risk-desk", "drill"),
        _control(300, EVERY_ACCOUNT, Trip(), "risk-desk", "drill of all"),
        _signal(310, other, "BTCUSDT", "LONG"),
        _control(400, EVERY_ACCOUNT, Reset(True), "risk-desk", "drill over"),
        _control(1_300, account, Reset(False), "risk-desk", "cooldown served"),
        _control(1_310, other, Reset(False), "risk-desk", "nothing to reset or served"),
        _signal(1_320, account, "BTCUSDT", "LONG"),
        _control(1_400, account, Reset(False), "risk-desk", "armed already"),
    )
    troubles = (Crash("ETHUSDT", START_MS + fall_s * 1_000, 900, 30_000),)
    policy = generated_policy(
        _SYMBOLS, ess={"cooldown_s": "600"}, size={"risk_per_trade_pct": "10"}, market={"funding_pay_pct_max": "1"}
    )  # fmt: skip
    plan = _plan(
        seed, accounts=2, mark_every_ms=1_000, signal_every_ms=0, operator_every_ms=0, reset_after_s=0, script=script, troubles=troubles,
        opening_balances=(Decimal(2_000), Decimal(50_000)), odds=_SMOOTH, policy=policy,
    )  # fmt: skip
    return _told(plan, 25, _at_once)


def fees_and_funding(seed: int = 1) -> Scenario:
    """Show fees in USDT, in the traded coin and in BNB, a funding time with holders on both sides, transfers and an adjustment explained later."""
    script = (
        _transfer(300, "acc00000", "DEPOSIT", "2500.50"),
        _transfer(420, "acc00001", "WITHDRAWAL", "750.25"),
        _transfer(500, "acc00002", "ADJUSTMENT", "-1.75"),
        _transfer(560, "acc00002", "ADJUSTMENT", "1.75", reverses="script-500"),
    )
    plan = _plan(
        seed, mark_every_ms=1_000, signal_every_ms=6_000, operator_every_ms=0, fee_currencies=("USDT", "BASE", "BNB"),
        next_funding_ms=12 * MINUTE_MS, script=script, odds=_SMOOTH,
    )  # fmt: skip
    return _told(plan, 20)


SCENARIOS: dict[str, Callable[[int], Scenario]] = {
    "quiet-day": quiet_day,
    "flash-crash": flash_crash,
    "signal-flood": signal_flood,
    "partial-fills": partial_fills,
    "ess-life-cycle": ess_life_cycle,
    "fees-and-funding": fees_and_funding,
}


def _plan(seed: int, **chosen: object) -> Plan:
    """Plan a small day of three accounts and three symbols, with few repeats and no garbage unless asked for."""
    settings: dict[str, object] = {
        "accounts": 3, "markets": _MARKETS, "policy": generated_policy(_SYMBOLS, ess={"cooldown_s": "600"}), "garbage": 0, "reset_after_s": 630,
        "next_funding_ms": 24 * 60 * MINUTE_MS,
    }  # fmt: skip
    return Plan(seed, **{**settings, **chosen})  # type: ignore[arg-type]  # named fields of Plan, checked by it


def _told(plan: Plan, minutes: int, style: Style = natural_style) -> Scenario:
    return Scenario(World(plan, make_venue(plan, style)), minutes * MINUTE_MS)


def _in_parts(chance: Random, order: Order) -> FillStyle:
    parts = 2 + below(chance, 5)
    if order.type == "MARKET":
        return FillStyle(0, parts)
    return FillStyle(below(chance, 3_000), parts, stuck_after=below(chance, parts) if below(chance, 3) == 0 else None)


def _at_once(_chance: Random, _order: Order) -> FillStyle:
    return FillStyle(0, 1)


def _signal(at_s: int, account: str, symbol: str, side: SignalSide) -> Happening:
    market = next(market for market in _MARKETS if market.symbol == symbol)
    atr = max(market.tick, market.start_ticks // 400 * market.tick)
    name, ts, sure = f"script-{account}-{at_s}", START_MS + at_s * 1_000 - 50, Decimal("0.9")
    scores = {"momentum": 0.9, "flow": 0.8}
    return Happening(
        at_s * 1_000, Signal(name, account, symbol, side, sure, scores, Decimal(1), SOURCE, False, "VOLATILE", atr * 8, ts)
    )


def _control(at_s: int, account: str, command: Command, user: str, reason: str) -> Happening:
    return Happening(at_s * 1_000, Control(f"script-{at_s}", account, user, reason, START_MS + at_s * 1_000, command))


def _transfer(at_s: int, account: str, kind: str, amount: str, reverses: str | None = None) -> Happening:
    zero, ts = Decimal(0), START_MS + at_s * 1_000
    body = AccountEvent(f"script-{at_s}", account, kind, None, Decimal(amount), zero, zero, reverses, "scripted", ts)  # type: ignore[arg-type]  # a kind by its name
    return Happening(at_s * 1_000, body)
