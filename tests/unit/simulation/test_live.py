"""The live world: the same seed and the same clock give the same inputs, whoever calls it how often."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from streams.desk.desk import Outcome, step
from streams.desk.messages import (
    EVERY_ACCOUNT,
    Body,
    CloseAccount,
    ClosePosition,
    Control,
    Fill,
    Instrument,
    Mark,
    OpenAccount,
    PhaseChange,
    PolicyUpdate,
    Signal,
    TapeEvent,
    Tick,
)  # fmt: skip
from streams.desk.outputs import Cancel, Decision, Order
from streams.desk.policy_check import canonical, document_hash
from streams.desk.state import State, new_state
from streams.flow import TOPIC_OF
from streams.services.policy_source import PHASES_FOLDER, Effective, effective_policy
from streams.simulation.live import FUNDING_EVERY_S, SYMBOLS, LiveWorld
from streams.simulation.signals import SOURCE
from streams.simulation.traders import ASK_AGAIN_MS, LATE_MS_MAX

START_MS = 1_780_000_000_000
ACCOUNTS = ("acc00000", "acc00001", "acc00002", "acc00003")


class Deciding:
    """A desk without Kafka between it and the world."""

    def __init__(self, world: LiveWorld) -> None:
        self.world, self.state = world, new_state(1, 0, 1)
        self.offset = 0
        self.sources: Counter[str] = Counter()
        self.inputs: list[Body] = []
        self.refused: Counter[str] = Counter()

    def take(self, body: Body, now_ms: int) -> Outcome:
        topic = TOPIC_OF[type(body)]
        outcome = step(self.state, TapeEvent(self.offset, now_ms, topic, 0, self.sources[topic], body))
        self.state, self.offset = outcome.state, self.offset + 1
        self.sources[topic] += 1
        self.inputs.append(body)
        for output in outcome.outputs:
            if isinstance(output, Order):
                self.world.on_order(output, now_ms)
            elif isinstance(output, Cancel):
                self.world.on_cancel(output, now_ms)
            elif isinstance(output, Decision):
                self.refused[output.code] += output.verdict == "REFUSED"
                self.world.on_decision(output, now_ms)
        return outcome

    def run(self, for_ms: int, every_ms: int = 50, policy_at_ms: int = 0) -> State:
        for passed_ms in range(0, for_ms, every_ms):
            now_ms = START_MS + passed_ms
            if passed_ms == policy_at_ms:
                self.take(Control("policy-1", EVERY_ACCOUNT, "test", "test", now_ms, policy()), now_ms)
            for body in self.world.advance(now_ms):
                self.take(body, now_ms)
            if passed_ms % 1_000 == 0:
                self.take(Tick(now_ms // 1_000), now_ms)
        return self.state


def policy() -> PolicyUpdate:
    effective = effective_policy(PHASES_FOLDER, {})
    assert isinstance(effective, Effective)
    document = canonical(effective.document)
    return PolicyUpdate(1, document_hash(document), document)


def live(seed: int = 7, start_ms: int = START_MS) -> LiveWorld:
    return LiveWorld(seed, ACCOUNTS, start_ms)


def ids(bodies: list[Body]) -> Iterator[str]:
    names = ("signal_id", "mark_id", "instrument_id", "control_id", "event_id", "trade_id")
    return (getattr(body, name) for body in bodies for name in names if hasattr(body, name))


def test_the_same_seed_and_the_same_clock_give_the_same_inputs() -> None:
    runs = [Deciding(live(seed)) for seed in (3, 3, 4)]
    for run in runs:
        run.run(20_000)

    assert runs[0].inputs == runs[1].inputs
    assert runs[0].inputs != runs[2].inputs


def test_how_often_the_clock_is_handed_in_changes_nothing_while_nobody_orders() -> None:
    often, seldom = live(), live()

    looked = [body for passed in range(0, 2_001, 10) for body in often.advance(START_MS + passed)]

    assert looked == seldom.advance(START_MS) + seldom.advance(START_MS + 2_000)


def test_the_opening_comes_first_and_once() -> None:
    world = live()

    opening = world.advance(START_MS)

    assert [type(body) for body in opening[:SYMBOLS]] == [Instrument] * SYMBOLS
    opened = [body.account for body in opening if isinstance(body, Control) and isinstance(body.command, OpenAccount)]
    assert opened == list(ACCOUNTS)
    assert world.advance(START_MS) == []


def test_every_symbol_has_a_few_prices_a_second() -> None:
    world = live()
    world.advance(START_MS)

    marks = Counter(
        body.symbol for body in (*world.advance(START_MS + 2_900), *world.advance(START_MS + 5_000)) if isinstance(body, Mark)
    )

    assert len(marks) == SYMBOLS
    assert all(10 <= count <= 20 for count in marks.values())


def test_signals_say_that_they_are_a_heuristic() -> None:
    deciding = Deciding(live())
    deciding.run(10_000)

    signals = [body for body in deciding.inputs if isinstance(body, Signal)]
    assert len(signals) >= 8
    assert all(signal.source.startswith(SOURCE) for signal in signals)


def test_orders_are_filled_with_fees_and_the_desk_holds_the_sum_of_its_fills() -> None:
    deciding = Deciding(live())
    state = deciding.run(44_000)

    fills = [body for body in deciding.inputs if isinstance(body, Fill)]
    assert len(fills) >= 10
    assert all(fill.fee > 0 for fill in fills)
    bought: dict[tuple[str, str], Decimal] = {}
    for fill in fills:
        signed = fill.quantity if fill.side == "BUY" else -fill.quantity
        in_coins = fill.fee if fill.symbol == f"{fill.fee_currency}USDT" else Decimal(0)
        bought[fill.account, fill.symbol] = bought.get((fill.account, fill.symbol), Decimal(0)) + signed - in_coins
    held = {
        (name, symbol): position.quantity
        for name, account in state.accounts.items()
        for symbol, position in account.positions.items()
    }
    assert held == {key: quantity for key, quantity in bought.items() if quantity}
    assert deciding.world.exchange.books.trades >= len(fills)


def test_funding_is_paid_to_and_by_holders() -> None:
    deciding = Deciding(live())
    deciding.run(25_000)

    assert any(getattr(body, "kind", "") == "FUNDING" for body in deciding.inputs)
    assert {body.funding_interval_s for body in deciding.inputs if isinstance(body, Instrument)} == {FUNDING_EVERY_S}


def test_a_phase_that_was_refused_for_want_of_a_policy_is_asked_for_again() -> None:
    deciding = Deciding(live())
    state = deciding.run(5_000, policy_at_ms=2_000)

    assert deciding.refused["POLICY_MISSING"] >= len(ACCOUNTS)
    assert {account.phase for account in state.accounts.values()} == {"phase3"}
    asked = [body for body in deciding.inputs if isinstance(body, Control) and isinstance(body.command, PhaseChange)]
    assert len(asked) <= len(ACCOUNTS) * (2_000 // ASK_AGAIN_MS + 2)


def test_no_id_is_used_twice_within_a_run_and_none_by_two_runs() -> None:
    first, second = Deciding(live()), Deciding(live(start_ms=START_MS + 1_000))
    first.run(15_000)
    second.run(15_000)

    one, other = list(ids(first.inputs)), list(ids(second.inputs))
    assert len(set(one) - {"policy-1"}) == len([name for name in one if name != "policy-1"])
    assert set(one) & set(other) <= {"policy-1"}


def test_what_is_planned_does_not_grow() -> None:
    deciding = Deciding(live())
    deciding.run(20_000)
    early = deciding.world.planned
    deciding.run(20_000)

    assert deciding.world.planned <= early + 20
    assert deciding.world.planned < 60


def test_a_clock_that_jumps_skips_what_was_due_in_between() -> None:
    world = live()
    world.advance(START_MS)
    world.advance(START_MS + 1_000)

    after = world.advance(START_MS + 3_600_000)

    assert len(after) < 20 * LATE_MS_MAX // 1_000
    assert world.now_ms == START_MS + 3_600_000


def test_a_clock_that_goes_back_waits() -> None:
    world = live()
    world.advance(START_MS + 1_000)

    assert world.advance(START_MS) == []
    assert world.now_ms == START_MS + 1_000


def test_the_farewell_closes_what_is_held_and_then_the_accounts() -> None:
    world = live()
    world.advance(START_MS)

    said = [*world.farewell(), *world.close_accounts()]

    commands = [(body.account, type(body.command)) for body in said if isinstance(body, Control)]
    assert commands == [(name, ClosePosition) for name in ACCOUNTS] + [(name, CloseAccount) for name in ACCOUNTS]
    assert len(set(ids(said))) == len(said)
