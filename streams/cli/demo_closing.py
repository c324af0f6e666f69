"""The end of a demo, in order: what is under way is settled, both books are held against each other, then the workers leave.

Decides: that prices stand still first, so that nothing happens by itself any more; that no new risk is allowed, which takes back what rests; how long
is waited for the exchange and the desk to agree; and who leaves when: first who writes what the sequencer puts on the tape (execution, market data),
then the sequencer, and the desk once it has stepped the tape to its end. Leaves to others: what counts as a difference (demo_books), the summary
(demo_end).
"""

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from connectors.kafka.system_clock import SystemClock
from schemas.codec import Codec
from streams.cli.demo_books import Compared, compared
from streams.cli.demo_exchange import DemoExchange
from streams.cli.demo_run import Ends, Flow, Hashes, ends_now, final_hashes
from streams.cli.demo_tally import Tally
from streams.cli.deployment import Broker, Deployment
from streams.cli.pulse import Pulse
from streams.desk.outputs import Portfolio
from streams.simulation.traders import Traders

LOOK_S = 0.5
"""How often both books are looked at."""
SETTLE_S_MAX = 30.0
"""A cancel is answered in milliseconds; an order in doubt is asked for until 13 s after it was sent."""
FAREWELL_S_MAX = 15.0
"""Closing orders are filled within a second, and tried again after five."""
LAST_WORDS_S = 1.0
"""What execution says last is on the tape within a tenth of a second; whoever reads it may be slow."""
STEP_S_MAX = 15.0
FLUSH_S = 5.0
TAKE_S = 0.04
"""How often traders look: prices come a few times a second."""
_CLOCK = SystemClock()


class Ground(NamedTuple):
    """What a demo stands on."""

    broker: Broker
    running: Deployment
    pulse: Pulse
    exchange: DemoExchange


class Result(NamedTuple):
    """How it stood at the end."""

    accounts: Sequence[Portfolio]
    books: Compared | None
    """Nothing where the market never opened."""
    open_orders: int
    """Still open when there was no more waiting."""
    hashes: Hashes | None
    why_no_hash: str
    tape_events: int


UNOPENED = Result((), None, 0, None, "it ended before the market opened", 0)


class Closing:
    """Ends a demo. `say` tells people what is going on, `draw` shows it."""

    def __init__(
        self, ground: Ground, traders: Traders, tally: Tally, flow: Flow, say: Callable[[str], None], draw: Callable[[], None]
    ) -> None:
        """Take over from the stage."""
        self._ground, self._traders, self._tally, self._flow = ground, traders, tally, flow
        self._say, self._draw = say, draw
        self._opening: dict[str, Decimal] = dict(traders.balances)
        self._looked_s = 0.0

    def close(self, starts: Ends, codec: Codec) -> Result:
        """End it in order, and tell how it stands."""
        broker, _, _, exchange = self._ground
        self._say("the market is closed")
        exchange.stand_still()
        shown = self._switch_off()
        self._wait(SETTLE_S_MAX, self._settled)
        self._say("workers leave")
        why = self._leave()
        ends = ends_now(broker.kafka, broker.partitions)
        hashes = None if why else final_hashes(broker.kafka, broker.partitions, broker.epoch, codec)
        events = sum(ends.tape[part] - start for part, start in starts.tape.items())
        left = sum(one.open_orders for one in self._tally.accounts)
        return Result(shown or self._tally.accounts, self._compared(), left, hashes, why or "a partition has no snapshot", events)

    def _switch_off(self) -> Sequence[Portfolio]:
        """Allow no new risk. On a broker that lives on nothing stays held, and the accounts are closed: gives how they stood before."""
        if self._ground.broker.pid is not None:
            self._flow.publish(self._traders.switch_off())
            return ()
        shown = self._tally.accounts
        self._flow.publish(self._traders.farewell())
        self._wait(FAREWELL_S_MAX, self._flat)
        self._flow.publish(self._traders.close_accounts())
        return shown

    def _leave(self) -> str:
        """Have the workers leave; tells what kept the desk from stepping the whole tape."""
        supervisor = self._ground.running.supervisor
        self._flow.flush(FLUSH_S)
        supervisor.stop({"marketdata", "execution", "policy"})
        self._draw()
        until_s = time.monotonic() + LAST_WORDS_S
        self._wait(LAST_WORDS_S, lambda: time.monotonic() >= until_s)
        supervisor.stop({"sequencer"})
        stepped = self._wait(STEP_S_MAX, self._stepped)
        supervisor.stop()
        self._draw()
        return "" if stepped else "the desk did not step the whole tape in time"

    def _wait(self, for_s: float, done: Callable[[], bool]) -> bool:
        """Take what comes until something is so, or for as long as that may take; tells whether it was."""
        until_s = time.monotonic() + for_s
        while not (so := done()) and time.monotonic() < until_s:
            self._ground.running.supervisor.look()
            self._flow.take(TAKE_S, _CLOCK.wall_ms)
            self._draw()
        return so

    def _flat(self) -> bool:
        return not any(one.positions for one in self._tally.accounts)

    def _settled(self) -> bool:
        """Tell whether no account does anything any more, and the desk knows what the exchange knows."""
        pictured = [self._tally.portfolios.get(account) for account in self._opening]
        if not all(one is not None and one.mode == "HALTED" and not one.open_orders for one in pictured):
            return False
        if time.monotonic() - self._looked_s < LOOK_S:
            return False
        self._looked_s = time.monotonic()
        return self._compared().ok

    def _compared(self) -> Compared:
        return compared(self._tally.portfolios, self._ground.exchange.books(), self._opening)

    def _stepped(self) -> bool:
        """Tell whether the desk says that it has stepped the tape to its end, and everything it said was taken."""
        broker, running, pulse, _ = self._ground
        ends, said = ends_now(broker.kafka, broker.partitions), dict[str, float]()
        for one in running.supervisor.workers:
            health = pulse.of(one) if one.spec.role == "desk" else None
            said |= health.figures.get("qts_tape_offset", {}) if health else {}
        return all(said.get(str(part), -1.0) >= end - 1 for part, end in ends.tape.items()) and self._flow.caught_up(
            ends.followed
        )
