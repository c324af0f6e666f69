"""The questions the adapter asks, and what each costs of the allowance.

Decides: endpoint by ccxt's name for it, weight as the exchange charges it, and whether it is signed with a time. Leaves to others: waiting until
there is enough (allowance); reply headers tell when a weight here is wrong, and correct what was counted.
"""

from typing import Final, NamedTuple


class Endpoint(NamedTuple):
    """A question."""

    method: str
    """Of ccxt."""
    weight: int
    timed: bool = True
    """Signed, with a timestamp and a window."""


PING: Final = Endpoint("fapiPublicGetPing", 1, timed=False)
TIME: Final = Endpoint("fapiPublicGetTime", 1, timed=False)
LIMITS: Final = Endpoint("fapiPublicGetExchangeInfo", 1, timed=False)
"""What the exchange lets one ask. It tells of all markets, too."""

PLACE: Final = Endpoint("fapiPrivatePostOrder", 1)
"""The exchange charges 0 or 1, by endpoint and by year, and counts orders apart: 1 never asks for too much. A stop is an order here."""
CANCEL: Final = Endpoint("fapiPrivateDeleteOrder", 1)
FIND: Final = Endpoint("fapiPrivateGetOrder", 1)
OPEN_ORDERS: Final = Endpoint("fapiPrivateGetOpenOrders", 40)
OPEN_ORDERS_OF_SYMBOL: Final = OPEN_ORDERS._replace(weight=1)
ALL_ORDERS: Final = Endpoint("fapiPrivateGetAllOrders", 5)
TRADES: Final = Endpoint("fapiPrivateGetUserTrades", 5)

PLACE_STOP: Final = Endpoint("fapiPrivatePostAlgoOrder", PLACE.weight)
CANCEL_STOP: Final = Endpoint("fapiPrivateDeleteAlgoOrder", 1)
FIND_STOP: Final = Endpoint("fapiPrivateGetAlgoOrder", 1)
OPEN_STOPS: Final = Endpoint("fapiPrivateGetOpenAlgoOrders", 40)

POSITIONS: Final = Endpoint("fapiPrivateV3GetPositionRisk", 5)
BALANCES: Final = Endpoint("fapiPrivateV3GetBalance", 5)
INCOME: Final = Endpoint("fapiPrivateGetIncome", 30)

PERMISSIONS: Final = Endpoint("sapiGetAccountApiRestrictions", 1)
ACCOUNT: Final = Endpoint("fapiPrivateV2GetAccount", 5)
POSITION_MODE: Final = Endpoint("fapiPrivateGetPositionSideDual", 30)
LEVERAGE: Final = Endpoint("fapiPrivatePostLeverage", 1)
MARGIN_TYPE: Final = Endpoint("fapiPrivatePostMarginType", 1)

LISTEN: Final = Endpoint("fapiPrivatePostListenKey", 1, timed=False)
KEEP_LISTENING: Final = Endpoint("fapiPrivatePutListenKey", 1, timed=False)
