"""The tape is not the one it was: whatever was done to it, workers stop and say so, every time, and a new epoch heals it.

Every test breaks something, finds both roles ended with exit code 65 or refused, and begins a new epoch, with which all accounts go on as they were.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.cimpl import NewPartitions, NewTopic

from connectors.kafka.identity import topic_ids, write_identity
from infra.kafka.topics import catalogue
from streams.agents.ending import BROKEN_TAPE
from streams.cli.crash_fleet import Member
from streams.desk.messages import Control, Disable, Enable, ManualOrder
from tests.fleet_kit import Deployed, Ran, by_account, until

pytestmark = pytest.mark.kafka

NOTICED_S_MAX = 40.0
"""Identity is looked at every two seconds; a broker that deletes a topic takes some more."""
NEW_EPOCH = "./qts tape new-epoch"


class Sound:
    """A deployment that has traded, with everything published worked off and its workers running."""

    def __init__(self, deployment: Deployed) -> None:
        """Trade for a while."""
        self.all = deployment
        self.tape = deployment.identity().tape
        self.sequencer, self.desk = deployment.pair()
        with deployment.fed(seed=deployment.identity().epoch) as feed:
            before = sum(deployment.ends("orders").values())
            until(lambda: feed.published > 300 and sum(deployment.ends("orders").values()) > before, "some trade")
        deployment.worked_off(self.desk)
        self.rest()  # what there is now is in snapshots
        self.sequencer, self.desk = deployment.pair()

    @property
    def workers(self) -> tuple[Member, Member]:
        return self.sequencer, self.desk

    def rest(self) -> None:
        """Have all leave, so that everything is in snapshots."""
        self.all.rest([self.sequencer], [self.desk])

    def trade_and_rest(self) -> None:
        """Have every partition decide something anew, and all leave at once: a later snapshot would leave an export nothing but silence."""
        before = self.all.ends("decisions")
        with self.all.fed(seed=self.all.identity().epoch + 10):
            until(lambda: all(end > before[at] for at, end in self.all.ends("decisions").items()), "every partition decides")
        self.rest()

    def remade(self, name: str, records: Callable[[int], list[bytes]] = lambda _: []) -> None:
        """Delete a topic and make it again, with other records on it."""
        self.all.admin.delete_topics([name], operation_timeout=30)[name].result(timeout=30)
        until(lambda: name not in topic_ids(self.all.settings, [name]), f"{name} is gone")
        wanted = next(topic for topic in catalogue() if topic.name == name.removesuffix(f"-{self.all.identity().epoch}"))
        new = NewTopic(name, self.all.partitions, 1, config=dict(wanted.settings))
        made = self.all.admin.create_topics([new], operation_timeout=30)
        made[name].result(timeout=30)
        until(lambda: name in topic_ids(self.all.settings, [name]), f"{name} is there")
        for partition in range(self.all.partitions):
            self.all.publish(name, records(partition), None, partition)

    def given_more_partitions(self, name: str) -> None:
        """Give a topic one partition more, as its id stays the same."""
        more = self.all.admin.create_partitions([NewPartitions(name, self.all.partitions + 1)], operation_timeout=30)
        more[name].result(timeout=30)

    def forged(self) -> None:
        """Note the topics there are now as those the tape was begun with, as nobody should."""
        known = self.all.identity()
        write_identity(self.all.settings, replace(known, topics=topic_ids(self.all.settings, list(known.topics))))

    def truncated(self, topic: str) -> None:
        """Delete all records of a topic, as retention does."""
        places = [TopicPartition(topic, partition, end) for partition, end in self.all.ends(topic).items()]
        for answer in self.all.admin.delete_records(places).values():
            answer.result(timeout=30)

    def stopped(self, member: Member, *words: str) -> None:
        """Make sure that a worker has ended for good, and said why."""
        assert self.all.ended(member, NOTICED_S_MAX) == BROKEN_TAPE, self.all.said(member)[-3_000:]
        last = [line for line in self.all.said(member).splitlines() if "CRITICAL" in line][-1]
        for word in words:
            assert word in last

    def stops_again(self, role: str, *words: str) -> None:
        """Make sure that starting a worker again ends the same way, every time."""
        for _ in range(2):
            self.stopped(self.all.worker(role), *words)


@pytest.fixture
def sound(deployment: Deployed) -> Iterator[Sound]:
    """Give a sound deployment, and have it healed after the test."""
    made = Sound(deployment)
    yield made
    for member in deployment.members:
        member.end()


def healed(sound: Sound, give_up_unread: bool = False) -> None:
    """Begin a new epoch: every account stands as it stood. The next test finds out whether everything goes on in it."""
    everything, before = sound.all, sound.all.identity()
    for member in everything.members:
        member.end()
    held = by_account(everything.states())
    begun = begin(everything, *(["--give-up-unread"] if give_up_unread else []))
    after = everything.identity()
    assert (begun.data["epoch"], after.epoch, after.tape) == (before.epoch + 1, before.epoch + 1, f"tape-{before.epoch + 1}")
    assert held
    assert by_account(everything.states(after.epoch)) == held
    checked = everything.qts("topics", "check")
    assert (checked.code, checked.data["problems"]) == (0, [])


def begin(everything: Deployed, *words: str) -> Ran:
    """Begin a new epoch, as soon as nobody is at work any more."""
    begun: Ran = until(lambda: _begun(everything.qts("tape", "new-epoch", "--yes", *words)), "a new epoch begins")
    return begun


def _begun(ran: Ran) -> Ran | None:
    """Tell whether a new epoch has begun; the only thing it may wait for is that those who died are no members any more."""
    assert ran.code == 0 or "still in their groups" in ran.said, ran.said
    return ran if ran.code == 0 else None


def order_ids(everything: Deployed) -> set[str]:
    """Give the ids of all orders and cancels there are."""
    codec = everything.codec
    return {
        codec.decode(record.value or b"").order_id
        for partition in range(everything.partitions)
        for record in everything.records("orders", partition)
    }


def enabled(everything: Deployed, *names: str) -> list[bool]:
    """Tell which accounts may take new risk, as the newest snapshots have it."""
    accounts = {name: account for state in everything.states().values() for name, account in state.accounts.items()}
    return [accounts[name].enabled for name in names]


def replayed_alike(everything: Deployed) -> None:
    """Make sure that the tape of this epoch gives what the live desks have said."""
    file = everything.folder / f"epoch-{everything.identity().epoch}.tape"
    assert everything.qts("tape", "export", "--out", str(file)).code == 0
    for partition in range(everything.partitions):
        replayed = everything.qts("replay", str(file.with_name(f"{file.stem}-{partition}.tape")), "--diff")
        assert (replayed.code, replayed.data.get("identical")) == (0, True), replayed.said


def test_a_tape_that_is_made_anew_under_running_workers_stops_both_roles(sound: Sound) -> None:
    sound.remade(sound.tape)

    for member in sound.workers:
        sound.stopped(member, f"topic {sound.tape}", NEW_EPOCH)
    for role in ("sequencer", "desk"):
        sound.stops_again(role, f"topic {sound.tape} was made anew", NEW_EPOCH)
    healed(sound)

    orders_before = order_ids(sound.all)
    Sound(sound.all).trade_and_rest()
    assert order_ids(sound.all) > orders_before, "ids of another epoch are others"
    states = sound.all.states()
    assert {state.epoch for state in states.values()} == {sound.all.identity().epoch}
    replayed_alike(sound.all)


def test_a_stop_that_was_lost_with_the_tape_is_given_again_and_an_order_is_not(sound: Sound) -> None:
    everything, shown, lost, now_ms = sound.all, "acc00000", "acc00001", time.time_ns() // 1_000_000
    told = partial(Control, user="test", reason="lost with the tape", ts=now_ms)
    everything.say(*(told(f"on-{now_ms}-{name}", name, command=Enable()) for name in (shown, lost)))
    everything.say(told(f"off-{now_ms}-shown", shown, command=Disable()))
    everything.worked_off(sound.desk)
    everything.leave(sound.desk)
    order = ManualOrder("BTCUSDT", "BUY", "MARKET", Decimal("0.01"), None, None, False)
    everything.say(told(f"order-{now_ms}", lost, command=order), told(f"off-{now_ms}-lost", lost, command=Disable()))
    until(everything.sequenced, "the tape alone has it")
    assert enabled(everything, shown, lost) == [False, True]
    sound.remade(sound.tape)
    sound.stopped(sound.sequencer, NEW_EPOCH)
    orders = order_ids(everything)

    assert begin(everything, "--give-up-unread").data["given_again"] == 1
    everything.rest(*([member] for member in everything.pair()))
    assert enabled(everything, shown, lost) == [False, False]
    assert order_ids(everything) == orders


def test_a_tape_cut_behind_the_snapshot_stops_the_desk_at_its_start(sound: Sound) -> None:
    sound.desk.kill()
    with sound.all.fed(seed=9) as feed:
        until(lambda: feed.published > 200, "more is published")
    until(sound.all.sequenced, "it is on the tape")
    sound.truncated(sound.tape)

    sound.stops_again("desk", "begins at offset", "what lies between is gone", NEW_EPOCH)
    healed(sound, give_up_unread=True)


def test_a_tape_cut_before_it_was_read_stops_a_desk_that_runs(sound: Sound) -> None:
    os.kill(sound.desk.pid, signal.SIGSTOP)
    began = sound.all.ends(sound.tape)
    until(lambda: all(sound.all.ends(sound.tape)[partition] >= end + 3 for partition, end in began.items()), "the tape grows")
    sound.truncated(sound.tape)
    os.kill(sound.desk.pid, signal.SIGCONT)

    sound.stopped(sound.desk, "tape partition", NEW_EPOCH)
    sound.stops_again("desk", "tape partition", NEW_EPOCH)
    healed(sound, give_up_unread=True)


def test_a_tape_shorter_than_the_snapshot_stops_the_desk(sound: Sound) -> None:
    sound.rest()
    sound.remade(sound.tape, lambda _: [b"somebody else's"])
    sound.forged()

    sound.stops_again("desk", "this is another tape", NEW_EPOCH)
    healed(sound)


def test_another_record_where_the_snapshot_stands_stops_the_desk(sound: Sound) -> None:
    sound.rest()
    ends = sound.all.ends(sound.tape)
    sound.remade(sound.tape, lambda partition: [b"somebody else's"] * ends[partition])
    sound.forged()

    sound.stops_again("desk", "has another record at offset", NEW_EPOCH)
    healed(sound)


def test_a_source_made_anew_stops_both_roles(sound: Sound) -> None:
    sound.remade("signals")

    for member in sound.workers:
        sound.stopped(member, "topic signals", NEW_EPOCH)
    for role in ("sequencer", "desk"):
        sound.stops_again(role, "topic signals was made anew", NEW_EPOCH)
    healed(sound, give_up_unread=True)


def test_a_topic_that_is_given_more_partitions_under_running_workers_stops_both_roles(sound: Sound) -> None:
    known = sound.all.identity()
    sound.given_more_partitions("signals")

    counts = f"topic signals has {known.partitions + 1} partitions, and epoch {known.epoch} of the tape was begun with {known.partitions}"
    for member in sound.workers:
        sound.stopped(member, counts, NEW_EPOCH)
    for role in ("sequencer", "desk"):
        sound.stops_again(role, counts, NEW_EPOCH)
    refused = until(
        lambda: _refused(sound.all.qts("tape", "new-epoch", "--give-up-unread", "--yes")), "nobody is at work any more"
    )
    assert (refused.code, sound.all.identity()) == (1, known)
    assert f"topic signals has {known.partitions + 1} partitions, and the tape has {known.partitions}" in refused.data["error"]
    sound.remade("signals")
    healed(sound, give_up_unread=True)


def _refused(ran: Ran) -> Ran | None:
    return None if "still in their groups" in ran.said else ran


def test_a_source_cut_before_it_was_sequenced_stops_the_sequencer_at_its_start(sound: Sound) -> None:
    sound.all.leave(sound.sequencer)
    with sound.all.fed(seed=9) as feed:
        until(lambda: feed.published > 200, "more is published")
    sound.truncated("signals")

    sound.stops_again("sequencer", "signals/", "deleted unread", NEW_EPOCH)
    sound.all.stepped_to_the_end(sound.desk)
    sound.all.leave(sound.desk)
    healed(sound)


def test_a_source_cut_before_it_was_sequenced_stops_a_sequencer_that_runs(sound: Sound) -> None:
    os.kill(sound.sequencer.pid, signal.SIGSTOP)
    paused_s = time.monotonic()
    with sound.all.fed(seed=9) as feed:
        until(lambda: feed.published > 200, "more is published")
        sound.truncated("signals")
        assert time.monotonic() - paused_s < 8, "its partitions must not move: this is about a fetch that goes on"
        os.kill(sound.sequencer.pid, signal.SIGCONT)
        sound.stopped(sound.sequencer, "signals/", "deleted unread", NEW_EPOCH)
    sound.stops_again("sequencer", "signals/", "deleted unread", NEW_EPOCH)
    sound.all.stepped_to_the_end(sound.desk)
    sound.all.leave(sound.desk)
    healed(sound)
