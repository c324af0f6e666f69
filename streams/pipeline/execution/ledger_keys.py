"""Where in the ledger something stands. Everything of one fact is in its key, so that a late record of a zombie is a record of its own.

    partition/account/order/1-9-0/new             the order, as it was approved
    partition/account/order/1-9-0/cancel          the desk's wish to have it back
    partition/account/order/1-9-0/0/SENDING/ts    an attempt's steps; each time it is sent, and each decision that it is over, has a key of its own
    partition/account/high/1-9-0                  all orders up to this one are over
    partition/account/trades/BTCUSDT              how far trades were said; `*`: from when on an account's trades are ours to say at all
    partition/account/stop/BTCUSDT/q1-…-s1/WANTED a stop's steps, under its client id
    partition/account/adjustment/BTCUSDT/id/made  an adjustment, as it is to be said; `said` when it was; `undone`: its reversal
    partition/account/paid/FUNDING_FEE-7-BTCUSDT  a payment that was said; `*`: those before have all been, and are kept no longer
    partition//owner/token                        who owns, or owned, the partition

Decides: the keys, and the order of steps. Leaves to others: what is kept under them (ledger).
"""

from typing import Final, Literal, NamedTuple

from streams.desk.outputs import Order
from streams.desk.ranges import is_account, is_symbol
from streams.desk.turn import order_id

ORDER_ID_CHARACTERS_MAX: Final = 32
"""With 4 more for the attempt that is what exchanges take."""
Step = Literal["WANTED", "SENDING", "UNKNOWN", "WORKING", "PARTIAL", "DONE", "OVER"]
Lane = tuple[str, str]
"""An account and a symbol."""
NEW: Final = "new"
CANCEL: Final = "cancel"
EVERY: Final = "*"
"""In the place of a symbol or a payment: it holds for all that have no key of their own."""


class Place(NamedTuple):
    """Where on the tape an order was decided; orders of an account come in this order."""

    epoch: int
    offset: int
    n: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}-{self.n}"


def place_of(order: Order) -> Place | None:
    """Give an order's place; nothing where it is none of the desk's: its id is not the one it has to have, or it asks for what no order can."""
    head, _, _ = order.order_id.partition("-")
    if not (head.startswith("q") and head[1:].isascii() and head[1:].isalnum()) or len(order.order_id) > ORDER_ID_CHARACTERS_MAX:
        return None
    if not (is_account(order.account) and is_symbol(order.symbol) and order.offset >= 0 and order.n >= 0 and order.quantity > 0):
        return None
    place = Place(int(head[1:], 36), order.offset, order.n)
    return place if order_id(place.epoch, order.account, order.offset, order.n) == order.order_id else None


def place_in(order_id: str) -> Place:
    """Read the place out of an order's id."""
    epoch, _, offset, n = order_id.split("-")
    return Place(int(epoch[1:], 36), int(offset, 36), int(n, 36))


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
        """Give the key of a step of an attempt. Two owners may come to the same step each for itself: what they decide there is kept apart."""
        own = (ts,) if step in {"SENDING", "DONE"} else ()
        return self._key(account, "order", place, attempt, step, *own)

    def high(self, account: str, place: Place) -> bytes:
        """Give the key of a high-water."""
        return self._key(account, "high", place)

    def trades(self, account: str, symbol: str) -> bytes:
        """Give the key of how far trades were said."""
        return self._key(account, "trades", symbol)

    def stop(self, account: str, symbol: str, client_id: str, step: Step, ts: int = 0) -> bytes:
        """Give the key of a step of a stop."""
        sent = (ts,) if step == "SENDING" else ()
        return self._key(account, "stop", symbol, client_id, step, *sent)

    def adjustment(self, account: str, symbol: str, event_id: str, part: str) -> bytes:
        """Give the key of a part of what is known of an adjustment."""
        return self._key(account, "adjustment", symbol, event_id, part)

    def paid(self, account: str, payment_id: str) -> bytes:
        """Give the key of a payment that was said."""
        return self._key(account, "paid", payment_id)

    def owner(self, token: str) -> bytes:
        """Give the key of an owner."""
        return self._key("", "owner", token)

    def _key(self, *parts: object) -> bytes:
        return "/".join(str(part) for part in (self.partition, *parts)).encode()
