"""Replay: a recorded tape through the same desk, without a broker.

Decides: from which state a replay starts, how far it goes, what it counts, and where it first differs from the record. Leaves to others: bytes
(schemas.codec), the file (tape_file), and every decision (streams.desk).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from schemas.codec import Codec
from schemas.registry import Registry
from streams.desk.desk import WrongReign, step
from streams.desk.messages import Control, PolicyUpdate, TapeEvent
from streams.desk.outputs import Decision, Order
from streams.desk.policy import Policy
from streams.desk.policy_check import document_hash, parse_policy
from streams.desk.state import DESK_VERSION, State, new_state
from streams.pipeline.incoming import read_event
from streams.pipeline.snapshots import SnapshotWriter, read_snapshot
from streams.replay.diff import Divergence, first_difference
from streams.replay.explain import Explainer
from streams.replay.hashes import decisions_hash
from streams.replay.tape_file import EntryKind, TapeReader

BATCH_EVENTS = 1_000
"""Events decoded before they are stepped: the answers are the same for any number, the memory is bounded by it."""


class BadTape(Exception):
    """The tape cannot be replayed: it does not begin where a desk can begin, or lacks what was asked for."""


class OtherReign(BadTape):
    """Another version of the desk has to replay this tape, or this part of it."""

    def __init__(self, version: str, since: int | None = None) -> None:
        """Say which, and from which offset on where it is not all of the tape."""
        where = "the tape is" if since is None else f"from offset {since} on the tape is"
        super().__init__(f"{where} for desk version {version}, this is {DESK_VERSION}")
        self.version = version
        self.since = since


class Recorded(NamedTuple):
    """An event of a tape with the decisions that were made from it."""

    offset: int
    event: bytes
    decisions: list[bytes]


@dataclass(slots=True)
class Replayed:
    """What came of a replay."""

    state: State
    events: int = 0
    decisions: int = 0
    orders: int = 0
    recorded_decisions: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    decisions_hash: str = ""
    state_hash: str = ""
    divergence: Divergence | None = None


def starting_state(tape: TapeReader, codec: Codec) -> State:
    """Read the snapshot a tape begins with."""
    records: list[bytes] = []
    for entry in tape:
        if entry.kind is not EntryKind.SNAPSHOT:
            if not records and entry.offset > 0:
                raise BadTape(f"the tape begins at offset {entry.offset} without a snapshot")
            break
        records.append(entry.value)
    if not records:
        return new_state(tape.header.epoch, tape.header.partition)
    return read_snapshot(codec, records)[0]


def recorded(tape: TapeReader) -> Iterator[Recorded]:
    """Go through a tape event by event, each with its decisions."""
    present: Recorded | None = None
    for entry in tape:
        if entry.kind is EntryKind.EVENT:
            if present is not None:
                yield present
            present = Recorded(entry.offset, entry.value, [])
        elif entry.kind is EntryKind.DECISION:
            if present is None or present.offset != entry.offset:
                raise BadTape(f"a decision of offset {entry.offset} stands where none of it belongs")
            present.decisions.append(entry.value)
    if present is not None:
        yield present


class Replay:
    """One replay of one tape."""

    def __init__(self, tape: TapeReader, registry: Registry, policy: str | None = None, batch_events: int = BATCH_EVENTS) -> None:
        """Read the starting snapshot. policy: a canonical document that takes the place of every policy of the tape."""
        if tape.header.desk_version != DESK_VERSION:
            raise OtherReign(tape.header.desk_version)
        self.tape = tape
        self.codec = tape.codec(registry)
        self._own = Codec(registry)
        self._policy = policy
        self._batch_events = batch_events
        state = starting_state(tape, self.codec)
        if policy is not None and state.policy is not None:
            put_in_place(state, policy)
        self.result = Replayed(state)
        self.explainer = Explainer(self.codec)

    def run(
        self,
        until: int | None = None,
        compare: bool = False,
        explain: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Replayed:
        """Step the tape to its end, or to an offset (which is the last), or to the first divergence where decisions are compared.

        Explaining goes on to the end and leaves what it found in `explainer`.
        """
        if (compare or explain) and not has_decisions(self.tape):
            raise BadTape("no decisions are recorded in this tape")
        result, events = self.result, recorded(self.tape)
        while result.divergence is None:
            batch = [one for one in islice(events, self._batch_events) if until is None or one.offset <= until]
            if not batch:
                break
            decoded = [self._decoded(one) for one in batch]
            for one, event in zip(batch, decoded, strict=True):
                said = self._step(one, event)
                if compare and (one.decisions or said):
                    result.divergence = first_difference(one.offset, one.decisions, said, self._own, self.codec)
                    if result.divergence is not None:
                        break
                if explain and (one.decisions or said):
                    self.explainer.compare(one.offset, one.decisions, said)
            if progress is not None:
                progress(len(batch))
        result.decisions_hash = decisions_hash(result.state)
        result.state_hash = SnapshotWriter(self._own).state_hash(result.state)
        return result

    def _decoded(self, one: Recorded) -> TapeEvent:
        event = read_event(self.codec, one.event, one.offset, self.result.state.partition)
        body = event.body
        if self._policy is not None and isinstance(body, Control) and isinstance(body.command, PolicyUpdate):
            update = PolicyUpdate(body.command.version, document_hash(self._policy), self._policy)
            return event._replace(body=body._replace(command=update))
        return event

    def _step(self, one: Recorded, event: TapeEvent) -> list[Decision]:
        result = self.result
        try:
            outcome = step(result.state, event)
        except WrongReign:
            raise OtherReign(result.state.next_version or result.state.version, one.offset) from None
        result.events += 1
        result.fates[outcome.fate.value] += 1
        result.recorded_decisions += len(one.decisions)
        said = [output for output in outcome.outputs if isinstance(output, Decision)]
        result.decisions += len(said)
        for decision in said:
            result.verdicts[decision.verdict] += 1
            if decision.verdict in ("REFUSED", "DROPPED"):
                result.refused[decision.code] += 1
        result.orders += sum(isinstance(output, Order) for output in outcome.outputs)
        return said


def has_decisions(tape: TapeReader) -> bool:
    """Tell whether any decision is recorded: reads no further than to the first."""
    return any(entry.kind is EntryKind.DECISION for entry in tape)


def put_in_place(state: State, document: str) -> None:
    """Let a policy document take the place of the one a state was read with."""
    assert state.policy is not None
    parsed = parse_policy(state.policy.version, document)
    if not isinstance(parsed, Policy):
        raise BadTape(f"the policy is not valid: {parsed[0].problem} at {'.'.join(parsed[0].path)}")
    state.policy, state.policy_document = parsed, document
