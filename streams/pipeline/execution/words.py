"""What execution says to the desk. Saying it again after a crash is saying the same: ids and times come from the order and the exchange.

Decides: the ids, and whose order a client id is. Leaves to others: when something is said.
"""

import re
from typing import Final, Literal

from streams.desk.messages import Fill, OrderEvent
from streams.exchange.port import Trade
from streams.pipeline.execution.ledger import Attempt, Entry

Kind = Literal["ACKNOWLEDGED", "REJECTED", "CANCELLED", "EXPIRED", "UNKNOWN", "CANCEL_REJECTED"]
_OURS: Final = re.compile(r"(q[0-9a-z]{1,6}-[0-9a-f]{10}-[0-9a-z]+-[0-9a-z]+)-[as][0-9]+")
REASON_CHARACTERS_MAX: Final = 200


def event(entry: Entry, attempt: Attempt, kind: Kind, ts: int, *, exchange_id: str = "", reason: str = "") -> OrderEvent:
    """Say what became of an order."""
    order = entry.order
    return OrderEvent(
        f"{order.order_id}-{attempt.number}-{kind}", order.account, order.order_id, kind, attempt.number,
        exchange_id or attempt.exchange_id, reason[:REASON_CHARACTERS_MAX], ts,
    )  # fmt: skip


def cancel_rejected(entry: Entry) -> OrderEvent:
    """Say that an order is still open although it was to be cancelled. Each cancel gets an answer of its own."""
    cancel, attempt = entry.cancel, entry.attempt
    assert cancel is not None
    said = event(entry, attempt, "CANCEL_REJECTED", cancel.ts)
    # Without the exchange's id, which may be known only when it is said again.
    return said._replace(event_id=f"{said.event_id}-{cancel.offset}-{cancel.n}", exchange_order_id="")


def fill(venue: str, account: str, trade: Trade, client_id: str) -> Fill:
    """Say a trade. `client_id`: of its order, found out where the trade does not name it."""
    return Fill(
        venue, trade.trade_id, account, trade.symbol, order_id_of(client_id) or f"x{trade.exchange_id}", trade.side, trade.price, trade.quantity,
        trade.fee, trade.fee_currency, trade.ts,
    )  # fmt: skip


def order_id_of(client_id: str) -> str:
    """Give the desk's id of an order, or of the one whose stop this is; empty where it is none of ours."""
    found = _OURS.fullmatch(client_id)
    return found[1] if found else ""
