"""Rows as the exchange's JSON.

Decides: every field of an answer, money as text. What the simulator does not have (hedge mode, self trade prevention, price protection, price match)
is told as switched off. Leaves to others: which rows (rest_*), events (wire_events).
"""

from collections.abc import Sequence
from decimal import Decimal

from connectors.exchange.simulator.money import share
from connectors.exchange.simulator.records import AlgoRow, Candle, IncomeRow, OrderRow, PositionRow, Quote, Symbol, TradeRow

Json = dict[str, object]

PERPETUAL_MS = 4_133_404_800_000
"""When a perpetual is delivered: the end of the year 2100."""
ORDER_TYPES = ["LIMIT", "MARKET", "STOP_MARKET", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
PRICE_MAX = Decimal(10_000_000)
ONE = Decimal(1)
_SWITCHED_OFF: Json = {"priceProtect": False, "priceMatch": "NONE", "selfTradePreventionMode": "NONE", "goodTillDate": 0}


def number(value: Decimal) -> str:
    """Write a number: no exponent, no zeros at its end."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def decimals(size: Decimal) -> int:
    """Count the decimals of a grid."""
    return len(number(size).partition(".")[2])


def _divided(dividend: Decimal, divisor: Decimal) -> Decimal:
    """Divide, to 8 decimals."""
    return share(ONE, dividend, divisor)


def average(quote_filled: Decimal, filled: Decimal) -> Decimal:
    """Give the price something was traded at; 0 where nothing was."""
    return _divided(quote_filled, filled) if filled else Decimal(0)


def order(row: OrderRow) -> Json:
    """Write an order."""
    return {
        "orderId": row.order_id, "symbol": row.symbol, "status": row.status, "clientOrderId": row.client_id, "price": number(row.price),
        "avgPrice": number(average(row.quote_filled, row.filled)), "origQty": number(row.quantity), "executedQty": number(row.filled),
        "cumQty": number(row.filled), "cumQuote": number(row.quote_filled), "timeInForce": row.time_in_force, "type": row.type,
        "reduceOnly": row.reduce_only, "closePosition": row.close_position, "side": row.side, "positionSide": "BOTH", "stopPrice": "0",
        "workingType": "CONTRACT_PRICE", "origType": row.original_type or row.type, "time": row.created_ms, "updateTime": row.updated_ms,
        **_SWITCHED_OFF,
    }  # fmt: skip


def algo(row: AlgoRow, became: OrderRow | None) -> Json:
    """Write a conditional order, with the order it became."""
    written: Json = {
        "algoId": row.algo_id, "clientAlgoId": row.client_id, "algoType": "CONDITIONAL", "orderType": row.type, "symbol": row.symbol,
        "side": row.side, "positionSide": "BOTH", "timeInForce": "GTC", "quantity": number(row.quantity), "algoStatus": row.status,
        "actualOrderId": str(became.order_id) if became else "", "actualType": became.type if became else "",
        "actualPrice": number(average(became.quote_filled, became.filled)) if became else "0",
        "actualQty": number(became.filled) if became else "0", "triggerPrice": number(row.trigger_price), "price": "0",
        "icebergQuantity": None, "workingType": row.working_type, "closePosition": row.close_position, "reduceOnly": row.reduce_only,
        "createTime": row.created_ms, "updateTime": row.updated_ms, "triggerTime": became.created_ms if became else 0, **_SWITCHED_OFF,
    }  # fmt: skip
    if row.type == "TRAILING_STOP_MARKET":
        written |= {"callbackRate": number(row.callback_rate), "activatePrice": number(row.activate_price)}
    return written


def trade(row: TradeRow) -> Json:
    """Write a trade of an account."""
    return {
        "symbol": row.symbol, "id": row.trade_id, "orderId": row.order_id, "side": row.side, "price": number(row.price),
        "qty": number(row.quantity), "quoteQty": number(row.price * row.quantity), "realizedPnl": number(row.realized),
        "commission": number(row.commission), "commissionAsset": row.commission_asset, "time": row.ts, "positionSide": "BOTH",
        "buyer": row.side == "BUY", "maker": row.maker,
    }  # fmt: skip


def income(row: IncomeRow) -> Json:
    """Write money that moved."""
    of_trade = row.type in {"REALIZED_PNL", "COMMISSION"}
    return {
        "symbol": row.symbol, "incomeType": row.type, "income": number(row.amount), "asset": row.asset, "info": row.info, "time": row.ts,
        "tranId": row.income_id, "tradeId": row.info if of_trade else "",
    }  # fmt: skip


def position(row: PositionRow, symbol: Symbol) -> Json:
    """Write a position as all versions of the answer have it; v2's own fields come on top."""
    value = row.quantity * row.mark_price
    initial = number(_divided(abs(value), Decimal(row.leverage)))
    set_aside = number(_divided(abs(row.quantity) * row.entry_price, Decimal(row.leverage))) if row.isolated else "0"
    return {
        "symbol": row.symbol, "positionSide": "BOTH", "positionAmt": number(row.quantity), "entryPrice": number(row.entry_price),
        "breakEvenPrice": number(row.entry_price), "markPrice": number(row.mark_price), "unRealizedProfit": number(row.unrealized),
        "liquidationPrice": number(row.liquidation_price), "isolatedMargin": set_aside, "isolatedWallet": set_aside,
        "notional": number(value), "marginAsset": symbol.quote, "initialMargin": initial, "positionInitialMargin": initial,
        "openOrderInitialMargin": "0", "maintMargin": number(abs(value) * symbol.maintenance_margin_ratio), "adl": 0, "bidNotional": "0",
        "askNotional": "0", "updateTime": row.updated_ms,
    }  # fmt: skip


def position_v2(row: PositionRow, symbol: Symbol) -> Json:
    """Write a position as the second version of the answer has it."""
    return position(row, symbol) | {
        "leverage": str(row.leverage), "marginType": "isolated" if row.isolated else "cross", "isAutoAddMargin": "false",
        "maxNotionalValue": number(PRICE_MAX), "unrealizedProfit": number(row.unrealized), "isolated": row.isolated,
        "maxNotional": number(PRICE_MAX),
    }  # fmt: skip


def market(symbol: Symbol) -> Json:
    """Write a market with its filters."""
    lot: Json = {"minQty": number(symbol.min_quantity), "stepSize": number(symbol.step_size)}
    return {
        "symbol": symbol.symbol, "pair": symbol.symbol, "contractType": "PERPETUAL", "deliveryDate": PERPETUAL_MS, "onboardDate": 1_569_398_400_000,
        "status": "TRADING", "baseAsset": symbol.base, "quoteAsset": symbol.quote, "marginAsset": symbol.quote,
        "pricePrecision": decimals(symbol.tick_size), "quantityPrecision": decimals(symbol.step_size), "baseAssetPrecision": 8,
        "quotePrecision": 8, "underlyingType": "COIN", "underlyingSubType": [], "triggerProtect": "0.0500", "liquidationFee": "0.012500",
        "marketTakeBound": number(symbol.price_up - 1), "maxMoveOrderLimit": 10_000, "orderTypes": ORDER_TYPES,
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
        "maintMarginPercent": number(symbol.maintenance_margin_ratio * 100),
        "requiredMarginPercent": number(_divided(Decimal(100), Decimal(symbol.max_leverage))),
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": number(symbol.tick_size), "maxPrice": number(PRICE_MAX),
             "tickSize": number(symbol.tick_size)},
            {"filterType": "LOT_SIZE", **lot, "maxQty": number(symbol.max_quantity)},
            {"filterType": "MARKET_LOT_SIZE", **lot, "maxQty": number(symbol.max_market_quantity)},
            {"filterType": "MAX_NUM_ORDERS", "limit": symbol.max_orders},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": symbol.max_algo_orders},
            {"filterType": "MIN_NOTIONAL", "notional": number(symbol.min_notional)},
            {"filterType": "PERCENT_PRICE", "multiplierUp": number(symbol.price_up), "multiplierDown": number(symbol.price_down),
             "multiplierDecimal": "4"},
        ],
    }  # fmt: skip


def levels(side: Sequence[tuple[Decimal, Decimal]]) -> list[list[str]]:
    """Write one side of a book."""
    return [[number(price), number(quantity)] for price, quantity in side]


def candle(row: Candle) -> list[object]:
    """Write a candle. Half of what was traded was bought by takers, as far as anybody here knows."""
    return [
        row.open_ms, number(row.open), number(row.high), number(row.low), number(row.close), number(row.volume), row.close_ms,
        number(row.quote_volume), row.trades, number(_divided(row.volume, Decimal(2))), number(_divided(row.quote_volume, Decimal(2))), "0",
    ]  # fmt: skip


def premium(quote: Quote) -> Json:
    """Write mark, index and funding."""
    return {
        "symbol": quote.symbol, "markPrice": number(quote.mark), "indexPrice": number(quote.index_price),
        "estimatedSettlePrice": number(quote.index_price), "lastFundingRate": number(quote.funding_rate), "interestRate": "0.0001",
        "nextFundingTime": quote.next_funding_ms, "time": quote.ts,
    }  # fmt: skip
