"""Every endpoint of the exchange: who answers, what it weighs, what proof it wants.

Decides: this table, with weights as on the real exchange, but for orders, which weigh 1 here: that one has charged 0 and 1, by endpoint and by year,
and who can live with 1 can with 0. Leaves to others: answers (rest_*), counting (weights), proofs (signing).
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from connectors.exchange.simulator import rest_account, rest_algos, rest_orders, rest_public
from connectors.exchange.simulator.calls import Call
from connectors.exchange.simulator.house import House

Handler = Callable[[House, Call], object]
Weight = Callable[[Mapping[str, str]], int]
Proof = Literal["none", "key", "signed", "trade"]
"""`trade` is signed with a key that may trade futures."""


class Route(NamedTuple):
    """An endpoint."""

    handler: Handler
    weight: Weight
    proof: Proof
    orders: int = 0
    """How many orders it counts as."""


def _flat(weight: int) -> Weight:
    return lambda _parameters: weight


def _by_symbol(of_one: int, of_all: int) -> Weight:
    return lambda parameters: of_one if parameters.get("symbol") else of_all


def _by_limit(steps: Mapping[int, int], usual: int, beyond: int) -> Weight:
    """Weigh by how many rows are asked for: `steps` are the most rows for a weight."""

    def weight(parameters: Mapping[str, str]) -> int:
        text = parameters.get("limit", "")
        limit = int(text) if text.isascii() and text.isdecimal() else usual
        return next((weight for most, weight in steps.items() if limit <= most), beyond)

    return weight


_DEPTH = _by_limit({50: 2, 100: 5, 500: 10}, 500, 20)
_KLINES = _by_limit({99: 1, 499: 2, 1_000: 5}, 500, 10)

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/fapi/v1/ping"): Route(rest_public.ping, _flat(1), "none"),
    ("GET", "/fapi/v1/time"): Route(rest_public.time, _flat(1), "none"),
    ("GET", "/fapi/v1/exchangeInfo"): Route(rest_public.exchange_info, _flat(1), "none"),
    ("GET", "/fapi/v1/depth"): Route(rest_public.depth, _DEPTH, "none"),
    ("GET", "/fapi/v1/klines"): Route(rest_public.klines, _KLINES, "none"),
    ("GET", "/fapi/v1/premiumIndex"): Route(rest_public.premium_index, _by_symbol(1, 10), "none"),
    ("GET", "/fapi/v1/fundingInfo"): Route(rest_public.funding_info, _flat(1), "none"),
    ("GET", "/fapi/v1/ticker/bookTicker"): Route(rest_public.book_ticker, _by_symbol(2, 5), "none"),
    ("GET", "/fapi/v1/ticker/price"): Route(rest_public.price_ticker, _by_symbol(1, 2), "none"),
    ("GET", "/fapi/v2/ticker/price"): Route(rest_public.price_ticker, _by_symbol(1, 2), "none"),
    ("GET", "/fapi/v1/ticker/24hr"): Route(rest_public.day_ticker, _by_symbol(1, 40), "none"),
    ("POST", "/fapi/v1/order"): Route(rest_orders.place, _flat(1), "trade", orders=1),
    ("GET", "/fapi/v1/order"): Route(rest_orders.look_up, _flat(1), "signed"),
    ("DELETE", "/fapi/v1/order"): Route(rest_orders.cancel, _flat(1), "trade"),
    ("GET", "/fapi/v1/openOrder"): Route(rest_orders.look_up_open, _flat(1), "signed"),
    ("GET", "/fapi/v1/openOrders"): Route(rest_orders.open_orders, _by_symbol(1, 40), "signed"),
    ("DELETE", "/fapi/v1/allOpenOrders"): Route(rest_orders.cancel_all, _flat(1), "trade"),
    ("GET", "/fapi/v1/allOrders"): Route(rest_orders.all_orders, _flat(5), "signed"),
    ("GET", "/fapi/v1/userTrades"): Route(rest_orders.trades, _flat(5), "signed"),
    ("POST", "/fapi/v1/countdownCancelAll"): Route(rest_orders.countdown, _flat(10), "trade"),
    ("POST", "/fapi/v1/algoOrder"): Route(rest_algos.place, _flat(1), "trade", orders=1),
    ("GET", "/fapi/v1/algoOrder"): Route(rest_algos.look_up, _flat(1), "signed"),
    ("DELETE", "/fapi/v1/algoOrder"): Route(rest_algos.cancel, _flat(1), "trade"),
    ("GET", "/fapi/v1/openAlgoOrders"): Route(rest_algos.open_algos, _by_symbol(1, 40), "signed"),
    ("GET", "/fapi/v1/allAlgoOrders"): Route(rest_algos.all_algos, _flat(5), "signed"),
    ("DELETE", "/fapi/v1/algoOpenOrders"): Route(rest_algos.cancel_all, _flat(1), "trade"),
    ("GET", "/fapi/v2/balance"): Route(rest_account.balance, _flat(5), "signed"),
    ("GET", "/fapi/v3/balance"): Route(rest_account.balance, _flat(5), "signed"),
    ("GET", "/fapi/v2/account"): Route(rest_account.account, _flat(5), "signed"),
    ("GET", "/fapi/v3/account"): Route(rest_account.account, _flat(5), "signed"),
    ("GET", "/fapi/v2/positionRisk"): Route(rest_account.positions_v2, _flat(5), "signed"),
    ("GET", "/fapi/v3/positionRisk"): Route(rest_account.positions_v3, _flat(5), "signed"),
    ("GET", "/fapi/v1/accountConfig"): Route(rest_account.config, _flat(5), "signed"),
    ("GET", "/fapi/v1/symbolConfig"): Route(rest_account.symbol_config, _flat(5), "signed"),
    ("POST", "/fapi/v1/leverage"): Route(rest_account.set_leverage, _flat(1), "trade"),
    ("POST", "/fapi/v1/marginType"): Route(rest_account.set_margin_type, _flat(1), "trade"),
    ("GET", "/fapi/v1/positionSide/dual"): Route(rest_account.two_sided, _flat(30), "signed"),
    ("POST", "/fapi/v1/positionSide/dual"): Route(rest_account.set_two_sided, _flat(1), "trade"),
    ("GET", "/fapi/v1/income"): Route(rest_account.incomes, _flat(30), "signed"),
    ("GET", "/fapi/v1/commissionRate"): Route(rest_account.commission_rate, _flat(20), "signed"),
    ("GET", "/fapi/v1/leverageBracket"): Route(rest_account.leverage_brackets, _flat(1), "signed"),
    ("GET", "/fapi/v1/rateLimit/order"): Route(rest_account.order_limits, _flat(1), "signed"),
    ("GET", "/fapi/v1/multiAssetsMargin"): Route(rest_account.multi_assets, _flat(30), "signed"),
    ("GET", "/fapi/v1/feeBurn"): Route(rest_account.fee_burn, _flat(30), "signed"),
    ("POST", "/fapi/v1/feeBurn"): Route(rest_account.set_fee_burn, _flat(1), "signed"),
    ("POST", "/fapi/v1/listenKey"): Route(rest_account.listen, _flat(1), "key"),
    ("PUT", "/fapi/v1/listenKey"): Route(rest_account.keep_listening, _flat(1), "key"),
    ("DELETE", "/fapi/v1/listenKey"): Route(rest_account.stop_listening, _flat(1), "key"),
    ("GET", "/sapi/v1/account/apiRestrictions"): Route(rest_account.permissions, _flat(1), "signed"),
}
"""Every endpoint, by method and path."""
