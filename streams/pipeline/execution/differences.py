"""What is left over between the exchange's books and ours: positions that no trade explains.

Decides: when a difference counts (two looks some seconds apart that agree, each at positions with the trades asked for before and after and none
between, and no order of that symbol in doubt), that it becomes an adjustment then, by which the desk lets the account only reduce, and is alerted;
and which adjustments are reversed: those that trades have made up for, which is the case when what is left over now is the very opposite of them.
Positions that were there before us are adopted in the same way.

An adjustment is durable before it is said: by the time anybody looks again it may be about something else. Leaves to others: looking (reconciling),
counting trades (counting).
"""

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from streams.desk.messages import AccountEvent
from streams.desk.values import ZERO
from streams.exchange.port import OrderReport, Position
from streams.pipeline.execution.counting import Counting, Tally
from streams.pipeline.execution.ledger import client_id
from streams.pipeline.execution.ledger_adjustments import MADE, SAID, UNDONE, reversal
from streams.pipeline.execution.ledger_records import StepRecord
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.trades import Trades

AGREE_S: Final = 5.0
"""Between two looks that have to agree: copies that the exchange answers from are behind for a second or two."""


class Seen(NamedTuple):
    """A difference that was looked at, and since when it is the same."""

    position: Decimal
    tally: Tally
    since_s: float


class Differences:
    """Finds and says differences."""

    def __init__(self, means: Means, trades: Trades, counting: Counting) -> None:
        """Look with these."""
        self._means, self._trades, self._counting = means, trades, counting
        self._seen: dict[tuple[str, str], Seen] = {}

    async def compare(
        self, account: str, held: Mapping[str, Position], tallies: Mapping[str, Tally], open_orders: Mapping[str, OrderReport]
    ) -> bool:
        """Compare positions with what trades come to. Gives whether anything is left over that is not said yet. Raises `ExchangeError`."""
        left = [symbol for symbol, tally in tallies.items() if self._differs(account, symbol, held, tally)]
        for symbol in tallies:
            if symbol not in left:
                self._seen.pop((account, symbol), None)
        if not left:
            return False
        exchange, again = self._means.exchange, {}
        for position in await exchange.positions(account):
            again[position.symbol] = position
        open_ = False
        for symbol in left:
            tally = await self._counting.count(account, symbol)
            if tally != tallies[symbol] or self._in_doubt(account, symbol, open_orders):
                self._seen.pop((account, symbol), None)
                open_ = True
            elif self._differs(account, symbol, again, tally):
                open_ = not await self._look(account, symbol, again.get(symbol), tally) or open_
            else:
                self._seen.pop((account, symbol), None)
        return open_

    async def finish(self, account: str) -> None:
        """Say what was decided and not said yet."""
        means, ledger = self._means, self._means.ledger
        for adjustment in ledger.adjustments.of(account):
            event = adjustment.event
            assert event is not None
            symbol = event.symbol or ""
            if not adjustment.said:
                await means.outbox.say(event)
                key = ledger.keys.adjustment(account, symbol, event.event_id, SAID)
                await means.outbox.note((key, ledger.encode_step(StepRecord(event.ts, event.quantity))))
            if adjustment.undone is not None:
                await means.outbox.say(adjustment.undone)
                await self._forget(account, symbol, event.event_id)

    async def _forget(self, account: str, symbol: str, event_id: str) -> None:
        keys = self._means.ledger.keys
        await self._means.outbox.note(
            *((keys.adjustment(account, symbol, event_id, part), None) for part in (MADE, SAID, UNDONE))
        )

    def _differs(self, account: str, symbol: str, held: Mapping[str, Position], tally: Tally) -> bool:
        quantity = held[symbol].quantity if symbol in held else ZERO
        return quantity != tally.position + self._means.ledger.adjustments.sum(account, symbol)

    def _in_doubt(self, account: str, symbol: str, open_orders: Mapping[str, OrderReport]) -> bool:
        """Tell whether an order could explain a difference: one nobody knows the fate of, or whose trades are not all said."""
        for entry in self._means.ledger.accounts.get(account, {}).values():
            for attempt in entry.attempts:
                if entry.order.symbol != symbol or attempt.sent is None or attempt.done is not None:
                    continue
                report = open_orders.get(client_id(entry.order, attempt.number))
                if report is None or max(attempt.filled, self._trades.sum_of(account, report.exchange_id)) < report.filled:
                    return True
        return any(stop.doubtful for stop in self._means.ledger.stops.of((account, symbol)))

    async def _look(self, account: str, symbol: str, position: Position | None, tally: Tally) -> bool:
        """Take a look into account; tell whether the difference has become an adjustment."""
        now_s, quantity = self._means.clock(), position.quantity if position else ZERO
        seen = self._seen.get((account, symbol))
        if seen is None or (seen.position, seen.tally) != (quantity, tally):
            self._seen[account, symbol] = Seen(quantity, tally, now_s)
            return False
        if now_s - seen.since_s < AGREE_S or self._means.lease.left_s() <= 0:
            return False
        del self._seen[account, symbol]
        return await self._adjust(account, symbol, position, tally)

    async def _adjust(self, account: str, symbol: str, position: Position | None, tally: Tally) -> bool:
        """Reverse what trades have made up for, or else book what is left over."""
        means, ledger, ts = self._means, self._means.ledger, self._means.exchange.now_ms()
        open_ = ledger.adjustments.open(account, symbol)
        left = (position.quantity if position else ZERO) - tally.position - ledger.adjustments.sum(account, symbol)
        records: list[tuple[bytes, bytes | None]] = []
        for old in _made_up_for(open_, left):
            undone = reversal(old, "its trades are known now", ts)
            records.append((ledger.keys.adjustment(account, symbol, old.event_id, UNDONE), ledger.encode_message(undone)))
            means.alert(f"account {account}: adjustment {old.event_id} of {old.quantity} {symbol} is reversed")
        if not records:
            price = self._price(symbol, position, left)
            if price is None:
                means.alert(f"account {account}: {left} {symbol} are left over, and there is no price to book them at")
                return False
            made = _adjustment(account, symbol, left, price, tally, ts)
            records.append((ledger.keys.adjustment(account, symbol, made.event_id, MADE), ledger.encode_message(made)))
            means.alert(f"account {account}: {left} {symbol} that no trade explains, booked at {price}")
        await means.outbox.note(*records)
        await self.finish(account)
        return True

    def _price(self, symbol: str, position: Position | None, wanted: Decimal) -> Decimal | None:
        """Give what a difference is booked at: what the position was entered at where it is all of it, else what it costs now."""
        entry = position.entry_price if position and position.entry_price > ZERO else None
        if entry is not None and position is not None and wanted == position.quantity:
            return entry
        price = self._means.board.price(symbol, self._means.exchange.now_ms())
        return entry if price is None else price.mark


def _made_up_for(adjustments: Sequence[AccountEvent], left: Decimal) -> Sequence[AccountEvent]:
    """Give the adjustments that what is left over is the opposite of: one of them, or the newest few together; none where there are none such."""
    for event in reversed(adjustments):
        if event.quantity == -left:
            return [event]
    for first in range(len(adjustments) - 1, -1, -1):
        if sum((event.quantity for event in adjustments[first:]), ZERO) == -left:
            return adjustments[first:]
    return []


def _adjustment(account: str, symbol: str, quantity: Decimal, price: Decimal, tally: Tally, ts: int) -> AccountEvent:
    told = "\x1f".join((account, symbol, tally.newest, str(tally.position), str(quantity), str(ts)))
    event_id = f"adjustment-{hashlib.blake2b(told.encode(), digest_size=8).hexdigest()}"
    note = f"trades up to {tally.newest or 'none'} come to {tally.position}"
    return AccountEvent(event_id, account, "ADJUSTMENT", symbol, ZERO, quantity, price, None, note, ts)
