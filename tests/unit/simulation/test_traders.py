"""Traders without an exchange of their own: what they say of a market they only follow."""

from collections.abc import Mapping
from decimal import Decimal

from streams.desk.messages import (
    EVERY_ACCOUNT,
    AccountEvent,
    Body,
    CloseAccount,
    ClosePosition,
    Control,
    Disable,
    Enable,
    Mark,
    OpenAccount,
    PhaseChange,
    Signal,
)  # fmt: skip
from streams.desk.outputs import Decision
from streams.simulation.followed import FollowedMarket
from streams.simulation.market import MARKETS
from streams.simulation.traders import ASK_AGAIN_MS, FIRST_SIGNAL_MS, Pace, Traders

START_MS = 1_780_000_000_000
NAMES = ("acc00000", "acc00001")


class Holdings:
    def __init__(self) -> None:
        self.of: dict[str, dict[str, Decimal]] = {}

    def held(self, account: str) -> Mapping[str, object]:
        return self.of.get(account, {})


def priced() -> FollowedMarket:
    followed = FollowedMarket(MARKETS[:6])
    for market in followed.markets:
        price = market.start_ticks * market.tick
        followed.take(Mark("m1", market.symbol, price, price, price, price, price, Decimal(10**6), Decimal(0), START_MS))
    return followed


def traders(seed: int = 7, pace: Pace | None = None, holdings: Holdings | None = None) -> Traders:
    return Traders(seed, NAMES, START_MS, priced(), holdings or Holdings(), pace or Pace())


def passed(told: Traders, until_ms: int, since_ms: int = 0) -> list[Body]:
    return [body for after_ms in range(since_ms, until_ms, 50) for body in told.advance(START_MS + after_ms)]


def test_first_the_accounts_are_opened_and_nothing_else_is_said_until_the_market_opens() -> None:
    told = traders()
    bodies = passed(told, 20_000)

    commands = [(body.account, type(body.command)) for body in bodies if isinstance(body, Control)]
    assert commands[:3] == [(NAMES[0], OpenAccount), (NAMES[0], PhaseChange), (NAMES[0], Enable)]
    assert commands[-1] == (EVERY_ACCOUNT, Enable)
    assert len(commands) == len(bodies)
    opened = [body.command for body in bodies if isinstance(body, Control) and isinstance(body.command, OpenAccount)]
    assert [command.opening_balance for command in opened] == [balance for _, balance in told.balances]


def test_signals_come_once_the_market_is_open_to_all_accounts_in_turn() -> None:
    told = traders()
    passed(told, 5_000)
    told.begin()
    signals = [body for body in passed(told, 25_000, 5_000) if isinstance(body, Signal)]

    assert 15 <= len(signals) <= 40
    assert {signal.account for signal in signals} == set(NAMES)
    assert passed(told, 25_000 + FIRST_SIGNAL_MS, 25_000)


def test_a_seed_says_the_same_again_and_another_one_something_else() -> None:
    runs = []
    for seed in (3, 3, 4):
        told = traders(seed)
        told.begin()
        runs.append(passed(told, 10_000))

    assert runs[0] == runs[1] != runs[2]


def test_money_is_moved_by_the_exchange_alone() -> None:
    told = traders(pace=Pace(operator=100))
    told.begin()
    bodies = passed(told, 60_000)

    assert sum(isinstance(body, Control) for body in bodies) > 100
    assert not [body for body in bodies if isinstance(body, AccountEvent)]


def test_what_is_held_is_closed_now_and_then() -> None:
    holdings = Holdings()
    holdings.of = {name: {market.symbol: Decimal(1) for market in MARKETS[:6]} for name in NAMES}
    told = traders(holdings=holdings)
    told.begin()

    assert any(isinstance(body, Signal) and body.side == "CLOSE" for body in passed(told, 60_000))


def test_a_phase_that_was_refused_for_want_of_a_policy_is_asked_for_again() -> None:
    told = traders()
    passed(told, 100)
    reason = "POLICY_MISSING phase=phase3"
    told.on_decision(
        Decision(NAMES[1], 4, 0, START_MS, "COMMAND", "c2", "REFUSED", reason, (), "", 1, "", "", ""), START_MS + 100
    )

    (again,) = passed(told, 200 + ASK_AGAIN_MS, 100)

    assert isinstance(again, Control)
    assert (again.account, type(again.command)) == (NAMES[1], PhaseChange)


def test_at_the_end_trading_is_switched_off_or_everything_is_closed() -> None:
    told = traders()
    said = [*told.switch_off(), *told.farewell(), *told.close_accounts()]

    commands = [(body.account, type(body.command)) for body in said if isinstance(body, Control)]
    assert commands == [(name, command) for command in (Disable, ClosePosition, CloseAccount) for name in NAMES]
    assert len({body.control_id for body in said if isinstance(body, Control)}) == len(said)
