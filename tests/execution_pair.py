"""Two executors of one partition: one that is paused, as by SIGSTOP, and the one that takes over meanwhile.

    pair = Pair(World())
    pair.world.order("main", "BTCUSDT", "BUY", "0.010")
    pair.live({"first": [17]})        # the first one is paused at the 17th point it passes, and wakes up when the second has done everything
    pair.world.check()

Each lives in a thread with a loop of its own, on one virtual clock, and only ever one of them runs; so whoever is paused stands still wherever it is,
and finds the world changed when it wakes up. Decides: who runs; that a group gives the partition away when it has heard nothing of its owner for a
session; that who was paused notices nothing of that and goes on as if it were still the owner. Leaves to others: everything else (execution_kit).
"""

import asyncio
import copy
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from streams.pipeline.execution.executor import Executor
from streams.pipeline.execution.ledger import CHANGELOG
from streams.pipeline.execution.takeover import Takeover
from streams.pipeline.execution.tasks import Tasks
from tests.execution_kit import CODEC, ORDERS, SlowLog, World
from tests.fake_exchange import FakeExchange
from tests.log_kit import MemoryTable
from tests.virtual_loop import Kill, run

SESSION_S: Final = 10.0
BEAT_S: Final = 1.0
LOOK_S: Final = 0.05
AFTER_S: Final = 25.0
"""So long the one who wakes up goes on as if nothing had happened: longer than it takes to find out that an order was never accepted."""
FIRST, SECOND = "first", "second"


class Group:
    """Who owns the partition, as the broker sees it."""

    def __init__(self) -> None:
        """Nobody."""
        self.owner, self.heard_s = "", 0.0
        self._left: set[str] = set()

    def beat(self, name: str, now_s: float) -> bool:
        """Hear of a member; tells whether the partition is its own. Who has lost it does not get it back: it would have to begin anew."""
        if self.owner != name and name not in self._left and (not self.owner or now_s - self.heard_s > SESSION_S):
            self._left.add(self.owner)
            self.owner, self.heard_s = name, now_s
        if self.owner == name:
            self.heard_s = now_s
        return self.owner == name


class Process(Kill):
    """One executor, and where it is paused."""

    session_s = SESSION_S

    def __init__(self, pair: "Pair", name: str, pauses: Iterable[int]) -> None:
        """Begin with the baton elsewhere."""
        super().__init__()
        self._pair, self.name, self._pauses = pair, name, frozenset(pauses)
        self.turn = threading.Event()
        self.error: BaseException | None = None
        self.over = False
        self.assigned_s, self._beaten_s = 0.0, float("-inf")
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def left_s(self) -> float:
        """Tell for how long it may act, as far as it knows itself."""
        return self._beaten_s + SESSION_S - self._pair.world.clock.now_s

    async def at(self, name: str) -> None:
        """Pass a point, where everything may stand still."""
        self.points.append(name)
        if len(self.points) - 1 in self._pauses:
            self._pair.hand_over(self)

    def _run(self) -> None:
        self.turn.wait()
        try:
            run(self._life, clock=self._pair.world.clock)
        except BaseException as error:  # noqa: BLE001 - whoever waits for this thread raises it
            self.error = error
        self.over = True
        self._pair.hand_over(self)

    async def _life(self) -> None:
        world, loop = self._pair.world, asyncio.get_running_loop()
        while not self._beat():  # noqa: ASYNC110 - a group is asked
            await asyncio.sleep(BEAT_S)
        self.assigned_s = world.clock.now_s
        broken: asyncio.Future[None] = loop.create_future()
        log = SlowLog(world.cluster, self)
        means = world.means(log)._replace(exchange=self._connection(), lease=self)
        tasks = Tasks(lambda error: None if broken.done() else broken.set_exception(error))
        executor = Executor(means, tasks, lambda _: True)
        read_to = world.cluster.ends[CHANGELOG, 0]

        async def tail() -> list[tuple[bytes, bytes | None]]:
            found = world.cluster.read(CHANGELOG, 0, read_to)
            return [(record.key, record.value) for record in found if record.key is not None]

        async def all_of_it() -> None:
            await takeover.take()
            executor.start()
            await self._settled(executor)

        takeover = Takeover(
            means.ledger, means.outbox, MemoryTable({}), self, tail, lambda: world.clock.now_s, asyncio.sleep, self.name
        )
        works = (log.pump(), self._beating(), world.watching(), self._feed(executor), all_of_it())
        ended: list[asyncio.Future[None]] = [loop.create_task(one) for one in works]
        try:
            await asyncio.wait((broken, *ended), return_when=asyncio.FIRST_COMPLETED)
            for one in (broken, *ended):
                if one.done():
                    one.result()
        finally:
            executor.close()
            broken.cancel()

    def _connection(self) -> FakeExchange:
        """Reach the exchange by a connection of its own."""
        mine = copy.copy(self._pair.world.exchange)
        mine.kill = self
        return mine

    def _beat(self) -> bool:
        now_s = self._pair.world.clock.now_s
        if self._pair.group.beat(self.name, now_s):
            self._beaten_s = now_s
            return True
        return False

    async def _beating(self) -> None:
        while True:
            self._beat()
            await asyncio.sleep(BEAT_S)

    async def _feed(self, executor: Executor) -> None:
        world = self._pair.world
        at = world.committed
        while True:
            records = world.cluster.read(ORDERS, 0, at, 5)
            if records:
                at = records[-1].offset + 1
                raws = [record.value for record in records if record.value is not None]
                await executor.accept([CODEC.decode(raw) for raw in raws], raws)
                await self.at("batch is durable")
                if self._pair.group.owner == self.name:
                    world.committed = max(at, world.committed)
            await asyncio.sleep(LOOK_S)

    async def _settled(self, executor: Executor) -> None:
        """Wait until everything is over, or, where it was taken over by somebody else, for a while."""
        world, group = self._pair.world, self._pair.group
        lost_s: float | None = None
        while True:
            await asyncio.sleep(0.1)
            if group.owner != self.name:
                lost_s = world.clock.now_s if lost_s is None else lost_s
                if world.clock.now_s - lost_s > AFTER_S:
                    return
            elif world.committed == world.cluster.ends[ORDERS, 0] and executor.settled:
                return


class Pair:
    """Two executors and their world."""

    def __init__(self, world: World) -> None:
        """Begin with nobody alive."""
        self.world, self.group = world, Group()
        self._members: list[Process] = []

    def live(self, pauses: Mapping[str, Sequence[int]]) -> Mapping[str, list[str]]:
        """Live until both are over, each paused at these of the points it passes. Gives the points of each."""
        self._members = [Process(self, name, pauses.get(name, ())) for name in (FIRST, SECOND)]
        for one in self._members:
            one.thread.start()
        self._members[0].turn.set()
        for one in self._members:
            one.thread.join(timeout=60)
            assert not one.thread.is_alive(), f"{one.name} hangs after {len(one.points)} points"
        for one in self._members:
            if one.error is not None:
                raise one.error
        return {one.name: one.points for one in self._members}

    def hand_over(self, member: Process) -> None:
        """Let the other one run; come back when it is paused or over."""
        [other] = [one for one in self._members if one is not member]
        if other.over:
            return
        member.turn.clear()
        other.turn.set()
        if not member.over:
            member.turn.wait()
