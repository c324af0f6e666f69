"""How open orders are counted."""

from dataclasses import replace
from decimal import Decimal

import pytest

from streams.app.execution_figures import STEPS, step_of
from streams.desk.outputs import Order
from streams.desk.turn import order_id
from streams.pipeline.execution.ledger import Attempt, Entry
from streams.pipeline.execution.ledger_keys import Place
from streams.pipeline.execution.ledger_records import StepRecord

ONE = Decimal(1)
ORDER = Order(
    order_id(1, "main", 9, 0), "main", 9, 0, "BTCUSDT", "BUY", "MARKET", ONE, None, False, None, "s", 0, 1, 0, ONE, ONE, -1, -1, 1
)  # fmt: skip
NEW = Attempt(0, ONE)
SENT = replace(NEW, sent=StepRecord(1, ONE, 3_000))
AT_EXCHANGE = replace(SENT, exchange_id="7")


@pytest.mark.parametrize(
    ("attempt", "step"),
    [
        (NEW, "NEW"),
        (SENT, "SENDING"),
        (replace(SENT, unknown=True), "UNKNOWN"),
        (AT_EXCHANGE, "WORKING"),
        (replace(AT_EXCHANGE, unknown=True), "WORKING"),
        (replace(AT_EXCHANGE, filled=ONE), "PARTIAL"),
    ],
)
def test_an_order_is_counted_where_its_last_attempt_is(attempt: Attempt, step: str) -> None:
    assert step_of(Entry(ORDER, Place(1, 9, 0), [replace(AT_EXCHANGE), attempt])) == step
    assert step in STEPS
