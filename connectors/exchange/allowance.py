"""The allowance: nobody asks the exchange for more than it gives, and what it gives is used.

    allowance = Allowance(clock, asyncio.sleep)                    # one worker on its IP
    await allowance.take(40, account="main")                       # returns when the question may be asked

    allowance = Allowance(clock, asyncio.sleep, Shares(name), publish)     # one of several: the name new with each start
    allowance.hold(Fraction(owned, partitions))                    # whenever that changes; up only when who had them has surely stopped
    allowance.heard(record)                                        # each record of the topic `allowances`; publish writes one, and does not wait
    await allowance.run()                                          # a task beside the others

Decides: who goes next, and when. The exchange counts weight in calendar minutes, and answers 429 to the first request too many. So:

- In no minute is more let go than the limit, whichever side of the minute's edge a request is counted on (allowance_windows).
- Ordinary work goes at an even pace that may be ahead of itself by a burst of 50, and is through with its part of a minute 5 s before the end: then
  nothing is under way at the edge that both minutes would have to count, and no minute begins with what the one before has used. So 97 % are used.
- Urgent work (cancels, what reduces risk) goes first, does not keep to the pace, and may use all. As ordinary work cannot be ahead of its pace, 10 %
  of the limit and more are left for it until 50 s of a minute are over. Then this reserve shrinks, for what is not used by the end is lost, to the
  3 % that ordinary work never takes. Of orders, which nobody has to use up, the reserve is 10 % at all times.
- Orders go before questions: they grow old. And they may be ahead by a quarter of the burst more: asking for an account's orders takes most of it.
- Of questions, those of an account go first that was let ask within the last 10 s, by when that began: an account that is being compared is through
  and may trade before the next one begins, instead of all of them at the very end. Among equals the first come goes first.
- Nothing else overtakes who waits for weight, but for this: in the last 5 s of a minute something lighter may use what is too little for who is
  first; the new minute begins with the first again. Who waits for an account's orders holds up no other account.
- While the exchange wants silence nobody goes: no worker, and nothing urgent.
- Before a worker came, or got more of the shares, somebody else may have used that part of the minute. So it counts as used until the minute is over,
  but for some weight to ask with; any answer then tells how much was used in fact.

Who gives up waiting takes nothing. What was let go counts, even if nothing is asked then. Leaves to others: what may be had at a moment
(allowance_ledger), what a question weighs (endpoints), when to be silent (ccxt_line), how loans stay within the limit (allowance_sharing).
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Final

from connectors.exchange.allowance_ledger import Ledger
from connectors.exchange.allowance_sharing import Shares
from connectors.exchange.allowance_windows import Moment
from connectors.exchange.clock import ExchangeClock, Sleep
from connectors.exchange.rate_limits import Rules
from streams.exchange.errors import Retryable

WAITING_MAX: Final = 10_000
"""50 for each of 200 accounts. One more is told to come again: more is asked than the exchange gives, and waiting longer does not help."""
LOOK_AGAIN_MS: Final = 60_000
"""Whoever waits is looked at once a minute, whatever happens."""
TURN_MS: Final = 10_000
"""How long an account goes before others: comparing one costs 170 at its start, which is 6 s of what executors have. Then it queues again."""
TELL_S: Final = 0.2
"""How often a need is told: a loan (0.8 s) is renewed before it lapses even where one record is lost."""


class _Waiter:
    """Somebody who waits."""

    def __init__(self, weight: int, orders: int, account: str) -> None:
        self.weight, self.orders, self.account = weight, orders, account
        self.may: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Allowance:
    """What may be asked, by everybody on this IP."""

    def __init__(
        self, clock: ExchangeClock, sleep: Sleep, shares: Shares | None = None, publish: Callable[[bytes], None] | None = None
    ) -> None:
        """Begin with all of it, or, where it is shared, with nothing until `hold`."""
        self._clock, self._sleep, self._publish = clock, sleep, publish
        self._ledger = Ledger(clock.clocks.ticking_ms(), shares or Shares(""))
        self._urgent: dict[_Waiter, None] = {}
        self._others: dict[_Waiter, None] = {}
        self._turns: dict[str, int] = {}
        """By account, in their order, when it began to have its questions asked before others'."""
        self._silent_until_ms = clock.clocks.ticking_ms()
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_ms = 0
        self._short = False
        """Somebody waits for weight."""
        if shares is None:
            self.hold(Fraction(1))

    def follow(self, clock: ExchangeClock) -> None:
        """Count minutes by this clock, which ticks as the first one does."""
        self._clock = clock
        self._go_on()

    def limits(self, rules: Rules) -> None:
        """Keep to these limits from now on. Raises ValueError where weight is not counted by the minute."""
        self._ledger.keep_to(rules, self._now().tick_ms)
        self._go_on()

    def hold(self, part: Fraction) -> None:
        """Have this part of the weight from now on."""
        self._ledger.hold(part, self._now())
        self._go_on()

    async def take(self, weight: int, *, orders: int = 0, account: str = "", urgent: bool = False) -> None:
        """Wait until that much may be asked. Raises `Retryable` where too many wait already, and ValueError for what is never to be had."""
        if weight > self._ledger.most():
            raise ValueError(f"a weight of {weight} is more than a minute has")
        if len(self._urgent) + len(self._others) >= WAITING_MAX:
            raise Retryable(f"{WAITING_MAX} questions wait for the allowance", 1.0)
        waiter, queue = _Waiter(weight, orders, account), self._urgent if urgent else self._others
        queue[waiter] = None
        try:
            self._go_on()
            await waiter.may
        finally:
            if waiter in queue:
                del queue[waiter]
                self._go_on()  # whoever it held up may go

    def correct(self, headers: Mapping[str, str], account: str, asked_ms: int) -> None:
        """Take what the exchange says was used when it answered what was asked then, by the clock that ticks."""
        if self._ledger.told(self._now(), headers, account, asked_ms):
            self._go_on()

    def pause(self, after_s: float) -> None:
        """Let nobody ask anything for so long, on no worker."""
        moment = self._now()
        self._silent_until_ms = max(self._silent_until_ms, moment.tick_ms + math.ceil(after_s * 1_000))
        self._ledger.shares.tell_again()
        self._tell(moment)
        self._go_on()

    def heard(self, record: bytes) -> None:
        """Take what another worker tells. Raises `BadRecord`."""
        moment, shares = self._now(), self._ledger.shares
        heard = shares.hear(record, moment.tick_ms)
        self._silent_until_ms = max(self._silent_until_ms, moment.tick_ms + heard.silent_until_ms - moment.exchange_ms)
        self._ledger.gave(moment, -heard.back)
        if heard.need and not self._urgent and not self._others:
            weight = min(heard.need, self._ledger.spare(moment))
            self._ledger.gave(moment, weight)
            if shares.lend(heard, weight):
                self._tell(moment)
        self._go_on()

    async def run(self) -> None:
        """Tell the other workers what they have to know, for ever."""
        while True:
            await self._sleep(TELL_S)
            moment = self._now()
            if self._need() or self._ledger.shares.has_news:
                self._tell(moment)

    def _now(self) -> Moment:
        """Look at the clocks, and let time pass for loans."""
        moment = Moment.of(self._clock)
        self._ledger.turn(moment)
        return moment

    # who goes next

    def _go_on(self) -> None:
        """Let go whoever may, and see to it that somebody looks when the next may."""
        moment = self._now()
        self._short = False
        after_ms = self._silent_until_ms - moment.tick_ms
        if after_ms <= 0:
            after_ms = self._let_go(moment)
        self._look_again(moment.tick_ms, after_ms)

    def _let_go(self, moment: Moment) -> int:
        """Let go whoever may; gives how long until somebody else may."""
        ledger, after_ms = self._ledger, LOOK_AGAIN_MS
        full: set[str] = set()
        for queue in (self._urgent, self._others):
            if not queue:
                continue
            urgent = queue is self._urgent
            room = ledger.room(moment, urgent=urgent)
            for waiter in self._in_turn(moment, queue):
                if waiter.may.done() or (waiter.orders and waiter.account in full):
                    continue
                if waiter.orders and (wait_ms := ledger.wait_for_orders(moment, waiter.account, waiter.orders, urgent=urgent)):
                    full.add(waiter.account)
                    after_ms = min(after_ms, wait_ms)
                    continue
                if waiter.weight > room:
                    self._short = True
                    end_ms = ledger.until_end(moment)
                    after_ms = min(after_ms, ledger.more_room(moment), end_ms or LOOK_AGAIN_MS)
                    if urgent or end_ms or room <= 0:
                        return after_ms
                    continue
                if not urgent and (wait_ms := ledger.wait_for_pace(moment, waiter.weight, is_order=waiter.orders > 0)):
                    self._short = True
                    return min(after_ms, wait_ms)
                ledger.charge(moment, waiter.weight, waiter.account, waiter.orders)
                if not urgent and not waiter.orders:
                    self._turns.setdefault(waiter.account, moment.tick_ms)
                room -= waiter.weight
                del queue[waiter]
                waiter.may.set_result(None)
        return after_ms

    def _in_turn(self, moment: Moment, queue: Iterable[_Waiter]) -> list[_Waiter]:
        """Give who waits, in the order in which they go."""
        orders, questions = list[_Waiter](), list[_Waiter]()
        for waiter in queue:
            (orders if waiter.orders else questions).append(waiter)
        self._turns = {account: began_ms for account, began_ms in self._turns.items() if moment.tick_ms - began_ms < TURN_MS}
        turns = {account: number for number, account in enumerate(self._turns)}
        return orders + sorted(questions, key=lambda waiter: turns.get(waiter.account, math.inf))

    def _look_again(self, tick_ms: int, after_ms: int) -> None:
        """Set the alarm, unless it is early enough. Nobody waits: none."""
        due_ms = tick_ms + max(1, after_ms)
        waiting = bool(self._urgent or self._others)
        if self._alarm is not None and not (waiting and self._alarm_ms <= due_ms):
            self._alarm.cancel()
            self._alarm = None
        if waiting and self._alarm is None:
            self._alarm_ms = due_ms
            self._alarm = asyncio.create_task(self._ring((due_ms - tick_ms) / 1_000), name="allowance")
            self._alarm.add_done_callback(self._rung)

    async def _ring(self, after_s: float) -> None:
        await self._sleep(after_s)
        self._alarm = None
        self._go_on()

    def _rung(self, alarm: asyncio.Task[None]) -> None:
        """Tell whoever waits where the alarm broke: nobody would wake them any more."""
        error = None if alarm.cancelled() else alarm.exception()
        if error is not None:
            for waiter in (*self._urgent, *self._others):
                if not waiter.may.done():
                    waiter.may.set_exception(error)

    # what the other workers hear

    def _need(self) -> int:
        """Tell how much to ask the others for."""
        waiting = sum(waiter.weight for waiter in (*self._urgent, *self._others)) if self._short else 0
        return self._ledger.worth_borrowing(waiting)

    def _tell(self, moment: Moment) -> None:
        if self._publish is None:
            return
        silent_ms = self._silent_until_ms - moment.tick_ms
        silent_until_ms = moment.exchange_ms + silent_ms if silent_ms > 0 else 0
        self._publish(self._ledger.shares.record(self._need(), moment.tick_ms, silent_until_ms))
