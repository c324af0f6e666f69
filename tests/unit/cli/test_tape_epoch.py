"""Which commands a new epoch has to give again: those that any snapshot they concern does not show."""

import pytest

from connectors.kafka.partitioner import partition_of
from streams.cli.tape_epoch import Last, unshown
from streams.desk.messages import EVERY_ACCOUNT
from streams.desk.state import new_state

PLACE = ("control", 1)
ACCOUNT = "acc00001"
ITS_TAPE = partition_of(ACCOUNT.encode(), 2)


def last(*shown: int | None) -> dict[int, Last]:
    """Give the last snapshots of as many tape partitions, each with how far it shows the source; None: nothing of it."""
    found = {partition: Last(new_state(1, partition), 0) for partition in range(len(shown))}
    for partition, offset in enumerate(shown):
        if offset is not None:
            found[partition].state.sources[PLACE] = offset
    return found


@pytest.mark.parametrize(
    ("shown", "missing"), [((60, 60), False), ((100, 61), False), ((100, 59), True), ((100, None), True), ((None, None), True)]
)
def test_a_command_to_all_has_to_be_in_every_snapshot(shown: tuple[int | None, int | None], missing: bool) -> None:
    assert unshown(EVERY_ACCOUNT, PLACE, 60, last(*shown)) is missing
    assert unshown(EVERY_ACCOUNT, PLACE, 60, last(*reversed(shown))) is missing


def test_a_command_to_one_account_has_to_be_in_the_snapshot_of_its_partition_only() -> None:
    for its, missing in ((60, False), (59, True), (None, True)):
        for other in (None, 5, 100):
            assert unshown(ACCOUNT, PLACE, 60, last(*((its, other) if ITS_TAPE == 0 else (other, its)))) is missing


def test_what_allows_nothing_less_is_never_given_again() -> None:
    assert not unshown("", PLACE, 60, last(None, None))
