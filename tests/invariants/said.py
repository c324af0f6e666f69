"""Invariants 4 and 5: chains without a break, ids that are given once, every input with one fate, every signal with one verdict.

Decides: from outputs alone whether what the desk says hangs together. Leaves to others: whether it is right.
"""

import re
from typing import Any

from streams.desk.desk import Outcome
from streams.desk.messages import EVERY_ACCOUNT, AccountEvent, Control, Fill, OrderEvent, Signal, TapeEvent
from streams.desk.outputs import Cancel, DeadLetter, Decision, Fate, Order, Portfolio
from streams.desk.state import START_OF_CHAIN, State
from streams.desk.turn import link_of
from tests.rough_market import Observer
from tests.twins import written

ORDER_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
ALWAYS_CHANGING = ("chain", "unshown")


class SaidHangsTogether(Observer):
    """Follows every chain of decisions and every order id."""

    def __init__(self) -> None:
        self.chains: dict[str, str] = {}
        self.ids: set[str] = set()
        self.now_ms = 0

    def after(self, event: TapeEvent, outcome: Outcome) -> None:
        """Check numbering, chains, and that each order follows the decision that approved it."""
        self.now_ms = max(self.now_ms, event.stamp_ms)
        assert outcome.state.now_ms == self.now_ms, f"offset {event.offset}: desk time is the sequencer's and never runs back"
        approved = ""
        for n, output in enumerate(outcome.outputs):
            if isinstance(output, Decision | Order | Cancel | Portfolio | DeadLetter):
                assert (output.offset, output.n) == (event.offset, n)
            if isinstance(output, Order):
                assert output.order_id == approved, "an order without its approval"
                assert ORDER_ID.fullmatch(output.order_id), output.order_id
                assert output.order_id not in self.ids, f"{output.order_id} was given twice"
                assert output.quantity > 0
                self.ids.add(output.order_id)
            else:
                assert not approved, f"{approved} was approved and never said"
            approved = ""
            if isinstance(output, Decision):
                assert output.previous == self.chains.get(output.account, START_OF_CHAIN), (
                    f"the chain of {output.account} is broken"
                )
                assert output.hash == link_of(output), "a decision does not hash to its link"
                self.chains[output.account] = output.hash
                approved = output.order_id
        assert not approved
        for name, account in outcome.state.accounts.items():
            assert account.chain == self.chains.get(name, START_OF_CHAIN)
        assert outcome.state.chain == self.chains.get(EVERY_ACCOUNT, START_OF_CHAIN)


class EveryInputHasOneFate(Observer):
    """A duplicate changes nothing, a dead letter nothing but the alarm it raises, and a signal gets one verdict or waits."""

    def __init__(self) -> None:
        self.waiting: set[str] = set()
        self.judged: set[str] = set()
        self._written: dict[str, Any] = {}

    def before(self, state: State) -> None:
        """Keep what the event is going to meet."""
        self._written = written(state)

    def after(self, event: TapeEvent, outcome: Outcome) -> None:
        """Hold fate, outputs and state against each other."""
        outputs, fate = outcome.outputs, outcome.fate
        letters = [output for output in outputs if isinstance(output, DeadLetter)]
        assert len(letters) == (fate is Fate.DEAD_LETTER), f"offset {event.offset}: {fate}"
        if fate is Fate.REFUSED:
            assert any(
                isinstance(output, Decision) and output.verdict in ("REFUSED", "DROPPED", "ALERT") for output in outputs
            ), "refused without a word"
        if fate is Fate.DUPLICATE:
            assert outputs == [], f"offset {event.offset}: a duplicate was answered"
        if fate in (Fate.DUPLICATE, Fate.DEAD_LETTER):
            assert _essence(written(outcome.state)) == _essence(self._written), f"offset {event.offset}: {fate} changed the state"
        if isinstance(event.body, Signal) and fate is not Fate.DUPLICATE:
            assert event.body.signal_id not in self.judged, f"{event.body.signal_id} is judged again"
            self.waiting.add(event.body.signal_id)
        for output in outputs:
            if isinstance(output, Decision) and output.kind == "SIGNAL":
                assert output.subject in self.waiting, f"{output.subject} had its verdict before"
                self.waiting.discard(output.subject)
                if output.code not in ("SIGNAL_INVALID", "UNKNOWN_ACCOUNT"):
                    self.judged.add(output.subject)
        queued = {entry.signal.signal_id for account in outcome.state.accounts.values() for entry in account.queue.waiting()}
        assert self.waiting == queued, "a signal vanished"


class NothingIsDoneTwice(Observer):
    """Who sends the same thing again, under the same id but at a new place, gets nothing done by it."""

    def __init__(self) -> None:
        self.fates: dict[tuple[str, ...], tuple[Any, Fate]] = {}

    def after(self, event: TapeEvent, outcome: Outcome) -> None:
        """Hold a repeat against what became of the first."""
        body, fate = event.body, outcome.fate
        match body:
            case Fill():
                name: tuple[str, ...] = ("fill", body.account, body.venue, body.symbol, body.trade_id)
            case Signal():
                name = ("signal", body.account, body.signal_id)
            case Control():
                name = ("control", body.account, body.control_id)
            case AccountEvent() | OrderEvent():
                name = (type(body).__name__, body.account, body.event_id)
            case _:
                return
        if name not in self.fates:
            self.fates[name] = (body, fate)
            return
        first, before = self.fates[name]
        if before is Fate.APPLIED:
            assert fate in ((Fate.DUPLICATE,) if first == body else (Fate.DUPLICATE, Fate.REFUSED)), (
                f"offset {event.offset}: {name} is done again"
            )


class SignalsAreThrottled(Observer):
    """No account has more signals taken past the throttle in a second than its limit, nor more of them waiting."""

    def __init__(self) -> None:
        self.worked: dict[tuple[str, int], int] = {}

    def after(self, event: TapeEvent, outcome: Outcome) -> None:
        """Count verdicts that looked further than known and fresh."""
        state = outcome.state
        for output in outcome.outputs:
            if isinstance(output, Decision) and output.kind == "SIGNAL" and len(output.checks) > 2:
                phase = state.phase_of(state.accounts[output.account])
                assert phase is not None
                worked = self.worked.get((output.account, state.second), 0) + 1
                assert worked <= phase.throttle.signals_per_cycle, (
                    f"{output.account} at offset {event.offset}: {worked} in one second"
                )
                self.worked[output.account, state.second] = worked
        for name, account in state.accounts.items():
            phase = state.phase_of(account)
            assert phase is None or len(account.queue) <= phase.throttle.queue_max, name


def _essence(record: dict[str, Any]) -> dict[str, Any]:
    """Leave out desk time, which every event may move, and the traces of an alarm."""
    shared = {key: value for key, value in record["shared"].items() if key not in ("now_ms", *ALWAYS_CHANGING)}
    accounts = {
        name: {key: value for key, value in account.items() if key not in ALWAYS_CHANGING}
        for name, account in record["accounts"].items()
    }
    return {"shared": shared, "accounts": accounts}
