"""One turn of the desk: the event in hand and everything said because of it.

Decides: how outputs are numbered, how decisions are chained, which ids orders get, and which accounts a turn has touched. Leaves to
others: what to say.
"""

import hashlib

from streams.desk.messages import EVERY_ACCOUNT, TapeEvent, Unreadable
from streams.desk.outputs import Check, DeadLetter, Decision, Fate, Kind, Output, Verdict
from streams.desk.state import Account, State
from streams.desk.values import text

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Turn:
    """Collects what one event leads to."""

    __slots__ = ("event", "fate", "now_ms", "outputs", "state", "touched")

    def __init__(self, state: State, event: TapeEvent) -> None:
        """Begin with nothing said."""
        self.state = state
        self.event = event
        self.now_ms = state.now_ms
        self.fate = Fate.APPLIED
        self.outputs: list[Output] = []
        self.touched: dict[str, Account] = {}

    def touch(self, account: Account) -> None:
        """Note that an account changed: its snapshot is out of date."""
        account.version += 1

    def show(self, account: Account) -> None:
        """Note that something of an account changed that its portfolio shows."""
        account.version += 1
        if not account.unshown:
            account.unshown = True
            self.state.index.unshown.add(account.account)

    def moved(self, account: Account) -> None:
        """Note that an account's money, positions, orders or stop changed: it is valued again before the turn ends, and shown at the tick."""
        self.show(account)
        account.figures = ""
        self.touched[account.account] = account

    def next_order_id(self, account: Account) -> tuple[str, int]:
        """Derive the id of the order that will be said after its decision, which comes next."""
        n = len(self.outputs) + 1
        return order_id(self.state.epoch, account.account, self.event.offset, n), n

    def decide(
        self,
        account: Account | None,
        kind: Kind,
        subject: str,
        verdict: Verdict,
        reason: str,
        checks: tuple[Check, ...] = (),
        order: str = "",
    ) -> None:
        """Say a verdict, chained to the one before it. Without an account it belongs to the partition as a whole."""
        state = self.state
        if account is None:
            name, figures, previous = EVERY_ACCOUNT, "", state.chain
        else:
            name, figures, previous = account.account, figures_hash(account), account.chain
        version = state.policy.version if state.policy else 0
        n = len(self.outputs)
        unlinked = Decision(
            name, self.event.offset, n, self.now_ms, kind, subject, verdict, reason, checks, order, version, figures, previous, ""
        )
        decision = unlinked._replace(hash=link_of(unlinked))
        self.outputs.append(decision)
        if account is None:
            state.chain = decision.hash
        else:
            account.chain = decision.hash
            self.touch(account)

    def refuse(self, account: Account | None, kind: Kind, subject: str, reason: str, checks: tuple[Check, ...] = ()) -> None:
        """Say no, and let that be the event's fate."""
        self.fate = Fate.REFUSED
        self.decide(account, kind, subject, "REFUSED", reason, checks)

    def bury(self, error: str, detail: str, schema_id: int | None = None) -> None:
        """Put the event's record aside as a dead letter, with its bytes, and let that be its fate."""
        self.fate = Fate.DEAD_LETTER
        event = self.event
        place = (event.offset, len(self.outputs), event.topic, event.partition, event.source_offset)
        raw = event.raw or (event.body.raw if isinstance(event.body, Unreadable) else b"")
        self.outputs.append(DeadLetter(*place, error, detail, schema_id, raw, self.now_ms))

    def alert(self, account: Account | None, subject: str, reason: str) -> None:
        """Say that something needs a person's eyes."""
        self.decide(account, "ALERT", subject, "ALERT", reason)


def link_of(decision: Decision) -> str:
    """Hash all that a decision says and the hash of the one before it."""
    said = "\x1e".join([f"{check.gate}\x1f{check.code}\x1f{check.figures}" for check in decision.checks])
    words = (
        decision.account, str(decision.offset), str(decision.n), str(decision.time_ms), decision.kind, decision.subject, decision.verdict,
        decision.reason, said, decision.order_id, str(decision.policy_version), decision.state_hash, decision.previous,
    )  # fmt: skip
    return hashlib.blake2b("\x1f".join(words).encode(), digest_size=16).hexdigest()


def figures_hash(account: Account) -> str:
    """Hash an account's money, positions, orders and stop."""
    if not account.figures:
        stop = account.stop
        words = [
            text(account.cash), text(account.high_water), stop.state.value, str(stop.reset_count), account.phase, str(account.enabled),
            str(account.in_service), account.doubt,
        ]  # fmt: skip
        for position in account.positions.values():
            plan = position.plan
            words += (position.symbol, text(position.quantity), text(position.cost), position.exiting)
            if plan is not None:
                words += (text(plan.stop), text(plan.best))
        for order in account.orders.values():
            words += (order.order_id, text(order.filled), order.status, str(order.cancel_due_ms))
        for key, adjustment in account.adjustments.items():
            words += (key, text(adjustment.quantity))
        account.figures = hashlib.blake2b("\x1f".join(words).encode(), digest_size=16).hexdigest()
    return account.figures


def order_id(epoch: int, account: str, offset: int, n: int) -> str:
    """Derive an order's id: at most 32 characters of [A-Za-z0-9_-], the same on every rerun."""
    who = hashlib.blake2b(account.encode(), digest_size=5).hexdigest()
    return f"q{_base36(epoch)}-{who}-{_base36(offset)}-{_base36(n)}"


def _base36(number: int) -> str:
    if number < 36:
        return _DIGITS[number]
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits
