"""Weights and order counts: headers, windows, 429 with the wait, then 418, each ban twice as long as the one before."""

import pytest

from connectors.exchange.simulator.routes import ROUTES
from connectors.exchange.simulator.weights import BAN_MS_MAX, Limits, Meter, Verdict

MINUTE = 60_000
START_MS = 1_700_000_040_000
"""The beginning of a minute."""


def weighed(
    meter: Meter, weight: int, at_ms: int = 0, *, ip: str = "1.1.1.1", account: str = "alice", orders: int = 0
) -> Verdict:
    return meter.take(ip, account, weight, orders, START_MS + at_ms)


def test_the_limits_are_those_of_the_exchange() -> None:
    assert Limits()[:3] == (2_400, 1_200, 300)


def test_weight_is_counted_by_address_until_the_minute_is_over() -> None:
    meter = Meter(Limits())

    assert [weighed(meter, 5, account=name).headers["X-MBX-USED-WEIGHT-1M"] for name in ("alice", "bob")] == ["5", "10"]
    assert weighed(meter, 5, ip="2.2.2.2").headers == {"X-MBX-USED-WEIGHT-1M": "5"}
    assert weighed(meter, 5, MINUTE - 1).headers["X-MBX-USED-WEIGHT-1M"] == "15"
    assert weighed(meter, 5, MINUTE).headers["X-MBX-USED-WEIGHT-1M"] == "5"


def test_orders_are_counted_by_account_in_ten_seconds_and_in_a_minute() -> None:
    meter = Meter(Limits())
    weighed(meter, 1, orders=1)
    weighed(meter, 1, orders=1, account="bob")

    assert weighed(meter, 1, 9_999, orders=1, ip="2.2.2.2").headers == {
        "X-MBX-USED-WEIGHT-1M": "1",
        "X-MBX-ORDER-COUNT-10S": "2",
        "X-MBX-ORDER-COUNT-1M": "2",
    }
    later = weighed(meter, 1, 10_000, orders=1).headers
    assert (later["X-MBX-ORDER-COUNT-10S"], later["X-MBX-ORDER-COUNT-1M"]) == ("1", "3")


def test_past_the_weight_everybody_of_the_address_waits_for_the_next_minute() -> None:
    meter = Meter(Limits())
    assert weighed(meter, 2_400).status == 200
    verdict = weighed(meter, 1, 20_500, account="bob")

    assert (verdict.status, verdict.code, verdict.headers["Retry-After"]) == (429, -1003, "40")
    assert weighed(meter, 1, 20_500, ip="2.2.2.2").status == 200
    assert weighed(meter, 1, MINUTE).status == 200


@pytest.mark.parametrize(("limits", "after_s"), [(Limits(orders_10s=3), "7"), (Limits(orders_1m=3), "57")])
def test_past_the_order_counts_an_account_waits_for_the_window_it_filled(limits: Limits, after_s: str) -> None:
    meter = Meter(limits)
    statuses = [weighed(meter, 1, 3_000, orders=1).status for _ in range(3)]
    verdict = weighed(meter, 1, 3_000, orders=1)

    assert statuses == [200, 200, 200]
    assert (verdict.status, verdict.code, verdict.headers["Retry-After"]) == (429, -1015, after_s)
    assert weighed(meter, 1, 3_000, orders=1, account="bob").status == 200


def test_who_goes_on_asking_is_banned_and_each_ban_is_twice_as_long() -> None:
    meter = Meter(Limits(refusals_max=2, ban_ms=120_000))
    weighed(meter, 2_400)
    statuses = [weighed(meter, 1).status for _ in range(4)]

    assert statuses == [429, 429, 418, 418]
    banned = weighed(meter, 1, 119_001)
    assert (banned.status, banned.headers["Retry-After"], meter.bans()) == (418, "1", {"1.1.1.1": 1})
    assert weighed(meter, 1, 120_000).status == 200

    weighed(meter, 2_400, 120_000)
    again = [weighed(meter, 1, 120_000) for _ in range(2)][-1]
    assert (again.status, again.headers["Retry-After"]) == (418, "240")


def test_no_ban_is_longer_than_three_days() -> None:
    meter, at_ms, bans_ms = Meter(Limits(weight_1m=0, refusals_max=0)), 0, [0]
    for _ in range(20):
        bans_ms.append(int(weighed(meter, 1, at_ms).headers["Retry-After"]) * 1_000)
        at_ms += bans_ms[-1]

    assert bans_ms == sorted(bans_ms)
    assert bans_ms[-1] == BAN_MS_MAX


def test_what_was_refused_was_counted_too() -> None:
    meter = Meter(Limits(weight_1m=10, refusals_max=1))
    for _ in range(4):
        weighed(meter, 6, orders=1)

    assert meter.tallies["alice"] == {"requests": 4, "weight": 24, "orders": 4, "refused_429": 1, "refused_418": 2, "bans": 1}


@pytest.mark.parametrize(
    ("question", "told", "weight"),
    [
        ("GET /fapi/v1/depth", {}, 10), ("GET /fapi/v1/depth", {"limit": "5"}, 2), ("GET /fapi/v1/depth", {"limit": "100"}, 5),
        ("GET /fapi/v1/depth", {"limit": "1000"}, 20), ("GET /fapi/v1/klines", {"limit": "99"}, 1), ("GET /fapi/v1/klines", {"limit": "100"}, 2),
        ("GET /fapi/v1/klines", {}, 5), ("GET /fapi/v1/klines", {"limit": "1500"}, 10), ("GET /fapi/v1/premiumIndex", {}, 10),
        ("GET /fapi/v1/premiumIndex", {"symbol": "X"}, 1), ("GET /fapi/v1/ticker/bookTicker", {}, 5), ("GET /fapi/v1/openOrders", {}, 40),
        ("GET /fapi/v1/openOrders", {"symbol": "X"}, 1), ("GET /fapi/v1/openAlgoOrders", {}, 40), ("GET /fapi/v1/userTrades", {}, 5),
        ("GET /fapi/v1/allOrders", {}, 5), ("GET /fapi/v3/positionRisk", {}, 5), ("GET /fapi/v3/balance", {}, 5), ("GET /fapi/v1/income", {}, 30),
        ("POST /fapi/v1/countdownCancelAll", {}, 10), ("DELETE /fapi/v1/order", {}, 1), ("POST /fapi/v1/listenKey", {}, 1),
    ],
)  # fmt: skip
def test_questions_weigh_what_they_weigh_on_the_exchange(question: str, told: dict[str, str], weight: int) -> None:
    method, path = question.split()

    assert ROUTES[method, path].weight(told) == weight


def test_orders_and_conditional_orders_count_as_orders_and_nothing_else_does() -> None:
    assert {question for question, route in ROUTES.items() if route.orders} == {
        ("POST", "/fapi/v1/order"),
        ("POST", "/fapi/v1/algoOrder"),
    }
