"""Ids of a run: made of those that a seed gives, and of when the run began.

Decides: that two runs of one seed share no id: a desk that has seen the first takes nothing of the second for a repeat. Leaves to others: the rest of
each body.
"""

from streams.desk.messages import AccountEvent, Body, Control, Fill, Instrument, Mark, OrderEvent, Signal


class Names:
    """Makes the ids of a run its own."""

    def __init__(self, start_ms: int) -> None:
        """Name the run after its start."""
        self._run = f"{start_ms:x}"

    def own(self, body: Body) -> Body:
        """Give a body with its id made unique."""
        match body:
            case Signal():
                return body._replace(signal_id=self._of(body.signal_id))
            case Mark():
                return body._replace(mark_id=self._of(body.mark_id))
            case Instrument():
                return body._replace(instrument_id=self._of(body.instrument_id))
            case Control():
                return body._replace(control_id=self._of(body.control_id))
            case OrderEvent():
                return body._replace(
                    event_id=self._of(body.event_id),
                    exchange_order_id=body.exchange_order_id and self._of(body.exchange_order_id),
                )
            case Fill():
                return body._replace(trade_id=self._of(body.trade_id))
            case AccountEvent():
                return body._replace(event_id=self._of(body.event_id), reverses=body.reverses and self._of(body.reverses))
        return body

    def _of(self, name: str) -> str:
        return f"{self._run}-{name}"
