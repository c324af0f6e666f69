"""Drawing a demo, or telling it in lines.

Decides: how often. Leaves to others: what is drawn (demo_view), and what it is about (demo_stage).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live

from streams import logs
from streams.cli.demo_stage import Stage
from streams.cli.demo_view import HONEST, Moment, Screen, WorkerState
from streams.cli.view_words import money, total_equity
from streams.services.supervisor import Watched
from streams.services.worker_health import memory_bytes

FRAME_S = 0.2
"""Five pictures a second: prices move three times, and the workers keep most of the machine."""
LINE_S = 2.0
"""Without a terminal: a line every two seconds."""


class Show:
    """Shows a stage."""

    def __init__(self, console: Console, stage: Stage, watched: bool) -> None:
        """Begin with nothing shown."""
        self._console, self._stage, self._watched = console, stage, watched
        self._drawn_s, self._said = 0.0, ""
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Take the whole terminal, and give it back as it was; or say what this is."""
        if not self._watched:
            self._console.print(f"{HONEST.capitalize()}. Seed {self._stage.options.seed}.", soft_wrap=True)
            yield
            return
        # What this process logs would be written across the picture.
        with self._stage.log_file.open("a", encoding="utf-8") as log, logged_to(log), self._screen() as self._live:
            self.draw()
            yield

    def _screen(self) -> Live:
        return Live(self.picture(), console=self._console, screen=True, auto_refresh=False)

    def draw(self) -> None:
        """Draw, if it is time to or something else is going on."""
        now_s = time.monotonic()
        if now_s - self._drawn_s < (FRAME_S if self._watched else LINE_S) and self._said == self._stage.said:
            return
        self._drawn_s, self._said = now_s, self._stage.said
        if self._live is not None:
            self._live.update(self.picture(), refresh=True)
        else:
            self._console.print(self._line(), soft_wrap=True)

    def picture(self) -> Screen:
        """Give the picture of this moment."""
        stage, options = self._stage, self._stage.options
        workers = [self._worker(one) for one in stage.ground.running.supervisor.workers]
        passed_s = stage.passed_s if not stage.played_s else stage.played_s
        about = f"broker {options.broker}  seed {options.seed}"
        workers.insert(0, self._exchange())
        now_ms = time.time_ns() // 1_000_000
        moment = Moment(now_ms, passed_s, options.seconds, stage.said, about, workers)
        return Screen(stage.tally, moment, stage.limits)

    def _exchange(self) -> WorkerState:
        there = self._stage.ground.exchange
        return WorkerState("exchange", "ready" if there.alive else "ended", memory_bytes(there.pid), 0)

    def _worker(self, one: Watched) -> WorkerState:
        said = self._stage.ground.pulse.of(one)
        memory = None if said is None else said.one("qts_memory_bytes")
        if one.state == "running":
            state = "ready" if said is not None and said.ready else "starting"
        else:
            state = (
                "restarting"
                if one.state == "waiting" and one.process is not None
                else "starting"
                if one.state == "waiting"
                else "left"
            )
        return WorkerState(one.spec.role, state, memory, one.restarts)

    def _line(self) -> str:
        stage, tally = self._stage, self._stage.tally
        if not stage.is_open:
            ready = [one.spec.role for one in stage.ground.running.supervisor.workers if stage.ground.pulse.ready(one)]
            return f"{stage.said}; ready: {', '.join(ready) or 'none yet'}"
        worth = money(total_equity(tally.accounts)) if tally.accounts else "-"
        return (
            f"{stage.passed_s:4.0f} s  signals {tally.signals:,}  orders {tally.orders:,}  fills {tally.fills:,}  "
            f"refused {sum(tally.refused.values()):,}  equity {worth}  {stage.said}"
        )


@contextmanager
def logged_to(file: TextIO) -> Iterator[None]:
    """Send logs to a file while a block runs."""
    logs.set_up(stream=file)
    try:
        yield
    finally:
        logs.set_up()
