"""The part of the ledger that holds stops: what is known of each one that was ever wanted and not forgotten yet.

Decides: how records of a stop merge, whatever order they come in, and which stop of a position is the newest: that of the newest order, and of
several of one order the last. A stop counts from the record on that says it is wanted; steps without one are what a deletion has left.
Leaves to others: writing, and what to do about a stop (protecting).
"""

from dataclasses import dataclass
from decimal import Decimal

from streams.desk.messages import OrderSide
from streams.pipeline.execution.ledger_keys import Lane, Place, place_in
from streams.pipeline.execution.ledger_records import StepRecord, later


@dataclass(slots=True)
class Stop:
    """A stop, and its fate as far as it is known."""

    account: str
    symbol: str
    client_id: str
    wanted: StepRecord | None = None
    sent: StepRecord | None = None
    exchange_id: str = ""
    done: StepRecord | None = None

    @property
    def lane(self) -> Lane:
        """Give whose it is."""
        return self.account, self.symbol

    @property
    def order_id(self) -> str:
        """Name the order whose stop it is."""
        return self.client_id.rpartition("-s")[0]

    @property
    def number(self) -> int:
        """Tell which stop of its order it is, from 1."""
        return int(self.client_id.rpartition("-s")[2])

    @property
    def place(self) -> Place:
        """Give its order's place."""
        return place_in(self.order_id)

    @property
    def price(self) -> Decimal:
        """Give the price it waits for."""
        assert self.wanted is not None
        return self.wanted.quantity

    @property
    def side(self) -> OrderSide:
        """Tell whether it sells or buys."""
        assert self.wanted is not None
        return "BUY" if self.wanted.kind == "BUY" else "SELL"

    @property
    def doubtful(self) -> bool:
        """Tell whether it was sent and nobody knows yet what became of it."""
        return self.sent is not None and not self.exchange_id and self.done is None


def stop_id(order_id: str, number: int) -> str:
    """Name a stop: at most 32 and 4 characters, as long as there are fewer than a hundred of an order."""
    return f"{order_id}-s{number}"


class Stops:
    """The stops of one partition."""

    def __init__(self) -> None:
        """Know none."""
        self._lanes: dict[Lane, dict[str, Stop]] = {}
        self.keys: dict[str, set[bytes]] = {}
        """By client id, all keys there are of a stop."""

    def take(self, key: bytes, lane: Lane, client_id: str, step: str, record: StepRecord | None) -> None:
        """Take a record in that is durable; None where it was deleted."""
        lanes = self._lanes.setdefault(lane, {})
        if record is None:
            self._drop(key, lane, client_id)
            return
        self.keys.setdefault(client_id, set()).add(key)
        stop = lanes.setdefault(client_id, Stop(*lane, client_id))
        stop.exchange_id = stop.exchange_id or record.exchange_id
        if step == "WANTED":
            stop.wanted = stop.wanted or record
        elif step == "SENDING":
            stop.sent = later(stop.sent, record)
        elif step == "DONE":
            stop.done = stop.done or record

    def of(self, lane: Lane) -> list[Stop]:
        """Give the stops of an account in a symbol, the newest last."""
        found = [stop for stop in self._lanes.get(lane, {}).values() if stop.wanted is not None]
        return sorted(found, key=lambda stop: (stop.place, stop.number))

    def open(self, lane: Lane) -> list[Stop]:
        """Give those that are not over, the newest last."""
        return [stop for stop in self.of(lane) if stop.done is None]

    def of_id(self, lane: Lane, client_id: str) -> Stop | None:
        """Find a stop by its name."""
        stop = self._lanes.get(lane, {}).get(client_id)
        return stop if stop is not None and stop.wanted is not None else None

    def lanes(self) -> list[Lane]:
        """Give all accounts and symbols that have stops."""
        return sorted(lane for lane, stops in self._lanes.items() if stops)

    def _drop(self, key: bytes, lane: Lane, client_id: str) -> None:
        keys = self.keys.get(client_id, set())
        keys.discard(key)
        stop = self._lanes[lane].get(client_id)
        if stop is not None and key.endswith(b"/WANTED"):
            stop.wanted = None
        if not keys:
            self.keys.pop(client_id, None)
            self._lanes[lane].pop(client_id, None)
