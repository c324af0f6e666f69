"""Chaos for a sequencer: crashes, lost suffixes, others at work at the same time, in an order only the seed knows, while inputs come in.

Decides: what happens next. Leaves to others: what has to be true in the end (the test).
"""

from itertools import islice
from random import Random

from tests.log_kit import Cluster, Crash, Producer
from tests.sequencer_kit import Clock, Worker, coming_in

PARTITIONS = 2
ACTIONS_MAX = 300


class SequencerChaos:
    """One run of one seed."""

    def __init__(self, seed: int, zombies: bool) -> None:
        """Begin with empty sources: what is there before a sequencer comes is never merged."""
        self.chance, self.clock, self.cluster = Random(f"sequencer/{seed}"), Clock(), Cluster()
        self._inputs = coming_in(self.cluster, PARTITIONS, seed % 3, 500)
        self.crashes = self.moves = 0
        self._with_zombies, self._calm = zombies, False
        self.zombies: list[Worker] = []
        self.live = self._come_back()

    def run(self) -> None:
        """Let everything happen, then let the sequencer go on to the end."""
        for _ in range(ACTIONS_MAX):
            try:
                self._act()
            except Crash:
                self._replace(dies=True)
        self._calm = True
        self._come(1_000)
        self.live.finish(self.clock)
        for zombie in self.zombies:
            zombie.log.flow()

    def _act(self) -> None:
        luck, chance, live = self.chance.randrange(100), self.chance, self.live
        self._come(chance.randint(0, 4))
        self.clock.now_ms += chance.choice((0, 5, 30, 120))
        if luck < 50:
            live.take(chance.choice(list(live.positions)), chance.randint(1, 30))
        elif luck < 65:
            live.log.deliver()
        elif luck < 90:
            live.sequencer.tick()
            live.tend()
        elif luck < 93:
            self._replace(dies=True)
        elif self._with_zombies and luck < 96:
            self._replace(dies=False)
        elif self.zombies:
            zombie = chance.choice(self.zombies)
            zombie.sequencer.tick()
            zombie.log.deliver()
            zombie.tend()

    def _come(self, inputs: int) -> None:
        for _ in islice(self._inputs, inputs):
            pass

    def _replace(self, dies: bool) -> None:
        if dies:
            self.crashes += 1
            self.live.log.die()
        else:
            self.moves += 1
            self.zombies.append(self.live)
        self.live = self._come_back()
        if not dies:
            self._catch_up()

    def _catch_up(self) -> None:
        """Pass on what the one before may have passed on. A paused process wakes up long after that: it takes a session to be replaced."""
        self.clock.now_ms += 10_000
        for source in self.live.positions:
            while self.live.take(source, 100):
                self.live.log.deliver()
                self.live.tend()
        while self.live.log.busy:
            self.live.log.deliver()
            self.live.tend()

    def _come_back(self) -> Worker:
        mine: list[Worker] = []

        def odds() -> None:
            if not self._calm and mine and mine[0] is self.live and not self.chance.randrange(700):
                raise Crash("at a call")

        worker = Worker(self.cluster, Producer(self.cluster, self.chance, odds), self.clock, PARTITIONS)
        mine.append(worker)
        return worker
