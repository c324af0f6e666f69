"""What the exchange says of its limits, read; and how many accounts they carry."""

from typing import Any

import pytest

from connectors.exchange.capacity import capacity
from connectors.exchange.ccxt_answers import Unreadable
from connectors.exchange.rate_limits import DEFAULT, Rule, Rules, orders_header, rules_of, weight_header

WEIGHT = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2_400}
ORDERS = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300}
REQUESTS = {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 6_100}


def test_the_exchanges_list_is_read() -> None:
    rules = rules_of({"rateLimits": [REQUESTS, ORDERS, WEIGHT]})

    assert rules == Rules(Rule(2_400, 1, "MINUTE"), (Rule(300, 10, "SECOND"),))
    assert (rules.weight.length_ms, rules.orders[0].length_ms) == (60_000, 10_000)
    assert (weight_header(rules.weight), orders_header(rules.orders[0])) == ("x-mbx-used-weight-1m", "x-mbx-order-count-10s")


@pytest.mark.parametrize(
    "answer",
    [
        [], {}, {"rateLimits": {}}, {"rateLimits": []}, {"rateLimits": [ORDERS]}, {"rateLimits": [WEIGHT, WEIGHT]}, {"rateLimits": [7]},
        {"rateLimits": [WEIGHT | {"limit": 0}]}, {"rateLimits": [WEIGHT | {"limit": 1.5}]}, {"rateLimits": [WEIGHT | {"interval": "FORTNIGHT"}]},
        {"rateLimits": [WEIGHT, ORDERS | {"intervalNum": 0}]}, {"rateLimits": [{**WEIGHT, "limit": None}]},
    ],
)  # fmt: skip
def test_a_list_that_is_not_what_we_know_is_not_guessed_at(answer: Any) -> None:
    with pytest.raises(Unreadable):
        rules_of(answer)


@pytest.mark.parametrize(
    ("limit", "period_s", "symbols", "accounts", "a_sweep"),
    [(2_400, 300, 3, 26, 135), (1_200, 300, 3, 13, 135), (1_200, 60, 0, 3, 120), (2_400, 60, 100, 1, 620), (100, 60, 3, 0, 135)],
)
def test_an_ip_carries_as_many_accounts_as_30_percent_of_its_weight_pay_for(
    limit: int, period_s: int, symbols: int, accounts: int, a_sweep: int
) -> None:
    found = capacity(DEFAULT.weight._replace(limit=limit), period_s, symbols)

    assert found == (accounts, a_sweep, limit * 3 // 10)
