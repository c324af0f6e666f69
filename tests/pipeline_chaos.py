"""Chaos for a desk worker: everything that may happen to it, in an order only the seed knows.

Decides: what happens next. Leaves to others: what has to be true in the end (the test).
"""

from random import Random

from tests.log_kit import Crash, Producer
from tests.pipeline_kit import Desk, Result, cluster_with, generated_tape, result_of, uninterrupted

TAPES = ((5, 400), (6, 400), (7, 400))
ACTIONS_MAX = 400


class Chaos:
    """One run of one seed."""

    def __init__(self, seed: int) -> None:
        """Begin at the start of a tape."""
        self.chance = Random(f"chaos/{seed}")
        self.which = TAPES[seed % len(TAPES)]
        self.cluster = cluster_with(generated_tape(*self.which))
        self.calm = False
        self.crashes = self.moves = 0
        self._crash_odds = self.chance.choice((0, 500, 100))
        self.zombies: list[Desk] = []
        self.live = self._come_back()

    def run(self) -> Result:
        """Let everything happen, then let the worker go on to the end, and those that were replaced say their last words."""
        for _ in range(ACTIONS_MAX):
            try:
                self._act()
            except Crash:
                self._replace(dies=True)
        self.calm = True
        self.live = self._come_back()
        self.live.finish(self.chance.randint(1, 200))
        for zombie in self.zombies:
            zombie.log.flow()
        return result_of(self.cluster, self.live.pipeline.state)

    @property
    def expected(self) -> Result:
        """What an uninterrupted run gives."""
        return uninterrupted(*self.which)

    def _act(self) -> None:
        luck, chance, live = self.chance.randrange(100), self.chance, self.live
        if luck < 40:
            live.take(chance.randint(1, 60))
        elif luck < 60:
            live.log.deliver()
        elif luck < 80:
            live.tend()
        elif luck < 83:
            live.rewind(chance.randint(0, 50))
        elif luck < 85:
            self._replace(dies=True)
        elif luck < 87:
            self._replace(dies=False)
        elif luck < 88:
            live.pipeline.take_snapshot()
        elif luck < 89:
            self.cluster.compact("qts-desk-desk-changelog", 0)
        elif self.zombies:
            self._wake(chance.choice(self.zombies))

    def _wake(self, zombie: Desk) -> None:
        """Let one that was replaced go on as if nothing had happened."""
        what = self.chance.randrange(5)
        if what == 0:
            zombie.take(self.chance.randint(1, 60))
        elif what == 1:
            zombie.pipeline.close()
        elif what == 2:
            zombie.log.die()
            self.zombies.remove(zombie)
        else:
            zombie.log.deliver()
            zombie.tend()

    def _replace(self, dies: bool) -> None:
        if dies:
            self.crashes += 1
            self.live.log.die()
        else:
            self.moves += 1
            self.zombies.append(self.live)
        self.live = self._come_back()

    def _come_back(self) -> Desk:
        mine: list[Desk] = []

        def odds() -> None:
            if (
                not self.calm
                and mine
                and mine[0] is self.live
                and self._crash_odds
                and not self.chance.randrange(self._crash_odds)
            ):
                raise Crash("at a call")

        desk = Desk(self.cluster, Producer(self.cluster, self.chance, odds))
        mine.append(desk)
        return desk
