"""The tape's identity: written and read back, garbage refused, and another tape told from this one."""

import json
import random
from typing import Any

import pytest

from connectors.kafka.identity import BadIdentity, TapeIdentity, identity_problems

IDENTITY = TapeIdentity(2, 4, "tape", {"tape": "id-of-tape", "fills": "id-of-fills"}, "3")
COUNTS = {"tape": 4, "fills": 4}


def test_what_is_written_is_read_back() -> None:
    assert TapeIdentity.from_json(IDENTITY.to_json()) == IDENTITY


def test_it_reads_as_agreed() -> None:
    assert json.loads(TapeIdentity(1, 4, "tape", {"tape": "x"}).to_json()) == {
        "epoch": 1, "partitions": 4, "tape": "tape", "topics": {"tape": "x"}, "desk_version": "1",
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 0}, {"epoch": True}, {"epoch": "1"}, {"epoch": 1.5}, {"partitions": -4}, {"partitions": None}, {"tape": ""}, {"tape": 7},
        {"topics": []}, {"topics": {"tape": 7}}, {"topics": {"": "x"}}, {"desk_version": [1]},
    ],
)  # fmt: skip
def test_a_record_that_does_not_say_what_it_has_to_is_refused_by_name(change: dict[str, Any]) -> None:
    written = json.dumps({**json.loads(IDENTITY.to_json()), **change}).encode()

    with pytest.raises(BadIdentity, match=next(iter(change))):
        TapeIdentity.from_json(written)


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'"identity"'])
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(BadIdentity, match="the tape's identity"):
        TapeIdentity.from_json(garbage)


def test_any_damage_is_refused_or_reads_as_an_identity() -> None:
    seed = 4
    chance = random.Random(seed)
    written = IDENTITY.to_json()
    for _ in range(2_000):
        damaged = bytearray(written)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        try:
            read = TapeIdentity.from_json(bytes(damaged))
        except BadIdentity:
            continue
        assert isinstance(read.to_json(), bytes), f"seed {seed}: {bytes(damaged)!r}"


def test_the_same_topics_are_no_problem() -> None:
    assert identity_problems(IDENTITY, {**IDENTITY.topics, "another": "id"}, {**COUNTS, "another": 9}) == []


def test_a_topic_that_is_gone_made_anew_or_repartitioned_is_told() -> None:
    assert identity_problems(IDENTITY, {"tape": "id-of-tape"}, COUNTS) == [
        "topic fills is gone; epoch 2 of the tape was begun with it"
    ]
    assert identity_problems(IDENTITY, {**IDENTITY.topics, "tape": "another"}, COUNTS) == [
        "topic tape was made anew: its id is another, and epoch 2 was begun with id-of-tape"
    ]
    assert identity_problems(IDENTITY, IDENTITY.topics, {**COUNTS, "fills": 5}) == [
        "topic fills has 5 partitions, and epoch 2 was begun with 4"
    ]
