"""Where in the ledger something stands. Everything of one fact is in its key, so that a late record of a zombie is a record of its own.

    partition/account/order/1-9-0/new             the order, as it was approved
    partition/account/order/1-9-0/cancel          the desk's wish to have it back
    partition/account/order/1-9-0/0/SENDING/ts    an attempt's steps; each time it is sent has a key of its own
    partition/account/high/1-9-0                  all orders up to this one are over
    partition/account/trades/BTCUSDT              how far trades were said
    partition//owner/token                        who owns, or owned, the partition

Decides: the keys, and the order of steps. Leaves to others: what is kept under them (ledger).
"""

from typing import Final, Literal, NamedTuple

from streams.desk.outputs import Order
from streams.desk.turn import order_id

Step = Literal["REFUSED", "SENDING", "UNKNOWN", "WORKING", "PARTIAL", "DONE"]
NEW: Final = "new"
CANCEL: Final = "cancel"


class Place(NamedTuple):
    """Where on the tape an order was decided; orders of an account come in this order."""

    epoch: int
    offset: int
    n: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}-{self.n}"


def place_of(order: Order) -> Place | None:
    """Give an order's place; nothing where its id is not the one it has to have."""
    head, _, _ = order.order_id.partition("-")
    if not (head.startswith("q") and head[1:].isascii() and head[1:].isalnum()):
        return None
    epoch = int(head[1:], 36)
    return (
        Place(epoch, order.offset, order.n) if order_id(epoch, order.account, order.offset, order.n) == order.order_id else None
    )


def read_place(text: str) -> Place:
    """Read a place from a key."""
    epoch, offset, n = text.split("-")
    return Place(int(epoch), int(offset), int(n))


class Keys:
    """The keys of one partition."""

    def __init__(self, partition: int) -> None:
        """Begin all with it."""
        self.partition = partition

    def new(self, account: str, place: Place) -> bytes:
        """Give the key of the order itself."""
        return self._key(account, "order", place, NEW)

    def cancel(self, account: str, place: Place) -> bytes:
        """Give the key of the wish to cancel it."""
        return self._key(account, "order", place, CANCEL)

    def step(self, account: str, place: Place, attempt: int, step: Step, ts: int) -> bytes:
        """Give the key of a step of an attempt."""
        sent = (ts,) if step == "SENDING" else ()
        return self._key(account, "order", place, attempt, step, *sent)

    def high(self, account: str, place: Place) -> bytes:
        """Give the key of a high-water."""
        return self._key(account, "high", place)

    def trades(self, account: str, symbol: str) -> bytes:
        """Give the key of how far trades were said."""
        return self._key(account, "trades", symbol)

    def owner(self, token: str) -> bytes:
        """Give the key of an owner."""
        return self._key("", "owner", token)

    def _key(self, *parts: object) -> bytes:
        return "/".join(str(part) for part in (self.partition, *parts)).encode()
