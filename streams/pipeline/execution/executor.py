"""Execution of one partition of `orders`: every approved order reaches the exchange once.

Decides: what is done with an order that is read, and with each one the ledger holds when a partition is taken over; that an account's orders in a
symbol are sent in their order, while everything else goes on beside them. Leaves to others: each of the parts.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from itertools import islice

from streams.desk.messages import EVERY_ACCOUNT
from streams.desk.outputs import Cancel, Order
from streams.exchange.port import OrderReport
from streams.pipeline.execution.accounts import Accounts
from streams.pipeline.execution.cancelling import Cancelling
from streams.pipeline.execution.distress import Distress
from streams.pipeline.execution.ending import Ending
from streams.pipeline.execution.gate import Gate, Standing
from streams.pipeline.execution.ledger import Attempt, Entry, client_id
from streams.pipeline.execution.ledger_keys import Lane, place_of
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.protecting import Protecting
from streams.pipeline.execution.reconciling import Reconciling
from streams.pipeline.execution.resolving import Resolving
from streams.pipeline.execution.sending import Fate, Sending
from streams.pipeline.execution.settling import Settling
from streams.pipeline.execution.tasks import Tasks
from streams.pipeline.execution.trades import Trades
from streams.pipeline.execution.watch import Watch
from streams.pipeline.steps import Step

LOGGER = logging.getLogger(__name__)


class Executor:
    """Executes what one partition holds."""

    def __init__(self, means: Means, tasks: Tasks, is_mine: Callable[[str], bool]) -> None:
        """Execute with these. `is_mine` tells whether an account's orders come in this partition."""
        self._means, self._tasks, self._is_mine = means, tasks, is_mine
        self.standing = Standing()
        self._watches: dict[str, Watch] = {}
        self._lanes: dict[Lane, deque[Entry]] = {}
        self._gate = Gate(means, self.standing)
        self.trades = Trades(means, tasks)
        self._ending = Ending(means, self._queue)
        self._sending = Sending(means, self.standing, self._gate, self._ending)
        self._resolving = Resolving(means, self._ending)
        self._cancelling = Cancelling(means)
        self.protecting = Protecting(means, tasks, self._gate, self._introduced)
        self.reconciling = Reconciling(means, self.trades, self.protecting, self._watches.get)
        self.accounts = Accounts(means, tasks, self.standing, self.trades, self.reconciling, self.protecting, self._watches.get)
        self._distress = Distress(means, self.standing, lambda: self.accounts.served, self.reconciling.finish)
        self._settling = Settling(means, self.trades, self._ending, self.protecting, self.accounts.hears)
        self._heed = means.brakes.on_stop(self._stopped)

    def accept(self, outputs: Iterable[Order | Cancel], raws: Iterable[bytes]) -> Awaitable[None]:
        """Take what was read. Comes back when it is durable; what is done about it has begun long before."""
        records: list[tuple[bytes, bytes | None]] = []
        begun: list[Entry] = []
        cancelled: list[Entry] = []
        ledger = self._means.ledger
        for output, raw in zip(outputs, raws, strict=True):
            entry = ledger.of_id(output.order_id)
            if isinstance(output, Cancel):
                if entry is None or entry.order.account != output.account or entry.cancel is not None or entry.over:
                    self._cancel_again(entry, output)
                    continue
                key = ledger.keys.cancel(output.account, entry.place)
                cancelled.append(entry)
            else:
                place = place_of(output)
                if place is None:
                    self._means.alert(f"order {output.order_id} of account {output.account} is none of the desk's: not sent")
                    continue
                if entry is not None or ledger.is_over(output.account, place):
                    continue
                key = ledger.keys.new(output.account, place)
            ledger.take(key, raw)
            records.append((key, raw))
            if isinstance(output, Order):
                new = ledger.of_id(output.order_id)
                assert new is not None
                begun.append(new)
        noted = self._tasks.spawn(self._means.outbox.note(*records))  # handed to the log before anything that follows from it
        if self.standing.taken_over:  # else the start takes it up; looked at now, or both would
            self._tasks.spawn(self._begin(begun, cancelled))
        return noted

    async def _begin(self, begun: Sequence[Entry], cancelled: Sequence[Entry]) -> None:
        self._means.watcher.at(Step.ORDER_NOTED)
        for entry in begun:
            self._queue(entry)
        for entry in cancelled:
            self._take_back(entry)

    def start(self) -> None:
        """Go on with everything the ledger holds: nobody else is at it any more."""
        self.standing.taken_over = True
        self._tasks.spawn(self.accounts.serve(self._is_mine))
        self._tasks.spawn(self._distress.watch())
        for entry in tuple(self._means.ledger.entries()):
            self._resume(entry)
        self.protecting.resume()

    @property
    def settled(self) -> bool:
        """Tell whether every order that was read is over, and what that took is durable."""
        return not self._lanes and self.protecting.idle and all(entry.over for entry in self._means.ledger.entries())

    def close(self) -> None:
        """End: from now on the partition may be somebody else's."""
        self._heed()
        self._tasks.close()

    def _resume(self, entry: Entry) -> None:
        attempt = entry.attempt
        if entry.over:
            return
        if attempt.done is not None:
            self._tasks.spawn(self._ending.tell(entry, attempt, attempt.done))
        elif attempt.sent is None:
            self._queue(entry)
        else:
            watch = self._watched(entry, attempt)
            self._tasks.spawn(self._found_out(entry, attempt, watch, asked=False))
            if entry.cancel is not None or self._gate.stopped(entry.order):
                self._take_back(entry)

    async def _introduced(self, account: str) -> None:
        await self.accounts.introduced(account)

    def _queue(self, entry: Entry) -> None:
        """Have an order's next attempt sent, after what is before it."""
        key = (entry.order.account, entry.order.symbol)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = deque()
            self.accounts.set_up(*key)
            self._tasks.spawn(self._run(key, lane))
        lane.append(entry)

    async def _run(self, key: Lane, lane: deque[Entry]) -> None:
        while lane:
            entry = lane[0]
            attempt = entry.attempt
            if attempt.sent is not None:  # whoever queued it was wrong: what was sent once is asked for
                lane.popleft()
                self._resume(entry)
                continue
            watch = self._watched(entry, attempt)
            came = await self._sending.send(entry, attempt, partial(self._less_waits, lane))
            if isinstance(came, OrderReport):
                self._tasks.spawn(self._followed(entry, attempt, watch, came))
            elif came is Fate.IN_DOUBT:
                self._tasks.spawn(self._found_out(entry, attempt, watch, asked=True))
            else:
                self._unwatch(entry, attempt)
            if entry.cancel is not None:
                self._take_back(entry)
            lane.popleft()
        del self._lanes[key]

    def _less_waits(self, lane: deque[Entry]) -> bool:
        """Tell whether an order that takes risk away could go, were it not for the first one."""
        return any(entry.order.reduce_only and not self._gate.waits_for(entry.order) for entry in islice(lane, 1, None))

    async def _found_out(self, entry: Entry, attempt: Attempt, watch: Watch, *, asked: bool) -> None:
        """Find out what became of an attempt, and follow it."""
        await self.accounts.introduced(entry.order.account)
        report = None
        if not attempt.accepted:
            report = await self._resolving.resolve(entry, attempt, watch, asked=asked)
            if report is None:
                self._unwatch(entry, attempt)
                return
        await self._followed(entry, attempt, watch, report)

    async def _followed(self, entry: Entry, attempt: Attempt, watch: Watch, report: OrderReport | None) -> None:
        await self._settling.follow(entry, attempt, watch, report)
        self._unwatch(entry, attempt)

    def _watched(self, entry: Entry, attempt: Attempt) -> Watch:
        return self._watches.setdefault(client_id(entry.order, attempt.number), Watch())

    def _unwatch(self, entry: Entry, attempt: Attempt) -> None:
        self._watches.pop(client_id(entry.order, attempt.number), None)

    def _take_back(self, entry: Entry) -> None:
        """Cancel what is out. What is not out yet is stopped by the gate."""
        attempt = entry.attempt
        if attempt.sent is not None and attempt.done is None and self.standing.taken_over:
            self._tasks.spawn(self._cancelled(entry, self._watched(entry, attempt)))

    async def _cancelled(self, entry: Entry, watch: Watch) -> None:
        await self.accounts.introduced(entry.order.account)
        await self._cancelling.cancel(entry, watch)

    def _cancel_again(self, entry: Entry | None, cancel: Cancel) -> None:
        """Hear a wish again: it is being seen to, or was; the desk hears how it ended."""
        if entry is None:
            LOGGER.info("cancel of %s: it is over, or was never here", cancel.order_id)
        elif entry.order.account != cancel.account:
            self._means.alert(f"cancel of {cancel.order_id} names account {cancel.account}, whose it is not")
        elif not entry.over:
            self._take_back(entry)

    def _stopped(self, account: str) -> None:
        """Take back what adds risk, at once: a stop was read."""
        names = list(self._means.ledger.accounts) if account == EVERY_ACCOUNT else [account]
        for name in names:
            for entry in self._means.ledger.accounts.get(name, {}).values():
                if not entry.over and self._gate.stopped(entry.order):
                    self._take_back(entry)
