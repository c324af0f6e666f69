"""One run of the proof: workers, records flowing in, trouble, everything worked off, all that is on the topics looked at.

Decides: how a run goes and what its answer is. Leaves to others: the moments (crash_plan), the processes (crash_fleet), the input (crash_feed),
what counts as lost or doubled (replay.proof).
"""

import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from connectors.kafka.groups import Groups
from connectors.kafka.identity import read_identity
from connectors.kafka.local_node import free_ports
from connectors.kafka.log_reader import Found, LogReader
from connectors.kafka.partitioner import partition_of
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.cli.changelog import stored_chunks
from streams.cli.crash_feed import Feed
from streams.cli.crash_fleet import Fleet, Member
from streams.cli.crash_plan import ROW_OF, Aims, Disturbance, role_of
from streams.cli.output import NEGATIVE, CommandError, Output, Unavailable
from streams.desk.state import State
from streams.flow import INPUTS
from streams.pipeline.stored_snapshots import newest
from streams.replay.hashes import decisions_hash
from streams.replay.proof import Findings, Tape, prove
from streams.simulation.live import LiveWorld
from streams.simulation.traders import Pace

PARTITIONS, WORKERS = 4, 2
"""Sequencers, and desks: two of each, so that partitions move."""
READY_S_MAX = 90.0
DRAIN_S_MAX = 600.0
LOOK_S = 0.05
SEQUENCERS = "qts-sequencer"
ACCOUNTS = 100
MANY_EVENTS, WORLDS_OF_MANY = 200_000, 5
"""A long run is fed five times as fast, or it would take an hour."""
PACE = Pace(mark=50, signal=4, operator=1_000, override=10_000)
"""Some hundred records a second: as much as a small machine sequences and decides beside everything else of this. Stops trip by the hundred: by
drills, by drawdowns, all at once where kills keep a desk from reporting for half a minute. A cooldown is as long as the run; nobody waits for it."""


class Run:
    """One run of the proof."""

    def __init__(self, out: Output, settings: KafkaSettings, folder: Path, seed: int) -> None:
        """Begin with nothing running."""
        self._out, self._settings, self._folder, self._seed = out, settings, folder, seed
        self._environ = {"QTS_KAFKA_SERVERS": settings.servers, "QTS_HOME": str(folder / "home"), "QTS_MODE": "tests"}
        self.steps_hit: Counter[str] = Counter()
        self._aims = Aims(seed)
        self.published = 0
        self.done: Counter[str] = Counter()
        self.ended_by_themselves = 0

    def trouble(self, events: int, disturbances: list[Disturbance]) -> None:
        """Let records flow and do to the workers what is planned; then let everything be worked off and have all leave."""
        start_ms = time.time_ns() // 1_000_000
        worlds = [
            LiveWorld(self._seed, [f"acc{number:02}-{account:03}" for account in range(ACCOUNTS)], start_ms + number, pace=PACE)
            for number in range(WORLDS_OF_MANY if events >= MANY_EVENTS else 1)
        ]
        ports = free_ports(2 * WORKERS)
        with Fleet(self._folder, self._environ) as fleet, self._out.progress("crashing", events) as advance:
            for number in range(WORKERS):
                fleet.add("sequencer", f"sequencer-{number}", ports[2 * number])
                fleet.add("desk", f"desk-{number}", ports[2 * number + 1])
            wait_ready(fleet)
            feed = Feed(self._settings, worlds, PARTITIONS, events)
            feed.start()
            told = 0
            pending = list(disturbances)
            woken: list[tuple[float, Member]] = []
            while not feed.done or pending or woken:
                feed.check()
                fleet.check()
                advance(feed.published - told)
                told = feed.published
                if pending and feed.published >= pending[0].at_events:
                    self._disturb(fleet, pending.pop(0), woken)
                for due in [one for one in woken if one[0] <= time.monotonic()]:
                    woken.remove(due)
                    due[1].wake()
                time.sleep(LOOK_S)
            feed.finish()
            self.published = feed.published
            self._drain(fleet)
            self.ended_by_themselves = fleet.ended_by_themselves

    def _disturb(self, fleet: Fleet, what: Disturbance, woken: list[tuple[float, Member]]) -> None:
        step = self._aims.next() if what.aimed else None
        member = fleet.of(what.role if step is None else role_of(step))[what.worker]
        if member.paused:
            member.wake()
        self.done[what.kind] += 1
        if what.kind == "pause":
            member.pause()
            woken.append((time.monotonic() + what.pause_s, member))
            return
        fell_at = member.kill(step)
        self._aims.fell(fell_at)
        self.steps_hit[ROW_OF[fell_at]] += 1
        member.start()

    def _drain(self, fleet: Fleet) -> None:
        """Have the sequencers put everything on the tape and leave, then the desks."""
        wait_ready(fleet)
        with LogReader(self._settings, "crash-drain") as reader:
            until = time.monotonic() + DRAIN_S_MAX
            self._until(until, lambda: self._sequenced(reader), fleet, "the sequencers did not catch up")
            for member in fleet.of("sequencer"):
                member.leave()
            desks = fleet.of("desk")
            ends = {partition: reader.bounds("tape", partition)[1] for partition in range(PARTITIONS)}
            self._until(until, lambda: _stepped(desks, ends), None, "the desks did not catch up")
            for member in desks:
                member.leave()

    def _until(self, until: float, reached: Callable[[], bool], fleet: Fleet | None, otherwise: str) -> None:
        while not reached():
            if fleet is not None:
                fleet.check()
            if time.monotonic() > until:
                raise CommandError(f"{otherwise} within {DRAIN_S_MAX:.0f} s", NEGATIVE)
            time.sleep(0.2)

    def _sequenced(self, reader: LogReader) -> bool:
        committed = Groups(self._settings).committed(SEQUENCERS)
        return all(
            committed.get((topic.name, partition), 0) >= reader.bounds(topic.name, partition)[1]
            for topic in INPUTS
            for partition in range(PARTITIONS)
        )

    def proof(self) -> dict[str, object]:
        """Look at everything that is on the topics now."""
        codec = Codec(BundledRegistry())
        known = read_identity(self._settings, 20.0)
        assert known is not None
        with LogReader(self._settings, "crash-proof") as reader, LogReader(self._settings, "crash-outputs") as beside:

            def read(topic: str, partition: int) -> Iterable[Found]:
                which = reader if topic == known.tape else beside
                return which.between(topic, partition, *which.bounds(topic, partition))

            live = {partition: self._live(reader, partition, known.epoch, codec) for partition in range(PARTITIONS)}
            tape = Tape(known.epoch, PARTITIONS, known.tape, lambda key: partition_of(key, PARTITIONS))
            until = {partition: state.offset for partition, (state, _) in live.items()}
            found = prove(tape, read, codec, until, Groups(self._settings).committed(SEQUENCERS))
            left = sum(
                max(0, reader.bounds(known.tape, partition)[1] - 1 - state.offset) for partition, (state, _) in live.items()
            )
        return self._answer(found, live, left)

    def _live(self, reader: LogReader, partition: int, epoch: int, codec: Codec) -> tuple[State, str]:
        restored = newest(stored_chunks(reader, partition).items(), partition, epoch, codec, [])
        if restored is None:
            raise CommandError(f"tape partition {partition} has no whole snapshot", NEGATIVE)
        return restored.state, restored.marker.state_hash

    def _answer(self, found: Findings, live: dict[int, tuple[State, str]], left: int) -> dict[str, object]:
        state_hashes = {partition: state_hash for partition, (_, state_hash) in live.items()}
        decisions = {partition: decisions_hash(state) for partition, (state, _) in live.items()}
        hash_match = state_hashes == found.state_hashes and decisions == found.decisions_hashes
        wrong = (
            found.sources_missing, found.orders_missing, found.outputs_missing, found.orders_contradicting, found.outputs_contradicting,
            found.outputs_unexpected, found.applied_twice, left,
        )  # fmt: skip
        return {
            "ok": hash_match and not any(wrong) and found.orders > 0,
            "published": self.published,
            "source_records": found.source_records,
            "sources_missing": found.sources_missing,
            "tape_events": found.tape_events,
            "tape_left_unstepped": left,
            "duplicates_dropped": found.duplicates_dropped,
            "orders": found.orders,
            "orders_missing": found.orders_missing,
            "orders_contradicting": found.orders_contradicting,
            "outputs": found.outputs,
            "outputs_missing": found.outputs_missing,
            "outputs_contradicting": found.outputs_contradicting,
            "outputs_unexpected": found.outputs_unexpected,
            "repeats": found.repeats,
            "fills": found.fills,
            "applied_twice": found.applied_twice,
            "positions_match": state_hashes == found.state_hashes,
            "hash_match": hash_match,
            "decisions_hashes": found.decisions_hashes,
            "killed": self.done["kill"],
            "paused": self.done["pause"],
            "ended_by_themselves": self.ended_by_themselves,
            "steps_hit": dict(self.steps_hit.most_common()),
            "examples": found.examples,
        }


def make_topics(settings: KafkaSettings) -> None:
    """Make the topics as a user does."""
    asked = [sys.executable, "-P", "-m", "streams.cli.main", "topics", "create", "--servers", settings.servers]
    done = subprocess.run([*asked, "--partitions", str(PARTITIONS)], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise Unavailable(f"the topics could not be made: {(done.stdout + done.stderr).strip()[-500:]}")


def wait_ready(fleet: Fleet) -> None:
    """Wait until all workers are ready."""
    until = time.monotonic() + READY_S_MAX
    while not all(page(member, "/health/ready") for member in fleet.members):
        fleet.check()
        if time.monotonic() > until:
            raise Unavailable(f"the workers were not ready within {READY_S_MAX:.0f} s")
        time.sleep(LOOK_S)


def page(member: Member, path: str) -> str | None:
    """Ask a worker for a page; nothing where it does not answer or says no."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{member.port}{path}", timeout=5) as answer:
            return str(answer.read(), "utf-8")
    except OSError:
        return None


def _stepped(desks: list[Member], ends: dict[int, int]) -> bool:
    """Tell whether the desks together have stepped everything."""
    at: dict[int, int] = {}
    for member in desks:
        for line in (page(member, "/metrics") or "").splitlines():
            if line.startswith("qts_tape_offset{"):
                name, _, value = line.rpartition(" ")
                at[int(name.split('"')[1])] = int(float(value))
    return all(at.get(partition, -1) >= end - 1 for partition, end in ends.items())
