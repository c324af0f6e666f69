"""Views of the accounts: positions and emergency stops as they were last said, kept from `portfolio`.

Decides: that an older picture never wins over a newer one, by the tape place it was made at, whatever order records come in. Leaves to others:
bytes, the tables, who asks.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from streams.pipeline.ports import Lane, Log, SnapshotTable, Targets, reached, targets

POSITIONS, ESS = "positions", "ess"
CHANGELOGS: Mapping[str, str] = {POSITIONS: "qts-views-positions-changelog", ESS: "qts-views-ess-changelog"}

UNDER_WAY_MAX = 20_000
"""Rows not acknowledged yet, at which taking more waits: some megabytes, and less than a second of what a broker takes."""


class Picture(NamedTuple):
    """An account as it was at a place of the tape, as the rows of both tables."""

    epoch: int
    offset: int
    n: int
    account: str
    rows: Mapping[str, bytes]

    @property
    def place(self) -> tuple[int, int, int]:
        """Where on the tape it was made."""
        return self.epoch, self.offset, self.n


class _Batch(NamedTuple):
    wanted: Targets
    rows: Sequence[tuple[str, bytes, bytes]]
    """By table: what is shown once it is durable. Shown sooner, a crash would bring the picture before it back."""
    acknowledge: Callable[[], None]


class ViewsKeeper:
    """Keeps the newest picture of each account of one partition."""

    def __init__(
        self, partition: int, tables: Mapping[str, SnapshotTable], log: Log, place_of: Callable[[bytes], tuple[int, int, int]]
    ) -> None:
        """Go on from what the tables hold."""
        self._partition, self._tables, self._log = partition, tables, log
        self._lanes = {name: Lane() for name in tables}
        self._order = tuple(self._lanes.values())
        self._batches: deque[_Batch] = deque()
        self.closed = False
        known = [{key.partition(b"/")[2].decode(): place_of(row) for key, row in table.items()} for table in tables.values()]
        # All tables have to have it: one of the writes may have been lost with its worker.
        self._newest = {account: min(places[account] for places in known) for account in set[str].intersection(*map(set, known))}

    def feed(self, pictures: Sequence[Picture], acknowledge: Callable[[], None]) -> None:
        """Take the pictures of a batch: the newest of each account counts."""
        newest: dict[str, Picture] = {}
        for picture in pictures:
            known = self._newest.get(picture.account)
            if known is None or picture.place > known:
                self._newest[picture.account] = picture.place
                newest[picture.account] = picture
        rows = []
        for account, picture in newest.items():
            key = f"{self._partition}/{account}".encode()
            for name, row in picture.rows.items():
                lane = self._lanes[name]
                lane.sent += 1
                self._log.append(CHANGELOGS[name], self._partition, key, row, None, lane.done)
                rows.append((name, key, row))
        self._batches.append(_Batch(targets(self._order), rows, acknowledge))

    def progress(self) -> None:
        """Show and acknowledge the batches that are durable, in order."""
        if self.closed:
            return
        for lane in self._order:
            lane.check()
        while self._batches and reached(self._order, self._batches[0].wanted):
            batch = self._batches.popleft()
            for name, key, row in batch.rows:
                self._tables[name].put(key, row)
            batch.acknowledge()

    @property
    def has_room(self) -> bool:
        """Tell whether another batch may be taken."""
        return sum([lane.under_way for lane in self._order]) < UNDER_WAY_MAX

    @property
    def settled(self) -> bool:
        """Tell whether everything taken is durable."""
        return not self._batches

    def close(self) -> None:
        """Stop for good."""
        self.closed = True
        self._batches.clear()
