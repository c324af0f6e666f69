"""A whole deployment for tests: a real Kafka of its own, its topics, and workers as processes that are killed, told to leave, and looked at.

Decides: where everything is kept, how long anything is waited for, and that all of it ends with the test, by process id. Leaves to others: a worker's
lives (streams.cli.crash_fleet), what flows in (streams.cli.crash_feed), what counts as wrong (streams.cli.crash, streams.replay.proof).
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka.admin import AdminClient

from connectors.kafka.groups import Groups
from connectors.kafka.identity import TapeIdentity, read_identity
from connectors.kafka.local_cluster import running_cluster
from connectors.kafka.local_node import free_ports
from connectors.kafka.log import KafkaLog
from connectors.kafka.log_reader import Found, LogReader
from connectors.kafka.partitioner import partition_of
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.cli.crash_feed import Feed
from streams.cli.crash_fleet import Member
from streams.desk.messages import EVERY_ACCOUNT, Control, VersionChange
from streams.desk.state import State
from streams.flow import INPUTS, TOPIC_OF
from streams.pipeline.snapshots import SnapshotWriter
from streams.pipeline.stored_snapshots import Restored, newest
from streams.pipeline.write_pipeline import CHANGELOG
from streams.replay.hashes import decisions_hash
from streams.replay.proof import Findings, Tape, prove
from streams.simulation.live import LiveWorld
from streams.simulation.traders import Pace

ROOT = Path(__file__).parent.parent
READY_S_MAX = 60.0
WAIT_S_MAX = 60.0
COMMAND_S_MAX = 180.0
LOOK_S = 0.05
SEQUENCERS = "qts-sequencer"
PACE = Pace(mark=100, signal=20, operator=1_000)
ACCOUNTS = 20
ENDLESS = 10**9
WRONG = (
    "sources_missing", "orders_missing", "outputs_missing", "orders_contradicting", "outputs_contradicting", "outputs_unexpected", "applied_twice",
)  # fmt: skip
"""What a proof counts that must not be."""


class Ran(NamedTuple):
    """How a command ended."""

    code: int
    data: dict[str, Any]
    said: str


class Broken(AssertionError):
    """What was waited for did not come."""


def until(true: Callable[[], Any], what: str, within_s: float = WAIT_S_MAX) -> Any:
    """Wait until something is so, for a bounded while; give what it is."""
    give_up = time.monotonic() + within_s
    while not (found := true()):
        if time.monotonic() > give_up:
            raise Broken(f"not within {within_s:.0f} s: {what}")
        time.sleep(LOOK_S)
    return found


class Page(NamedTuple):
    """What a worker answered."""

    status: int
    text: str


def page(member: Member, path: str, method: str = "GET") -> Page | None:
    """Ask a worker for a page; nothing where nobody answers."""
    asked = urllib.request.Request(f"http://127.0.0.1:{member.port}{path}", method=method)
    try:
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - our own worker
            return Page(answer.status, str(answer.read(), "utf-8"))
    except urllib.error.HTTPError as refused:
        with refused:
            return Page(refused.code, str(refused.read(), "utf-8"))
    except OSError:
        return None


def figures(member: Member, name: str) -> dict[tuple[str, ...], float]:
    """Give a metric of a worker by its labels."""
    said = page(member, "/metrics")
    found = {}
    for line in (said.text if said else "").splitlines():
        if line.startswith((f"{name}{{", f"{name} ")):
            labels, _, value = line.rpartition(" ")
            found[tuple(labels.split('"')[1::2])] = float(value)
    return found


class Deployed:
    """A broker with its topics, and the workers of a test."""

    def __init__(self, servers: str, folder: Path, partitions: int, broker_pid: int) -> None:
        """Know where everything is; nothing of ours runs yet."""
        self.broker_pid = broker_pid
        self.settings, self.folder, self.partitions = KafkaSettings(servers), folder, partitions
        self.environ = {"QTS_KAFKA_SERVERS": servers, "QTS_HOME": str(folder / "home"), "QTS_MODE": "tests"}
        self.admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
        self.codec = Codec(BundledRegistry())
        self.members: list[Member] = []
        self._feeds: list[Feed] = []

    def qts(self, *words: str, tree: Path | None = None, **more: str) -> Ran:
        """Run a command as a user does, of this checkout or of another one."""
        environ = {**os.environ, **self.environ, **_of(tree), **more}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "streams.cli.main", *words, "--json"], env=environ, capture_output=True, text=True,
            timeout=COMMAND_S_MAX, check=False, cwd=self.folder,
        )  # fmt: skip
        last = done.stdout.splitlines()[-1] if done.stdout.strip() else "{}"
        return Ran(done.returncode, json.loads(last), done.stdout + done.stderr)

    def worker(self, role: str, name: str | None = None, tree: Path | None = None, **more: str) -> Member:
        """Start a worker; the same name is the same worker again."""
        name = name or f"{role}-0"
        member = Member(role, name, free_ports(1)[0], self.folder, {**self.environ, **_of(tree), **more})
        self.members.append(member)
        member.start()
        return member

    def ready(self, *members: Member) -> None:
        """Wait until workers have recovered."""
        for member in members:
            until(partial(_is_ready, self, member), f"{member.name} is ready", READY_S_MAX)

    def pair(self) -> tuple[Member, Member]:
        """Start a sequencer and a desk, and wait until both are ready."""
        sequencer, desk = self.worker("sequencer"), self.worker("desk")
        self.ready(sequencer, desk)
        return sequencer, desk

    def said(self, member: Member) -> str:
        """Give what a worker has logged, in all its lives."""
        return (self.folder / f"{member.name}.log").read_text(errors="replace")

    def ended(self, member: Member, within_s: float = WAIT_S_MAX) -> int:
        """Wait until a worker has ended by itself, and give its exit code."""
        until(lambda: member.code is not None, f"{member.name} ends; it said: {self.said(member)[-2_000:]}", within_s)
        assert member.code is not None
        return member.code

    @contextmanager
    def fed(self, seed: int = 1, pace: Pace = PACE, accounts: int = ACCOUNTS) -> Iterator[Feed]:
        """Let records flow in while a block runs; everything published is acknowledged after it."""
        world = LiveWorld(seed, [f"acc{number:05d}" for number in range(accounts)], time.time_ns() // 1_000_000, pace=pace)
        feed = Feed(self.settings, [world], self.partitions, ENDLESS)
        feed.start()
        try:
            yield feed
        finally:
            feed.finish()

    def publish(self, topic: str, values: Iterable[bytes | None], key: bytes | None = b"*", partition: int | None = None) -> None:
        """Put bytes on a topic and wait until they are there."""
        where = partition_of(key or b"", self.partitions) if partition is None else partition
        self._append((topic, where, key, value) for value in values)

    def say(self, *bodies: Any) -> None:
        """Publish messages where they belong."""
        self._append(self._placed(body) for body in bodies)

    def _placed(self, body: Any) -> tuple[str, int, bytes, bytes]:
        key = str(getattr(body, "account", None) or getattr(body, "symbol", None) or EVERY_ACCOUNT).encode()
        return TOPIC_OF[type(body)], partition_of(key, self.partitions), key, self.codec.encode(body)

    def _append(self, records: Iterable[tuple[str, int, bytes | None, bytes | None]]) -> None:
        failures: list[object] = []
        log = KafkaLog(self.settings, "test")
        for topic, partition, key, value in records:
            log.append(topic, partition, key, value, None, lambda failure, _: failures.append(failure) if failure else None)
        assert log.flush(30.0) == 0
        assert failures == []

    def change_version(self, version: str) -> None:
        """Have the tape go on with another desk version."""
        now_ms = time.time_ns() // 1_000_000
        self.say(Control(f"version-{now_ms}", EVERY_ACCOUNT, "test", "upgrade", now_ms, VersionChange(version)))

    def records(self, topic: str, partition: int) -> list[Found]:
        """Read all of a partition."""
        with LogReader(self.settings, "test-records") as reader:
            return list(reader.between(topic, partition, *reader.bounds(topic, partition)))

    def ends(self, topic: str) -> dict[int, int]:
        """Give where each partition of a topic ends."""
        with LogReader(self.settings, "test-ends") as reader:
            return {partition: reader.bounds(topic, partition)[1] for partition in range(self.partitions)}

    def identity(self) -> TapeIdentity:
        """Give which tape this is."""
        known = read_identity(self.settings, 20.0)
        assert known is not None
        return known

    def snapshot(self, partition: int, epoch: int | None = None) -> Restored | None:
        """Read the newest whole snapshot of a partition."""
        stored: dict[bytes, bytes] = {}
        for record in self.records(CHANGELOG, partition):
            if record.key is not None and record.value is not None:
                stored[record.key] = record.value
            elif record.key is not None:
                stored.pop(record.key, None)
        return newest(stored.items(), partition, epoch or self.identity().epoch, self.codec, [])

    def states(self, epoch: int | None = None) -> dict[int, State]:
        """Give what the newest snapshots hold."""
        found = {partition: self.snapshot(partition, epoch) for partition in range(self.partitions)}
        return {partition: restored.state for partition, restored in found.items() if restored is not None}

    def stepped(self, *desks: Member) -> dict[int, int]:
        """Give by partition the last tape offset the desks have stepped."""
        at: dict[int, int] = {}
        for member in desks:
            for (partition, *_), value in figures(member, "qts_tape_offset").items():
                at[int(partition)] = max(int(value), at.get(int(partition), -1))
        return at

    def sequenced(self) -> bool:
        """Tell whether everything published so far is on the tape."""
        committed = Groups(self.settings).committed(SEQUENCERS)
        ends = {topic.name: self.ends(topic.name) for topic in INPUTS}
        return all(
            committed.get((topic, partition), 0) >= end for topic, found in ends.items() for partition, end in found.items()
        )

    def worked_off(self, *desks: Member, within_s: float = 2 * WAIT_S_MAX) -> None:
        """Wait until everything published so far is on the tape and has been stepped."""
        until(self.sequenced, "everything is on the tape", within_s)
        self.stepped_to_the_end(*desks, within_s=within_s)

    def stepped_to_the_end(self, *desks: Member, within_s: float = WAIT_S_MAX) -> None:
        """Wait until all that is on the tape now has been stepped."""
        ends = self.ends(self.identity().tape)

        def all_of_it() -> bool:
            at = self.stepped(*desks)
            return all(at.get(partition, -1) >= end - 1 for partition, end in ends.items())

        until(all_of_it, "all of the tape is stepped", within_s)

    def leave(self, *members: Member) -> None:
        """Tell workers to leave; each has to do so in order."""
        for member in members:
            assert member.leave() == 0, self.said(member)[-2_000:]

    def rest(self, sequencers: Iterable[Member], desks: Iterable[Member]) -> None:
        """Have everything published worked off, and all leave: nothing is on the tape then that no snapshot covers."""
        until(self.sequenced, "everything is on the tape", 2 * WAIT_S_MAX)
        self.leave(*sequencers)
        self.stepped_to_the_end(*desks)
        self.leave(*desks)

    def proof(self, to: Mapping[int, int] | None = None) -> Findings:
        """Hold everything on the topics against an uninterrupted run of the first epoch's tape, up to the last snapshots or to some offsets."""
        known = self.identity()
        upto = to or {partition: state.offset for partition, state in self.states().items()}
        assert sorted(upto) == list(range(self.partitions)), f"snapshots of tape partitions {sorted(upto)} only"
        tape = Tape(known.epoch, self.partitions, known.tape, lambda key: partition_of(key, self.partitions))
        with LogReader(self.settings, "test-tape") as first, LogReader(self.settings, "test-outputs") as beside:

            def read(topic: str, partition: int) -> Iterator[Found]:
                which = first if topic == known.tape else beside
                return which.between(topic, partition, *which.bounds(topic, partition))

            return prove(tape, read, self.codec, upto, Groups(self.settings).committed(SEQUENCERS))

    def proven(self) -> Findings:
        """Make sure that nothing is missing, doubled or contradicting, and that the snapshots are those of an uninterrupted run."""
        found, states = self.proof(), self.states()
        wrong = {name: getattr(found, name) for name in WRONG}
        assert wrong == dict.fromkeys(WRONG, 0), found.examples
        assert {partition: decisions_hash(state) for partition, state in states.items()} == found.decisions_hashes
        assert {
            partition: SnapshotWriter(self.codec).state_hash(state) for partition, state in states.items()
        } == found.state_hashes
        assert found.orders > 0
        return found

    def end(self) -> None:
        """End what was started here."""
        for member in self.members:
            member.end()


def _is_ready(deployed: Deployed, member: Member) -> bool:
    assert member.code is None, f"{member.name} ended with {member.code}: {deployed.said(member)[-2_000:]}"
    said = page(member, "/health/ready")
    return said is not None and said.status == 200


def _of(tree: Path | None) -> dict[str, str]:
    return {} if tree is None else {"PYTHONPATH": str(tree)}


@contextmanager
def deployed(jars: Path, folder: Path, partitions: int = 2) -> Iterator[Deployed]:
    """Have a broker with topics while a block runs, and end everything after it."""
    with running_cluster(jars, folder / "kafka") as cluster:
        made = Deployed(cluster.servers, folder, partitions, cluster.pid(1))
        try:
            created = made.qts("topics", "create", "--partitions", str(partitions))
            assert created.code == 0, created.said
            yield made
        finally:
            made.end()


def by_account(states: Mapping[int, State]) -> dict[str, Any]:
    """Give what accounts hold, to be compared: nothing of it changes by itself while nothing flows in."""
    return {
        name: (account.cash, {symbol: position.quantity for symbol, position in account.positions.items()})
        for state in states.values()
        for name, account in state.accounts.items()
    }
