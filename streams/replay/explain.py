"""Explaining a change of hash: what the desk says differently, decision by decision.

Decides: which decisions of an offset belong together (same account, kind and subject), which differences are new and which only follow from an
earlier one (a chain carries every change on to its end), and how many are told. Leaves to others: the replay itself.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.desk.outputs import Decision
from streams.replay.diff import DecisionCodec, as_text, read_decision

CHANGES_MAX = 1_000
"""Changes kept one by one; more are only counted, so that a new policy over a long tape can be looked at too."""
ABSENT = "none"
_FOLLOWING = ("n", "order_id", "state_hash", "previous", "hash")
"""Fields that differ because something before them differs."""


class Change(NamedTuple):
    """One decision that is another now: its words before and after, and the gates and figures that differ."""

    offset: int
    account: str
    kind: str
    subject: str
    before: str
    after: str
    figures: tuple[str, ...]


@dataclass(slots=True)
class Explanation:
    """What was found over a whole tape."""

    compared: int = 0
    changed: int = 0
    following: int = 0
    """Decisions that say the same and differ only by the chain or the state they stand on."""
    changes: list[Change] = field(default_factory=list)
    by_code: Counter[tuple[str, str]] = field(default_factory=Counter)
    state_since: dict[str, int] = field(default_factory=dict)
    """By account: the first offset at which the state differs."""
    chain_since: dict[str, int] = field(default_factory=dict)
    """By account: the first offset from which the chain differs."""


class Explainer:
    """Compares what was recorded with what is said now, offset by offset."""

    def __init__(self, codec: DecisionCodec) -> None:
        """Read recorded decisions with the tape's codec."""
        self._codec = codec
        self.found = Explanation()

    def compare(self, offset: int, recorded: list[bytes], replayed: list[Decision]) -> None:
        """Take in all decisions of one offset."""
        found = self.found
        before: list[Decision] = []
        for raw in recorded:
            read = read_decision(raw, self._codec)
            if isinstance(read, str):
                self._note(Change(offset, "?", "?", "?", f"unreadable: {read}", "?", ()), "unreadable", "?")
            else:
                before.append(read)
        found.compared += max(len(recorded), len(replayed))
        for was, now in _paired(before, replayed):
            self._pair(offset, was, now)

    def _pair(self, offset: int, was: Decision | None, now: Decision | None) -> None:
        found, known = self.found, was or now
        assert known is not None
        if was is not None and now is not None:
            if was.state_hash != now.state_hash:
                found.state_since.setdefault(known.account, offset)
            if was.hash != now.hash:
                found.chain_since.setdefault(known.account, offset)
            if _words(was) == _words(now):
                found.following += was != now
                return
        else:
            found.chain_since.setdefault(known.account, offset)
        change = Change(
            offset,
            known.account,
            known.kind,
            known.subject,
            _verdict(was),
            _verdict(now),
            tuple(_figures(was, now)) if was and now else (),
        )
        self._note(change, _code(was), _code(now))

    def _note(self, change: Change, before: str, after: str) -> None:
        found = self.found
        found.changed += 1
        found.by_code[before, after] += 1
        if len(found.changes) < CHANGES_MAX:
            found.changes.append(change)


def _paired(before: list[Decision], after: list[Decision]) -> Iterator[tuple[Decision | None, Decision | None]]:
    """Put together what is about the same thing: the first of each account, kind and subject with the first, the second with the second."""
    waiting: dict[tuple[str, str, str], list[Decision]] = {}
    for now in after:
        waiting.setdefault((now.account, now.kind, now.subject), []).append(now)
    for was in before:
        same = waiting.get((was.account, was.kind, was.subject))
        yield was, same.pop(0) if same else None
    for now in after:
        if any(now is left for left in waiting[now.account, now.kind, now.subject]):
            yield None, now


def _words(decision: Decision) -> tuple[object, ...]:
    """Give what a decision says by itself."""
    return tuple(value for name, value in zip(Decision._fields, decision, strict=True) if name not in _FOLLOWING)


def _verdict(decision: Decision | None) -> str:
    return ABSENT if decision is None else f"{decision.verdict} {decision.reason}"


def _code(decision: Decision | None) -> str:
    return ABSENT if decision is None else f"{decision.verdict} {decision.code}"


def _figures(was: Decision, now: Decision) -> Iterator[str]:
    """Name every figure of every gate that differs, and every other field that is no consequence."""
    for name in ("time_ms", "policy_version"):
        if getattr(was, name) != getattr(now, name):
            yield f"{name}: {getattr(was, name)} → {getattr(now, name)}"
    looked = {check.gate: check for check in was.checks}
    for check in now.checks:
        earlier = looked.pop(check.gate, None)
        if earlier is None:
            yield f"{check.gate}: not asked → {as_text((check,))}"
        elif earlier != check:
            yield from _between(
                check.gate, f"{earlier.code or 'pass'} {earlier.figures}", f"{check.code or 'pass'} {check.figures}"
            )
    for gate, earlier in looked.items():
        yield f"{gate}: {as_text((earlier,))} → not asked"


def _between(gate: str, before: str, after: str) -> Iterator[str]:
    """Tell two lists of key=value figures apart, figure by figure."""
    was, now = _split(before), _split(after)
    for key in {**was, **now}:
        if was.get(key) != now.get(key):
            yield f"{gate}: {key} {was.get(key, ABSENT)} → {now.get(key, ABSENT)}"


def _split(figures: str) -> dict[str, str]:
    code, _, rest = figures.partition(" ")
    pairs = [word.partition("=") for word in rest.split()]
    return {"verdict": code, **{key: value for key, _, value in pairs}}
