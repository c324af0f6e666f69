"""Looking into a tape: what is in it, and whether it hangs together.

Decides: what is counted, and what is wrong: an event that cannot be read, a gap in the offsets, a source whose positions go back to what was never
there, a decision out of its place, a hash that is not that of its words, a chain with a link missing. A mark was there if it stands in the one it
was merged into: whoever comes after a sequencer that died before it committed passes on one by one what that one had merged. A second that was
passed over and comes late is lost to nobody: ticks are no inputs, and the later one has said it. Leaves to others: damage of the file itself
(tape_file), and whether the decisions are right (replay --diff).
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.codec import Undecodable
from schemas.registry import Registry
from streams.desk.messages import EVERY_ACCOUNT, Mark, TapeEvent
from streams.desk.state import START_OF_CHAIN
from streams.desk.turn import link_of
from streams.pipeline.sequencer import TICKS
from streams.replay.diff import read_decision
from streams.replay.replay import recorded, starting_state
from streams.replay.shown_marks import ShownMarks
from streams.replay.tape_file import TapeReader

PROBLEMS_MAX = 100
"""Problems told one by one; the rest is only counted, so that a tape full of them can still be looked at."""
REMEMBERED_MAX = 100_000
"""Positions of a source remembered to tell a repeat from an input out of order: more than any sequencer runs ahead of its commits."""
PROGRESS_EVERY = 1_000


@dataclass(slots=True)
class Inspection:
    """What was found in a tape."""

    start_offset: int = -1
    """Where the starting snapshot stands; -1 before everything."""
    start_accounts: int = 0
    events: int = 0
    decisions: int = 0
    first_offset: int | None = None
    last_offset: int | None = None
    first_ms: int | None = None
    last_ms: int | None = None
    repeats: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    """By topic: source positions that were passed over. Conflated marks leave such gaps, and so do compacted topics."""
    accounts: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0

    def wrong(self, problem: str) -> None:
        """Note a problem."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


@dataclass(slots=True)
class _Source:
    start: int = -1
    """Where the snapshot stood: whatever is not after it came before the tape."""
    newest: int = -1
    known: set[int] = field(default_factory=set)
    order: deque[int] = field(default_factory=deque)
    marks: ShownMarks = field(default_factory=lambda: ShownMarks(REMEMBERED_MAX))

    def is_repeat(self, event: TapeEvent) -> bool:
        """Tell whether what an input says has been before, by itself or merged with others, as far as anybody remembers."""
        position = event.source_offset
        forgotten = len(self.order) == REMEMBERED_MAX and position < self.order[0]
        if position <= self.start or position in self.known or forgotten or event.topic == TICKS:
            return True
        return isinstance(event.body, Mark) and self.marks.holds(position, event.body)

    def take(self, event: TapeEvent) -> int:
        """Note the newest input; tell how many positions were skipped to get there."""
        position = event.source_offset
        skipped = position - self.newest - 1 if self.newest >= 0 else 0
        if isinstance(event.body, Mark):
            self.marks.show(position, event.body)
        self.newest = position
        self.known.add(position)
        self.order.append(position)
        if len(self.order) > REMEMBERED_MAX:
            self.known.discard(self.order.popleft())
        return skipped


class Inspector:
    """Goes through a tape once."""

    def __init__(self, tape: TapeReader, registry: Registry) -> None:
        """Read the starting snapshot: the chains and positions go on from there."""
        self.codec = tape.codec(registry)
        self.tape = tape
        state = starting_state(tape, self.codec)
        self.found = Inspection(state.offset, len(state.accounts))
        self._expected: int | None = state.offset + 1 if state.offset >= 0 else None
        self._chains = {EVERY_ACCOUNT: state.chain, **{name: account.chain for name, account in state.accounts.items()}}
        self._sources = {key: _Source(newest, newest) for key, newest in state.sources.items()}

    def run(self, progress: Callable[[int], None] | None = None) -> Inspection:
        """Look at every event and decision."""
        found = self.found
        for one in recorded(self.tape):
            self._place(one.offset)
            try:
                self._event(self.codec.decode_event(one.event, one.offset))
            except Undecodable as error:
                found.wrong(f"offset {one.offset}: the event cannot be read: {error}")
            before = -1
            for raw in one.decisions:
                before = self._decision(one.offset, raw, before)
            if progress is not None and found.events % PROGRESS_EVERY == 0:
                progress(PROGRESS_EVERY)
        return found

    def _place(self, offset: int) -> None:
        found = self.found
        if self._expected is not None and offset != self._expected:
            found.wrong(f"offset {offset} follows {self._expected - 1}: {'gap' if offset > self._expected else 'backwards'}")
        self._expected = offset + 1
        found.events += 1
        found.first_offset = offset if found.first_offset is None else found.first_offset
        found.last_offset = offset

    def _event(self, event: TapeEvent) -> None:
        found = self.found
        found.kinds[type(event.body).__name__] += 1
        found.first_ms = event.stamp_ms if found.first_ms is None else found.first_ms
        found.last_ms = event.stamp_ms
        account = getattr(event.body, "account", None)
        if isinstance(account, str) and account != EVERY_ACCOUNT and len(found.accounts) < REMEMBERED_MAX:
            found.accounts.add(account)
        source = self._sources.setdefault((event.topic, event.partition), _Source())
        if event.source_offset > source.newest:
            found.skipped[event.topic] += source.take(event)
        elif source.is_repeat(event):
            found.repeats += 1
        else:
            where = f"{event.topic}/{event.partition}@{event.source_offset}"
            found.wrong(f"offset {event.offset}: {where} comes after {source.newest} and never came before")

    def _decision(self, offset: int, raw: bytes, before_n: int) -> int:
        """Look at a decision and give its n."""
        found = self.found
        found.decisions += 1
        decision = read_decision(raw, self.codec)
        if isinstance(decision, str):
            found.wrong(f"offset {offset}: a decision cannot be read: {decision}")
            return before_n
        found.verdicts[decision.verdict] += 1
        where = f"offset {offset}, decision {decision.n} of {decision.account}"
        if decision.offset != offset or decision.n <= before_n:
            found.wrong(f"{where}: says it is {decision.offset}.{decision.n}, after {offset}.{before_n}")
        if link_of(decision) != decision.hash:
            found.wrong(f"{where}: its hash is not that of its words")
        before = self._chains.get(decision.account, START_OF_CHAIN)
        if decision.previous != before:
            found.wrong(f"{where}: follows {decision.previous}, not {before}")
        self._chains[decision.account] = decision.hash
        return decision.n
