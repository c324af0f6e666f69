"""The identity of a tape: which topics it was begun with.

Decides: whether the topics found now are those, and if not, what to say. A topic that was deleted and made again has the same name and another id:
its offsets begin anew, and everything on it would be dropped as a repeat. One that was given more partitions has its accounts spread over others,
and what is on the new ones would be read by nobody. Leaves to others: asking the cluster, keeping the record.
"""

from collections.abc import Mapping
from typing import NamedTuple

from streams.desk.state import DESK_VERSION

NEW_EPOCH = "`./qts tape new-epoch` begins a new epoch from the last snapshots"
"""What helps, said wherever a tape is found not to be the one."""


class OtherTape(Exception):
    """The topics are not those the tape was begun with. `./qts tape new-epoch` begins a new one from the last snapshots."""


class Identity(NamedTuple):
    """What the tape was begun with."""

    epoch: int
    partitions: int
    tape: str
    topics: Mapping[str, str]
    """The id of each topic by its name; empty where the broker gives topics no ids."""
    begun_by: str = DESK_VERSION
    """The desk version that steps the first record."""


def compare(known: Identity, found: Mapping[str, tuple[str, int]]) -> None:
    """Hold the topics found now, by name their id and their partitions, against those the tape was begun with."""
    for name, topic_id in known.topics.items():
        if name not in found:
            raise OtherTape(f"topic {name} is gone; epoch {known.epoch} of the tape was begun with it: {NEW_EPOCH}")
        now, partitions = found[name]
        if now != topic_id:
            raise OtherTape(
                f"topic {name} was made anew (its id is {now}; epoch {known.epoch} of the tape was begun with {topic_id}): {NEW_EPOCH}"
            )
        if partitions != known.partitions:
            raise OtherTape(
                f"topic {name} has {partitions} partitions, and epoch {known.epoch} of the tape was begun with {known.partitions}: "
                f"make it anew with as many, then {NEW_EPOCH}"
            )
