"""Which partition a key goes to, worked out once a key, and the time as an argument.

Decides: how many keys are remembered. Leaves to others: the hash (partitioner.py).
"""

from collections.abc import Mapping
from typing import Protocol

from connectors.kafka.partitioner import partition_of

KEYS_MAX = 100_000
"""A topic's keys are accounts or symbols: thousands. When there are more, all are forgotten and worked out again."""


class Clock(Protocol):
    """The time, as an argument."""

    def wall_ms(self) -> int:
        """Give the time of day: what records and people see."""

    def ticking_ms(self) -> int:
        """Give a time that never goes back: what waiting is measured with."""


class Lanes(dict[str, int]):
    """The partition of each key of one topic."""

    def __init__(self, partitions: int) -> None:
        """Start with no key."""
        super().__init__()
        self.partitions = partitions

    def __missing__(self, key: str) -> int:
        """Work it out."""
        if len(self) >= KEYS_MAX:
            self.clear()
        self[key] = found = partition_of(key.encode(), self.partitions)
        return found


def lanes_of(known: Mapping[str, Lanes], topics: Mapping[str, int]) -> dict[str, Lanes]:
    """Give the lanes of these topics; where nothing has changed, with the keys that are known."""
    return {
        name: known[name] if name in known and known[name].partitions == count else Lanes(count) for name, count in topics.items()
    }
