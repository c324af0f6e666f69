"""Two desk versions, one of which refuses otherwise, across kills: no offset is answered by both, and no id has two contents."""

import shutil
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from streams.agents.ending import OTHER_REIGN, REIGN_OVER
from streams.cli.crash_feed import Feed
from streams.cli.crash_fleet import Member
from streams.desk.desk import WrongReign
from streams.desk.outputs import Decision, Order
from streams.pipeline.resuming import place_in
from tests.fleet_kit import ROOT, Deployed, Ran, deployed, until

pytestmark = pytest.mark.kafka

OLD_CODE, NEW_CODE = "CONFIDENCE_LOW", "CONFIDENCE_BELOW"
OUTPUT_TOPICS = ("orders", "decisions", "dead-letters", "control")


@pytest.fixture(scope="module")
def new_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the product, and make it version 2: one gate gives its refusal another name."""
    tree = tmp_path_factory.mktemp("version-2")
    for package in ("streams", "schemas", "connectors", "infra"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    _changed(tree / "streams/desk/state.py", 'DESK_VERSION = "1"', 'DESK_VERSION = "2"')
    _changed(tree / "streams/desk/gates.py", f'"{OLD_CODE}"', f'"{NEW_CODE}"')
    return tree


def _changed(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


def refused_by(deployment: Deployed) -> dict[int, dict[str, list[int]]]:
    """Give by partition the tape offsets at which each version has said its own word."""
    found: dict[int, dict[str, list[int]]] = {}
    for partition in range(deployment.partitions):
        said: defaultdict[str, list[int]] = defaultdict(list)
        for record in deployment.records("decisions", partition):
            decision = deployment.codec.decode(record.value or b"")
            assert isinstance(decision, Decision)
            if decision.code in (OLD_CODE, NEW_CODE):
                said[decision.code].append(decision.offset)
        found[partition] = said
    return found


def contents(deployment: Deployed) -> dict[tuple[str, int, tuple[int, int]], set[bytes]]:
    """Give what was said at each place of the tape: one thing each, where nobody contradicts."""
    said: defaultdict[tuple[str, int, tuple[int, int]], set[bytes]] = defaultdict(set)
    for topic in OUTPUT_TOPICS:
        for partition in range(deployment.partitions):
            for record in deployment.records(topic, partition):
                place = place_in(record.headers, 1)
                if place is not None:
                    said[topic, partition, place].add(record.value or b"")
    return said


def order_contents(deployment: Deployed) -> dict[str, set[bytes]]:
    """Give what each order id was said with."""
    said: defaultdict[str, set[bytes]] = defaultdict(set)
    for partition in range(deployment.partitions):
        for record in deployment.records("orders", partition):
            order = deployment.codec.decode(record.value or b"")
            if isinstance(order, Order):  # an order may be cancelled more than once
                said[order.order_id].add(record.value or b"")
    return said


def refuses(deployment: Deployed, member: Member, version: str) -> None:
    """Make sure that a worker does not step what is another version's."""
    assert deployment.ended(member) == OTHER_REIGN, deployment.said(member)[-2_000:]
    assert f"is for desk version {version}" in deployment.said(member)


def test_a_new_version_takes_over_where_the_old_one_ends(deployment: Deployed, new_tree: Path) -> None:
    sequencer, old = deployment.pair()
    with deployment.fed() as feed:
        until(lambda: feed.published > 300 and len(deployment.states()) == deployment.partitions, "the old version has snapshots")
        early = deployment.worker("desk", "new-desk", new_tree)
        refuses(deployment, early, "1")
        caught = deployment.qts("desk", "catch-up", tree=new_tree)
        assert (caught.code, caught.data["run"]) == (2, ["git worktree add ../desk-1 desk-1 && ../desk-1/qts desk catch-up"])
        until(
            lambda: all(said[OLD_CODE] for said in refused_by(deployment).values()),
            "the old version has refused something everywhere",
        )

        deployment.change_version("2")
        old.kill()  # perhaps before it has come there, perhaps after: what comes of it must be the same
        old.start()
        assert deployment.ended(old) == REIGN_OVER, deployment.said(old)[-2_000:]
        ends = {partition: state.offset for partition, state in deployment.states().items()}
        assert {(state.version, state.next_version) for state in deployment.states().values()} == {("1", "2")}
        again = deployment.worker("desk", old.name)
        assert deployment.ended(again) in (OTHER_REIGN, REIGN_OVER)

        new = deployment.worker("desk", "new-desk", new_tree)
        deployment.ready(new)
        until(
            lambda: all(said[NEW_CODE] for said in refused_by(deployment).values()),
            "the new version has refused something everywhere",
        )
        new.kill()
        late = deployment.worker("desk", old.name)
        assert deployment.ended(late) in (OTHER_REIGN, REIGN_OVER)
        new.start()
        deployment.ready(new)
        orders = sum(deployment.ends("orders").values())
        until(lambda: sum(deployment.ends("orders").values()) > orders, "the new version sends orders")
    deployment.rest([sequencer], [new])

    each_has_answered_its_own(deployment, ends)


def test_what_the_old_version_left_is_caught_up_in_its_tree_and_the_new_one_goes_on(
    jars: Path, tmp_path: Path, new_tree: Path
) -> None:
    with deployed(jars, tmp_path) as deployment:
        sequencer, old = deployment.pair()
        with deployment.fed() as feed:
            until(
                lambda: all(said[OLD_CODE] for said in refused_by(deployment).values()),
                "the old version has refused something everywhere",
            )
            deployment.leave(old)
            some_more(feed)
            before = stands(deployment)
            to_the_end = until(
                lambda: nobody_else_at_work(deployment.qts("desk", "catch-up")), "the one that left is no member any more"
            )
            assert (to_the_end.code, to_the_end.data.get("exit")) == (0, 0), to_the_end.said
            left = stands(deployment)
            assert all(left[partition] > offset for partition, offset in before.items())
            some_more(feed)
            deployment.change_version("2")
            some_more(feed)
        until(deployment.sequenced, "all of it is on the tape")
        early = deployment.worker("desk", "new-desk", new_tree)
        refuses(deployment, early, "1")

        caught = until(lambda: nobody_else_at_work(deployment.qts("desk", "catch-up")), "the one that left is no member any more")
        assert (caught.code, caught.data.get("exit")) == (0, REIGN_OVER), caught.said
        told = {reign["partition"]: (reign["offset"], reign["version"]) for reign in caught.data["reigns"]}
        assert told == {partition: (offset, "1") for partition, offset in left.items()}
        assert "worker ends: " in caught.said
        ends = stands(deployment)
        assert {(state.version, state.next_version) for state in deployment.states().values()} == {("1", "2")}
        assert all(ends[partition] > offset for partition, offset in left.items())
        again = deployment.qts("desk", "catch-up")
        assert (again.code, again.data["run"]) == (2, ["git worktree add ../desk-2 desk-2 && ../desk-2/qts desk catch-up"])

        new = deployment.worker("desk", early.name, new_tree)
        deployment.ready(new)
        orders = sum(deployment.ends("orders").values())
        with deployment.fed(seed=2):
            until(
                lambda: all(said[NEW_CODE] for said in refused_by(deployment).values()),
                "the new version has refused something everywhere",
            )
            until(lambda: sum(deployment.ends("orders").values()) > orders, "the new version sends orders")
        deployment.rest([sequencer], [new])

        each_has_answered_its_own(deployment, ends)


def some_more(feed: Feed) -> None:
    """Let some records more flow in."""
    published = feed.published
    until(lambda: feed.published > published + 200, "more is published")


def stands(deployment: Deployed) -> dict[int, int]:
    """Give by partition the tape offset of the newest snapshot."""
    return {partition: state.offset for partition, state in deployment.states().items()}


def nobody_else_at_work(ran: Ran) -> Ran | None:
    """Give how catching up ended, unless it waits for a worker that has just left: its place is kept for it for ten seconds."""
    return None if "desks are at work" in ran.said else ran


def each_has_answered_its_own(deployment: Deployed, ends: Mapping[int, int]) -> None:
    """Make sure that the old version has answered up to some offsets and the new one from there on, and nobody said two things at one place."""
    for partition, said in refused_by(deployment).items():
        assert max(said[OLD_CODE]) <= ends[partition] < min(said[NEW_CODE])
    assert {place: len(said) for place, said in contents(deployment).items() if len(said) > 1} == {}
    assert {name: len(said) for name, said in order_contents(deployment).items() if len(said) > 1} == {}
    proof = deployment.proof(ends)
    assert proof.orders_missing == proof.orders_contradicting == proof.outputs_missing == proof.outputs_contradicting == 0, (
        proof.examples
    )
    with pytest.raises(WrongReign):
        deployment.proof({partition: end + 1 for partition, end in ends.items()})
