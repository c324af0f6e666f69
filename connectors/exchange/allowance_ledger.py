"""What has been used of the allowance, and what may still be: weight by IP, in this worker's share, and orders by account.

Decides: how much ordinary and urgent work may take at a moment, or how long until that may have changed; what may be lent, what is worth borrowing;
what somebody else may have used of a minute before it was ours. Leaves to others: who goes next (allowance), windows and pace (allowance_windows),
loans (allowance_sharing).
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from connectors.exchange.allowance_sharing import Shares
from connectors.exchange.allowance_windows import LATE_MS, Count, Moment, Pace, Window, window_at
from connectors.exchange.rate_limits import DEFAULT, Rules, orders_header, weight_header

BURST: Final = 50
"""In weight: one question for all open orders (40) and some more need not wait. A quarter of the limit, where that is less."""
MORE_FOR_ORDERS: Final = 0.25
"""Of the burst: some orders at once, whatever was asked before."""
ORDINARY: Final = Fraction(97, 100)
"""Of weight. The rest is left for what is urgent in the last second of a minute, and for what arrives later than anybody expects."""
ORDINARY_ORDERS: Final = Fraction(90, 100)
"""Of orders. No figure asks to use them up."""
THROUGH: Final = Fraction(55, 60)
"""When ordinary work is through: 5 s are more than a request may be late (2 s), with the clock's error (0.25 s, twice) and a loan on its way."""
AHEAD_MS: Final = 800
"""For how long a worker borrows ahead: as long as a loan is good."""


class _Change(NamedTuple):
    """A part of the weight that was gained, or lost where it is less than nothing."""

    at_ms: int
    part: Fraction
    used: int | None
    """What everybody had used of the minute when it was gained, or we when it was lost; None where nobody knows yet."""


class Ledger:
    """What is used, and what is left."""

    def __init__(self, tick_ms: int, shares: Shares) -> None:
        """Begin with nothing until `hold`."""
        self.shares = shares
        self._rules = DEFAULT
        self._weight, self._pace = Count(DEFAULT.weight.length_ms), Pace(tick_ms)
        self._orders: dict[tuple[str, int], Count] = {}
        """By account and length of the window."""
        self._held = Fraction(0)
        self._changes: list[_Change] = []

    def keep_to(self, rules: Rules, tick_ms: int) -> None:
        """Have these limits from now on. Raises ValueError where weight is counted by another time than so far."""
        if rules.weight.length_ms != self._rules.weight.length_ms:
            raise ValueError(f"weight was counted by the minute, and now by {rules.weight.length_ms} ms")
        self._rules = rules
        self._go(tick_ms)

    def hold(self, part: Fraction, moment: Moment) -> None:
        """Have this part of the weight from now on.

        Whoever had what we gain may have used all of it in this minute. So none of it is ours before the minute is over, but for `_petty`, or the
        exchange has told how much was used by everybody. What we lose is somebody else's at once, as far as we have not used it.
        """
        if part == self._held:
            return  # it is said again with each partition that comes or goes
        window, used = self._window(moment), None
        if part < self._held:
            known = 0 if window.number is None else self._weight.since(window.began_ms)
            used = max(0, known - (self.shares.borrowed - self.shares.left))
        over_ms = moment.tick_ms - 3 * self._rules.weight.length_ms
        recent = [change for change in self._changes if change.at_ms > over_ms]
        self._changes = [*recent, _Change(moment.tick_ms, part - self._held, used)]
        self._held = part
        self._go(moment.tick_ms)

    def most(self) -> int:
        """Give the weight that is never to be had at once."""
        return math.floor(self._limit * ORDINARY)

    def turn(self, moment: Moment) -> None:
        """Let time pass for loans."""
        self.shares.turn(self._window(moment).number, moment.tick_ms)

    def told(self, moment: Moment, headers: Mapping[str, str], account: str, asked_ms: int) -> bool:
        """Take what an answer says was used to what was asked then; tells whether there may be more room now. What is no number is not used."""
        said = {name.lower(): int(value) for name, value in headers.items() if value.isascii() and value.isdecimal()}
        used = said.get(weight_header(self._rules.weight))
        learnt = False
        if used is not None and self._weight.told(moment, used, asked_ms):
            # What was asked before a change tells nothing of what whoever had that share used up to then.
            unknown = [change for change in self._changes if change.used is None and change.at_ms <= asked_ms]
            learnt = bool(unknown)
            self._changes = [change._replace(used=used) if change in unknown else change for change in self._changes]
        for rule in self._rules.orders:
            sent = said.get(orders_header(rule))
            if sent is not None:
                self._orders_of(account, rule.length_ms).told(moment, sent, asked_ms)
        return learnt

    def wait_for_orders(self, moment: Moment, account: str, orders: int, *, urgent: bool) -> int:
        """Tell how long until that many orders of an account may be had; 0: now."""
        for rule in self._rules.orders:
            count, window = self._orders_of(account, rule.length_ms), window_at(moment, rule.length_ms)
            if count.used(window) + orders > math.floor(rule.limit * (1 if urgent else ORDINARY_ORDERS)):
                return count.again_ms(window)
        return 0

    def room(self, moment: Moment, *, urgent: bool) -> int:
        """Tell how much weight there is, whatever the pace. What is charged makes it less by just that."""
        return self._room(moment, self._window(moment), Fraction(1) if urgent else ORDINARY)

    def more_room(self, moment: Moment) -> int:
        """Tell how long until there may be more."""
        return self._weight.again_ms(self._window(moment))

    def wait_for_pace(self, moment: Moment, weight: int, *, is_order: bool) -> int:
        """Tell how long until that much weight is due; 0: it is. An order is not held up by a question that has just used the burst."""
        more = self._left(self._window(moment)) + (self._pace.burst * MORE_FOR_ORDERS if is_order else 0.0)
        return self._pace.wait_ms(moment.tick_ms, weight, more)

    def until_end(self, moment: Moment) -> int:
        """Tell how long until the end of the minute, in which ordinary work should be through; 0: this is it."""
        window = self._window(moment)
        return max(0, window.left_ms - math.floor(self._rules.weight.length_ms * (1 - THROUGH)))

    def charge(self, moment: Moment, weight: int, account: str, orders: int) -> None:
        """Count something as used."""
        tick_ms = moment.tick_ms
        self._weight.add(tick_ms, weight)
        own = self.shares.spend(weight) if self._left(self._window(moment)) else weight
        self._pace.put(tick_ms, -own)
        if orders:
            for rule in self._rules.orders:
                self._orders_of(account, rule.length_ms).add(tick_ms, orders)

    def spare(self, moment: Moment) -> int:
        """Tell what may be lent. Half of the burst stays here, for whoever comes next."""
        window = self._window(moment)
        if window.number is None or window.number != self.shares.window:
            return 0
        saved = self._pace.saved(moment.tick_ms) - self._pace.burst / 2
        return max(0, min(math.floor(saved), self._own_room(window, ORDINARY), self._common_room(window, ORDINARY)))

    def gave(self, moment: Moment, weight: int) -> None:
        """Count what was lent, or has come back where it is less than nothing."""
        self._pace.put(moment.tick_ms, -weight)

    def worth_borrowing(self, waiting: int) -> int:
        """Tell how much to ask the others for: what waits, as far as it can go while a loan is good."""
        ahead = self._burst_of_all() + math.ceil(self._per_ms() * AHEAD_MS)
        return max(0, min(waiting, ahead) - self.shares.left)

    # how much is whose

    def _room(self, moment: Moment, window: Window, part: Fraction) -> int:
        """Give what may be used in a window, and in the next where what is used now may be counted there: nothing borrowed is good for that."""
        room = min(self._own_room(window, part), self._common_room(window, part))
        if moment.tick_ms < window.next_since_ms:
            return room
        return min(room, math.floor(self._limit * self._held * part) - self._weight.since(window.next_since_ms))

    def _own_room(self, window: Window, part: Fraction) -> int:
        """Give what is left of our share and of what we borrowed. Should the clock have gone back into a minute that was over: nothing."""
        if window.number is not None and window.number < self.shares.window:
            return 0
        borrowed = self.shares.borrowed if window.number == self.shares.window else 0
        own = math.floor((self._limit * self._held - self._before(window)) * part)
        return own + borrowed - self.shares.lent - self._weight.since(window.since_ms)

    def _common_room(self, window: Window, part: Fraction) -> int:
        """Give what is left for all of us, as far as the exchange has told."""
        return math.floor(self._limit * part) - self._weight.used(window)

    def _before(self, window: Window) -> int:
        """Give what whoever had our share before us in this minute may have used of it, less what we used of a share that is gone."""
        before = 0
        for change in self._changes:
            if change.at_ms > window.since_ms + LATE_MS:
                weight = math.ceil(self._limit * abs(change.part))
                used = weight - self._petty if change.used is None else min(weight, change.used)
                before += max(0, used) if change.part > 0 else -used
        return before

    def _left(self, window: Window) -> int:
        return self.shares.left if window.number == self.shares.window else 0

    # the pace

    @property
    def _petty(self) -> int:
        """Give what may be asked before anything is known, to learn it: 6 of 1,200. One worker may start in a minute without anybody noticing."""
        return max(1, self._rules.weight.limit // 200)

    @property
    def _limit(self) -> int:
        return self._rules.weight.limit - self._petty

    def _burst_of_all(self) -> int:
        return min(BURST, self.most() // 4)

    @property
    def _burst(self) -> float:
        return float(self._burst_of_all() * self._held)

    def _per_ms(self) -> float:
        """Give the pace of all workers: with the burst the minute's part is used when ordinary work is to be through; and not less than evenly."""
        length_ms, most = self._rules.weight.length_ms, self.most()
        return max((most - self._burst_of_all()) / float(length_ms * THROUGH), most / length_ms)

    def _go(self, tick_ms: int) -> None:
        self._pace.go(tick_ms, self._per_ms() * float(self._held), self._burst)

    def _window(self, moment: Moment) -> Window:
        return window_at(moment, self._rules.weight.length_ms)

    def _orders_of(self, account: str, length_ms: int) -> Count:
        key = account, length_ms
        if key not in self._orders:
            self._orders[key] = Count(length_ms)
        return self._orders[key]
