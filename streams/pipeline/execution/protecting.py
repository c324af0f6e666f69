"""Protective stops: while we hold a position that the desk approved, the exchange holds a stop that closes it.

Decides: which stop of a position is wanted: that of the newest order that opened or added to it, at the price the desk approved with it. It is wanted
with the order's first fill, in the ledger before that order can be over; it is replaced when a newer order has another price, taken back when the
position is gone, and placed again when a position has none.

The exchange takes one closing stop in a direction, so the old one is cancelled before the new one is placed: the other way round the new one would be
refused. In between, for as long as two requests take, the position has none; but a new stop that would trigger at once, by the newest mark, never
costs the old one. A stop that is left over closes nothing and opens nothing: taking one back can wait, placing one cannot.
Leaves to others: what is done about one stop (stop_keeping), prices (desk), closing where no stop is taken any more (desk).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from streams.desk.messages import OrderSide
from streams.desk.values import ZERO
from streams.exchange.errors import ExchangeError, NotThere, Rejected
from streams.exchange.port import Position, StopReport
from streams.pipeline.execution.asking import answer
from streams.pipeline.execution.gate import Gate
from streams.pipeline.execution.ledger import Entry
from streams.pipeline.execution.ledger_keys import Lane, Place
from streams.pipeline.execution.ledger_records import StepRecord
from streams.pipeline.execution.ledger_stops import Stop, stop_id
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.stop_keeping import NEVER, StopKeeping
from streams.pipeline.execution.tasks import Tasks
from streams.pipeline.execution.words import order_id_of

FRESH_S: Final = 5.0
"""So long after a fill or a stop's end the exchange may still show the position from before."""
NAME_CHARACTERS_MAX: Final = 36
"""The exchange's bound. With the longest order id there is room for 99 stops of an order."""


class Protecting:
    """Keeps stops."""

    def __init__(self, means: Means, tasks: Tasks, gate: Gate, introduced: Callable[[str], Awaitable[None]]) -> None:
        """Keep them with these. `introduced` comes back when the exchange has heard of an account."""
        self._means, self._tasks, self._introduced = means, tasks, introduced
        self._keeping = StopKeeping(means, gate)
        self._kept: set[Lane] = set()
        self._unwanted: set[str] = set()
        """Stops of positions that are gone."""
        self._filled_s: dict[Lane, float] = {}
        self._told: set[tuple[str, str]] = set()
        """Foreign stops, and symbols whose position has no stop, that were told of, by account."""

    @property
    def idle(self) -> bool:
        """Tell whether nothing is being done about any stop."""
        return not self._kept

    def resume(self) -> None:
        """Go on with all stops the ledger holds."""
        for lane in self._means.ledger.stops.lanes():
            self._stir(lane)

    async def filled(self, entry: Entry) -> None:
        """Have a position protected: an order that opens or adds was filled. Comes back when that is durable."""
        order = entry.order
        if order.reduce_only or order.protective_stop is None:
            return
        lane, side = (order.account, order.symbol), _other(order.side)
        self._filled_s[lane] = self._means.clock()
        known = [stop for stop in self._means.ledger.stops.of(lane) if stop.side == side]
        newest = next((stop for stop in reversed(known) if stop.done is None and stop.client_id not in self._unwanted), None)
        if newest is not None and (newest.place >= entry.place or newest.price == order.protective_stop):
            return
        if any(stop.order_id == order.order_id and stop.done and stop.done.kind == "REJECTED" for stop in known):
            return  # the next comparison tries it again
        await self._want(lane, order.order_id, side, order.protective_stop)

    def closed(self, entry: Entry) -> None:
        """Look whether a position is gone: an order that closes was filled."""
        lane = (entry.order.account, entry.order.symbol)
        if self._means.ledger.stops.open(lane):
            self._tasks.spawn(self._look(lane))

    def stop_report(self, account: str, report: StopReport) -> bool:
        """Hear of a stop from the stream. Tells whether it has ended without our doing: then the account is to be compared."""
        lane = (account, report.symbol)
        stop = self._means.ledger.stops.of_id(lane, report.client_id)
        if stop is None:
            self._foreign(account, report)
            return False
        surprise = report.status != "OPEN" and stop.done is None and self._wanted(lane) is stop
        self._tasks.spawn(self._keeping.hear(stop, report))
        return surprise

    async def check(self, account: str, positions: Mapping[str, Position], reports: Sequence[StopReport], asked_s: float) -> None:
        """Compare stops with positions, both as the exchange has told them since `asked_s`. Raises `ExchangeError`."""
        symbols = {symbol for name, symbol in self._means.ledger.stops.lanes() if name == account} | positions.keys()
        for report in reports:
            if order_id_of(report.client_id):
                symbols.add(report.symbol)
            else:
                self._foreign(account, report)
        for symbol in sorted(symbols):
            lane = (account, symbol)
            if lane in self._kept:
                continue
            await self._true_up(lane, [report for report in reports if report.symbol == symbol])
            quantity = positions[symbol].quantity if symbol in positions else ZERO
            if self._filled_s.get(lane, float("-inf")) <= asked_s - FRESH_S:
                await self._fit(lane, quantity)
            await self._forget(_replaced(self._means.ledger.stops.of(lane)))

    async def _true_up(self, lane: Lane, reports: Sequence[StopReport]) -> None:
        """Learn which stops have ended, and end those that are over here."""
        stops, listed = self._means.ledger.stops, {report.client_id for report in reports}
        for stop in stops.open(lane):
            if stop.exchange_id and stop.client_id not in listed:
                await self._keeping.look(stop)
        for report in reports:
            known = stops.of_id(lane, report.client_id)
            if order_id_of(report.client_id) and (known is None or known.done is not None):
                await self._cancel(lane, report)

    async def _fit(self, lane: Lane, quantity: Decimal) -> None:
        """Have a position protected that has no stop, and stops taken back that have no position."""
        stops = self._means.ledger.stops
        if not quantity:
            self._told.discard(lane)
            self._give_up(lane, stops.open(lane))
            if not stops.open(lane):
                await self._forget(stops.of(lane))
            return
        side: OrderSide = "SELL" if quantity > ZERO else "BUY"
        self._give_up(lane, [stop for stop in stops.open(lane) if stop.side != side])
        known = [stop for stop in stops.of(lane) if stop.side == side]
        if _just_triggered(known, self._means.exchange.now_ms()):
            return
        there = next((stop for stop in reversed(known) if stop.done is None), None)
        last = there or (known[-1] if known else None)
        entry = self._opener(lane, side, last.place if last else None)
        price = entry.order.protective_stop if entry is not None else None
        if there is not None and (price is None or price == there.price or self._passed(lane, side, price)):
            self._stir(lane)  # whoever wanted it may have been ended before it was begun
        elif entry is not None and price is not None:
            await self._want(lane, entry.order.order_id, side, price)
        elif last is not None:
            await self._want(lane, last.order_id, side, last.price)
        elif lane not in self._told:
            self._told.add(lane)
            self._means.alert(f"account {lane[0]}: {quantity} {lane[1]} have no stop at the exchange, and none was approved")

    def _opener(self, lane: Lane, side: OrderSide, after: Place | None) -> Entry | None:
        """Find the newest order that was filled and wants a stop on that side, if there is a newer one than that."""
        found = None
        for entry in self._means.ledger.accounts.get(lane[0], {}).values():
            order = entry.order
            fits = order.symbol == lane[1] and order.side != side and not order.reduce_only and order.protective_stop is not None
            if fits and entry.filled > ZERO and (after is None or entry.place > after):
                found = entry if found is None or entry.place > found.place else found
        return found

    async def _want(self, lane: Lane, order_id: str, side: OrderSide, price: Decimal) -> None:
        stops = self._means.ledger.stops
        number = 1 + max((stop.number for stop in stops.of(lane) if stop.order_id == order_id), default=0)
        name = stop_id(order_id, number)
        if len(name) > NAME_CHARACTERS_MAX:
            self._means.alert(f"account {lane[0]}: there is no name left for a stop of {order_id}")
            return
        await self._keeping.note(Stop(*lane, name), "WANTED", StepRecord(self._means.exchange.now_ms(), price, kind=side))
        self._stir(lane)

    def _give_up(self, lane: Lane, stops: Sequence[Stop]) -> None:
        self._unwanted.update(stop.client_id for stop in stops)
        if stops:
            self._stir(lane)

    def _wanted(self, lane: Lane) -> Stop | None:
        """Give the stop that has to be at the exchange."""
        stops = self._means.ledger.stops.open(lane)
        return next((stop for stop in reversed(stops) if stop.client_id not in self._unwanted), None)

    def _stir(self, lane: Lane) -> None:
        if lane not in self._kept:
            self._kept.add(lane)
            self._tasks.spawn(self._keep(lane))

    async def _keep(self, lane: Lane) -> None:
        """Bring the exchange to what is wanted, one request after the other."""
        await self._introduced(lane[0])
        while await self._advance(lane):
            pass
        self._kept.discard(lane)

    async def _advance(self, lane: Lane) -> bool:
        """Do one thing that is to be done about a symbol's stops; tell whether there was any."""
        keeping, wanted = self._keeping, self._wanted(lane)
        others = [stop for stop in self._means.ledger.stops.open(lane) if stop is not wanted]
        if wanted is not None and wanted.sent is None and others and self._passed(lane, wanted.side, wanted.price):
            await keeping.end(wanted, "REJECTED", "WOULD_TRIGGER")
            self._unprotected(wanted, "the mark is beyond it, and the one before stays")
        elif others and others[0].doubtful:
            await keeping.find_out(others[0])
        elif others and others[0].sent is None:
            await keeping.end(others[0], "CANCELLED", "NOT_SENT")
        elif others:
            await keeping.take_back(others[0])
            self._unwanted.discard(others[0].client_id)
        elif wanted is None:
            return False
        elif wanted.doubtful:
            await keeping.find_out(wanted)
            if wanted.done is not None and wanted.done.reason == NEVER:
                await self._want(lane, wanted.order_id, wanted.side, wanted.price)
        elif wanted.sent is None:
            refusal = await keeping.place(wanted, lambda stop: self._wanted(lane) is stop)
            if refusal is not None:
                await self._after(wanted, refusal)
        else:
            return False
        return True

    def _passed(self, lane: Lane, side: OrderSide, price: Decimal) -> bool:
        """Tell whether a stop would trigger at once."""
        now = self._means.board.price(lane[1], self._means.exchange.now_ms())
        if now is None or now.age_ms > self._means.limits.price_age_ms_max:
            return False
        return now.mark <= price if side == "SELL" else now.mark >= price

    async def _after(self, stop: Stop, refusal: Rejected) -> None:
        """See whether a stop of ours that is over here was in the way; then there is room now."""
        try:
            reports = await self._means.exchange.open_stops(stop.account)
            blocking = [
                one for one in reports if (one.symbol, one.side) == (stop.symbol, stop.side) and order_id_of(one.client_id)
            ]
            for report in blocking:
                await self._cancel(stop.lane, report)
        except ExchangeError:  # the next comparison finds it
            blocking = []
        if blocking:
            await self._want(stop.lane, stop.order_id, stop.side, stop.price)
        else:
            self._unprotected(stop, str(refusal))

    def _unprotected(self, stop: Stop, reason: str) -> None:
        self._means.alert(
            f"account {stop.account}: no stop of {stop.symbol} at {stop.price}: {reason}; closing is left to the desk"
        )

    async def _cancel(self, lane: Lane, report: StopReport) -> None:
        self._means.alert(f"account {lane[0]}: stop {report.client_id} is open at the exchange and over here; it is taken back")
        try:
            await self._means.exchange.cancel_stop(*lane, report.client_id)
        except NotThere:
            return

    async def _look(self, lane: Lane) -> None:
        """Look whether a position is gone."""
        means = self._means
        await means.sleep(means.limits.ask_first_s)
        asked_s = means.clock()
        held = await answer(means, f"positions of {lane[0]}", lambda: means.exchange.positions(lane[0]))
        if all(position.symbol != lane[1] for position in held) and self._filled_s.get(lane, float("-inf")) <= asked_s - FRESH_S:
            self._give_up(lane, means.ledger.stops.open(lane))

    async def _forget(self, ended: Iterable[Stop]) -> None:
        """Delete what is known of stops that are over and whose order is forgotten: while it is known it may want a further one, under a new name."""
        ledger = self._means.ledger
        for stop in ended:
            if ledger.of_id(stop.order_id) is None:
                self._unwanted.discard(stop.client_id)
                keys = sorted(ledger.stops.keys[stop.client_id], key=lambda key: not key.endswith(b"/WANTED"))
                await self._means.outbox.note(*((key, None) for key in keys))

    def _foreign(self, account: str, report: StopReport) -> None:
        if report.status == "OPEN" and (account, report.exchange_id) not in self._told and not order_id_of(report.client_id):
            self._told.add((account, report.exchange_id))
            self._means.alert(f"account {account}: stop {report.exchange_id} of {report.symbol} is not ours")


def _other(side: OrderSide) -> OrderSide:
    return "SELL" if side == "BUY" else "BUY"


def _replaced(stops: Sequence[Stop]) -> list[Stop]:
    """Give those that are over and have a newer one on their side."""
    newest = {stop.side: stop for stop in stops}
    return [stop for stop in stops if stop.done is not None and newest[stop.side] is not stop]


def _just_triggered(stops: Sequence[Stop], now_ms: int) -> bool:
    """Tell whether the newest of them was triggered just now: what it closes may still be shown."""
    done = stops[-1].done if stops else None
    return done is not None and done.kind == "TRIGGERED" and now_ms - done.ts < FRESH_S * 1_000
