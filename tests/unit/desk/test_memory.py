"""What has been seen: repeats are known within a bound, and what may be a repeat of something forgotten is not taken for new."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.desk.memory import ENTRIES_MAX, Memory, Seen


def test_an_id_is_new_once() -> None:
    memory = Memory()
    assert memory.look("a", 5) is Seen.NEW
    memory.remember("a", 5, 1_000, 100)
    assert memory.look("a", 5) is Seen.REPEAT
    assert memory.look("a", 9) is Seen.REPEAT


def test_other_content_under_a_known_id_contradicts() -> None:
    memory = Memory()
    memory.remember("a", 5, 1_000, 100, "x")
    assert memory.look("a", 5, "x") is Seen.REPEAT
    assert memory.look("a", 5, "y") is Seen.CONTRADICTION


def test_looking_changes_nothing() -> None:
    memory = Memory()
    memory.look("a", 5)
    assert (memory.entries, memory.floor_ts) == ({}, 0)


def test_an_id_is_kept_for_its_time_and_leaves_a_floor() -> None:
    memory = Memory()
    memory.remember("a", 900, 1_000, 100)
    memory.remember("b", 1_050, 1_100, 100)
    assert memory.look("a", 900) is Seen.REPEAT
    memory.remember("c", 1_101, 1_101, 100)
    assert memory.look("a", 900) is Seen.TOO_OLD
    assert memory.look("d", 900) is Seen.TOO_OLD
    assert memory.look("d", 901) is Seen.NEW


def test_the_last_one_is_kept_however_old() -> None:
    memory = Memory()
    memory.remember("a", 1, 1, 100)
    memory.remember("b", 10**9, 10**9, 100)
    assert list(memory.entries) == ["b"]


def test_there_are_never_more_than_the_most() -> None:
    memory = Memory()
    for number in range(ENTRIES_MAX + 7):
        memory.remember(str(number), number, 1_000, 10**9)
    assert len(memory.entries) == ENTRIES_MAX
    assert memory.floor_ts == 6
    assert memory.look("6", 6) is Seen.TOO_OLD
    assert memory.look("7", 7) is Seen.REPEAT


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 50), st.integers(0, 40)), max_size=60), st.integers(0, 100))
def test_what_was_seen_is_never_taken_for_new_again(heard: list[tuple[int, int, int]], keep_ms: int) -> None:
    memory, now_ms, seen = Memory(), 0, dict[str, int]()
    for name, ts, passed_ms in heard:
        now_ms += passed_ms
        key = str(name)
        found = memory.look(key, seen.get(key, ts))
        if key in seen:
            assert found in (Seen.REPEAT, Seen.TOO_OLD)
        if found is Seen.NEW:
            seen[key] = ts
            memory.remember(key, ts, now_ms, keep_ms)
