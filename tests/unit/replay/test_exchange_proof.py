"""What the proof of execution finds: a run in which all is well, and each thing that can be wrong in it."""

from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest

from streams.desk.messages import AccountEvent, Fill, OrderEvent
from streams.desk.outputs import Order
from streams.desk.turn import order_id
from streams.desk.values import ZERO
from streams.replay.exchange_proof import WRONG, Findings, Holding, Said, compare

OPENING = Decimal(1_000)


def order(offset: int, quantity: str = "3") -> Order:
    name = order_id(1, "main", offset, 1)
    return Order(
        name, "main", offset, 1, "BTCUSDT", "BUY", "MARKET", Decimal(quantity), None, False, None, "", 0, 1, 0, ZERO, Decimal(1), -1, -1, 0
    )  # fmt: skip


def event(of: Order, kind: Any, *, attempt: int = 0, exchange_id: str = "", reason: str = "") -> OrderEvent:
    return OrderEvent(f"{of.order_id}-{attempt}-{kind}", of.account, of.order_id, kind, attempt, exchange_id, reason, 5)


class Run:
    """What a run has left: an order filled in two trades, one sold again in part, one that was refused."""

    def __init__(self) -> None:
        self.bought, self.sold, self.refused = order(1), order(2, "1")._replace(side="SELL"), order(3)
        self.orders = [self.bought, self.sold, self.refused]
        self.events = [
            event(self.bought, "ACKNOWLEDGED", exchange_id="1"),
            event(self.refused, "REJECTED", reason="TOO_OLD age_ms=7"),
        ]
        self.fills: list[Fill] = []
        self.moved: list[AccountEvent] = []
        self.told: dict[str, Any] = {
            "accounts": {"main": {"orders": [], "algos": [], "trades": [], "positions": [], "balances": {}}}, "bans": {},
        }  # fmt: skip
        self.row(1, self.bought, "3")
        self.row(2, self.sold, "1")
        self.trade(1, 1, self.bought, "1", "10")
        self.trade(2, 1, self.bought, "2", "11")
        self.trade(3, 2, self.sold, "1", "12")
        # 32 / 3 leave with the first that is sold, rounded once: 12 - 10.66666667, less three fees
        self.main["balances"] = {"USDT": str(OPENING + Decimal("1.33333333") - Decimal("0.3"))}
        self.main["positions"] = [{"symbol": "BTCUSDT", "quantity": "2"}]

    @property
    def main(self) -> dict[str, Any]:
        found: dict[str, Any] = self.told["accounts"]["main"]
        return found

    def row(self, number: int, of: Order, filled: str, *, attempt: int = 0, status: str = "FILLED") -> None:
        self.main["orders"].append(
            {
                "order_id": number, "client_id": f"{of.order_id}-a{attempt}", "symbol": of.symbol, "filled": filled, "status": status,
                "algo_id": 0, "original_type": "MARKET",
            }
        )  # fmt: skip

    def trade(self, number: int, row: int, of: Order, quantity: str, price: str) -> None:
        self.main["trades"].append(
            {
                "trade_id": number, "order_id": row, "client_id": f"{of.order_id}-a0", "symbol": of.symbol, "side": of.side, "price": price,
                "quantity": quantity, "commission": "0.1", "commission_asset": "USDT",
            }
        )  # fmt: skip
        figures = (Decimal(price), Decimal(quantity), Decimal("0.1"))
        self.fills.append(Fill("sim", str(number), of.account, of.symbol, of.order_id, of.side, *figures, "USDT", 7))

    def found(self) -> Findings:
        return compare(Said(self.orders, self.events, self.fills, self.moved, {"main": {"USDT": OPENING}}), self.told)


def test_nothing_is_wrong_where_all_is_well() -> None:
    found = Run().found()

    assert found.wrong == dict.fromkeys(WRONG, 0), found.examples
    assert found.ok
    assert (found.orders, found.attempts, found.trades, found.filled_in_parts) == (3, 2, 3, 1)
    assert found.ends == {"FILLED": 2, "REJECTED TOO_OLD": 1}


def test_records_that_are_there_again_are_no_trouble() -> None:
    run = Run()
    run.fills += run.fills
    run.events += run.events

    assert run.found().ok


def sent_twice(run: Run) -> None:
    run.row(9, run.sold, "0", status="EXPIRED")


def too_much(run: Run) -> None:
    run.row(9, run.sold, "0.5", attempt=1, status="EXPIRED")


def never_approved(run: Run) -> None:
    run.row(9, order(77), "0", status="EXPIRED")


def lost(run: Run) -> None:
    run.events.pop()


def still_unknown(run: Run) -> None:
    run.events[-1] = event(run.refused, "UNKNOWN")


def without_an_end(run: Run) -> None:
    run.events.pop()
    run.row(9, run.refused, "0", status="CANCELED")


def open_there_and_over_here(run: Run) -> None:
    run.row(9, run.refused, "0", status="NEW")
    run.events[-1] = run.events[-1]._replace(exchange_order_id="9")


def believed_dead(run: Run) -> None:
    run.row(9, run.refused, "0", status="EXPIRED")
    run.events[-1] = event(run.refused, "EXPIRED", reason="NEVER_ACCEPTED")


def fill_with_another_fee(run: Run) -> None:
    run.fills[0] = run.fills[0]._replace(fee_currency="BNB")


def fill_of_another_order(run: Run) -> None:
    run.fills[0] = run.fills[0]._replace(order_id=run.sold.order_id)


def one_id_that_says_two_things(run: Run) -> None:
    run.events.append(run.events[-1]._replace(reason="COLLAR"))


def a_wallet_that_is_off_by_the_last_digit(run: Run) -> None:
    run.main["balances"]["USDT"] = str(Decimal(run.main["balances"]["USDT"]) + Decimal("0.00000001"))


def money_that_came_from_nowhere(run: Run) -> None:
    run.main["balances"]["BNB"] = "1"


def a_position_nobody_told_of(run: Run) -> None:
    run.main["positions"].append({"symbol": "ETHUSDT", "quantity": "1"})


def banned(run: Run) -> None:
    run.told["bans"] = {"127.0.0.1": 1}


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (sent_twice, {"sent_twice"}),
        (too_much, {"sent_too_much"}),
        (never_approved, {"never_approved"}),
        (lost, {"lost"}),
        (still_unknown, {"unknown_left"}),
        (without_an_end, {"unsettled"}),
        (open_there_and_over_here, {"unsettled"}),
        (believed_dead, {"false_ends"}),
        (fill_with_another_fee, {"fill_differences", "cash_differences"}),
        (fill_of_another_order, {"fill_differences"}),
        (one_id_that_says_two_things, {"contradicting"}),
        (a_wallet_that_is_off_by_the_last_digit, {"cash_differences"}),
        (money_that_came_from_nowhere, {"cash_differences"}),
        (a_position_nobody_told_of, {"position_differences"}),
        (banned, {"bans"}),
    ],
)
def test_what_is_wrong_is_found_under_its_name(spoil: Callable[[Run], None], what: set[str]) -> None:
    run = Run()
    spoil(run)

    found = run.found()

    assert {name for name, times in found.wrong.items() if times} == what, found.examples
    assert found.examples
    assert not found.ok


def test_a_fill_that_is_missing_shows_in_position_and_cash_too() -> None:
    run = Run()
    run.fills.pop()

    found = run.found()

    assert (found.fill_differences, found.position_differences, found.cash_differences) == (1, 1, 1)


def test_a_fill_nobody_traded_is_found() -> None:
    run = Run()
    run.fills.append(run.fills[0]._replace(trade_id="99"))

    assert run.found().fill_differences == 1


def test_what_was_paid_counts_and_an_adjustment_has_to_be_undone() -> None:
    run = Run()
    run.main["balances"]["USDT"] = str(Decimal(run.main["balances"]["USDT"]) - 2 + 50 - 7)
    for number, (kind, amount) in enumerate((("FUNDING", "-2"), ("DEPOSIT", "50"), ("WITHDRAWAL", "7"))):
        run.moved.append(AccountEvent(str(number), "main", kind, None, Decimal(amount), ZERO, ZERO, None, "", 1))  # type: ignore[arg-type]  # of three kinds
    assert run.found().ok

    adjusted = AccountEvent("a", "main", "ADJUSTMENT", "BTCUSDT", ZERO, Decimal(1), Decimal(10), None, "", 1)
    run.moved.append(adjusted)
    assert run.found().position_differences == 1

    run.moved.append(adjusted._replace(event_id="b", quantity=Decimal(-1), reverses="a"))
    assert run.found().ok


def test_what_became_of_a_stop_was_not_sent() -> None:
    run = Run()
    run.row(9, run.bought, "0", status="EXPIRED")
    run.main["orders"][-1]["algo_id"] = 4

    assert run.found().ok


def test_whole_closes_leave_nothing_rounded() -> None:
    held = Holding()
    quantities = ("3", "-1", "-1", "-2", "4", "-3")
    prices = ("10", "11.1", "10.7", "9.3", "10.9", "11")

    realised = sum((held.trade(Decimal(q), Decimal(p)) for q, p in zip(quantities, prices, strict=True)), ZERO)

    assert realised == -sum((Decimal(q) * Decimal(p) for q, p in zip(quantities, prices, strict=True)), ZERO)


def test_comparing_changes_nothing() -> None:
    run = Run()
    before = deepcopy(run.told)

    run.found()

    assert run.told == before
