"""The account: money, positions, settings, permissions, listen keys.

Decides: what is in these answers; all margin is USDT, positions are one-way. Leaves to others: the figures (engine), shapes of rows (wire).
"""

from decimal import Decimal

from connectors.exchange.simulator import wire
from connectors.exchange.simulator.accounts import LEVERAGE_FIRST
from connectors.exchange.simulator.calls import Call, page
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.money import ZERO, share
from connectors.exchange.simulator.records import QUOTE, PositionRow, Refused
from connectors.exchange.simulator.rest_orders import WEEK_MS

INCOMES, INCOMES_MAX = 100, 1_000
SUCCESS: wire.Json = {"code": 200, "msg": "success"}


def balance(house: House, call: Call) -> object:
    """Give the wallet."""
    unrealized = sum((row.unrealized for row in house.engine.positions(call.account) if not row.isolated), ZERO)
    available = house.engine.available(call.account)
    return [
        {
            "accountAlias": "sim", "asset": asset, "balance": wire.number(amount), "crossWalletBalance": wire.number(amount),
            "crossUnPnl": wire.number(unrealized if asset == QUOTE else ZERO),
            "availableBalance": wire.number(available if asset == QUOTE else amount),
            "maxWithdrawAmount": wire.number(available if asset == QUOTE else amount), "marginAvailable": True, "updateTime": call.now_ms,
        }
        for asset, amount in _wallet(house, call).items()
    ]  # fmt: skip


def account(house: House, call: Call) -> object:
    """Give wallet, positions and margin together; the fields of all versions of this answer."""
    rows = list(house.engine.positions(call.account))
    positions = [wire.position_v2(row, house.symbols[row.symbol]) for row in rows]
    wallet, available = _wallet(house, call), house.engine.available(call.account)
    unrealized = sum((row.unrealized for row in rows), ZERO)
    maintenance = sum((_value(row) * house.symbols[row.symbol].maintenance_margin_ratio for row in rows), ZERO)
    initial = sum((share(_value(row), Decimal(1), Decimal(row.leverage)) for row in rows), ZERO)
    held = wallet[QUOTE]
    bound = max(ZERO, held + unrealized - available)
    figures = {
        "WalletBalance": held, "UnrealizedProfit": unrealized, "MarginBalance": held + unrealized, "MaintMargin": maintenance,
        "InitialMargin": bound, "PositionInitialMargin": initial, "OpenOrderInitialMargin": max(ZERO, bound - initial),
        "CrossWalletBalance": held, "CrossUnPnl": unrealized,
    }  # fmt: skip
    totals = {f"total{name}": wire.number(value) for name, value in figures.items()}
    assets = [
        {
            "asset": asset, **{name[0].lower() + name[1:]: wire.number(value) for name, value in (figures if asset == QUOTE else
            {**dict.fromkeys(figures, ZERO), "WalletBalance": amount, "MarginBalance": amount, "CrossWalletBalance": amount}).items()},
            "availableBalance": wire.number(available if asset == QUOTE else amount),
            "maxWithdrawAmount": wire.number(available if asset == QUOTE else amount), "marginAvailable": True, "updateTime": call.now_ms,
        }
        for asset, amount in wallet.items()
    ]  # fmt: skip
    return {
        **config(house, call), **fee_burn(house, call), **totals, "availableBalance": wire.number(available),
        "maxWithdrawAmount": wire.number(available), "assets": assets, "positions": positions,
    }  # fmt: skip


def config(house: House, call: Call) -> wire.Json:
    """Tell what the account is allowed and set to."""
    return {
        "feeTier": 0, "canTrade": may(house, call.account, "enableFutures"), "canDeposit": True,
        "canWithdraw": may(house, call.account, "enableWithdrawals"), "dualSidePosition": call.account in house.two_sided,
        "updateTime": call.now_ms, "multiAssetsMargin": False, "tradeGroupId": -1,
    }  # fmt: skip


def may(house: House, account_name: str, permission: str) -> bool:
    """Tell whether any key of an account may do something."""
    return any(key.permissions.get(permission, False) for key in house.keys.of(account_name))


def positions_v2(house: House, call: Call) -> object:
    """Give positions of all symbols, flat ones too."""
    rows = _positions(house, call, held_only=False)
    return [wire.position_v2(row, house.symbols[row.symbol]) for row in rows]


def positions_v3(house: House, call: Call) -> object:
    """Give positions that are held."""
    rows = _positions(house, call, held_only=True)
    return [wire.position(row, house.symbols[row.symbol]) for row in rows]


def symbol_config(house: House, call: Call) -> object:
    """Give leverage and margin type, of one symbol or all."""
    set_rows = {row.symbol: row for row in house.engine.positions(call.account)}
    wanted = call.optional("symbol")
    names = list(house.symbols) if wanted is None else [house.symbol(wanted)]
    return [
        {
            "symbol": name, "marginType": "ISOLATED" if name in set_rows and set_rows[name].isolated else "CROSSED", "isAutoAddMargin": False,
            "leverage": set_rows[name].leverage if name in set_rows else LEVERAGE_FIRST, "maxNotionalValue": wire.number(wire.PRICE_MAX),
        }
        for name in names
    ]  # fmt: skip


def set_leverage(house: House, call: Call) -> object:
    """Set the leverage of a symbol."""
    symbol, leverage = house.symbol(call.text("symbol")), call.whole("leverage")
    if leverage is None:
        raise Refused(-1102, "Mandatory parameter 'leverage' was not sent, was empty/null, or malformed.")
    house.engine.set_leverage(call.account, symbol, leverage)
    return {"symbol": symbol, "leverage": leverage, "maxNotionalValue": wire.number(wire.PRICE_MAX)}


def set_margin_type(house: House, call: Call) -> object:
    """Set the margin type of a symbol."""
    symbol, kind = house.symbol(call.text("symbol")), call.text("marginType")
    if kind not in {"ISOLATED", "CROSSED"}:
        raise Refused(-1130, "Data sent for parameter 'marginType' is not valid.")
    house.engine.set_isolated(call.account, symbol, kind == "ISOLATED")
    return SUCCESS


def two_sided(house: House, call: Call) -> object:
    """Tell whether both sides of a symbol are held apart."""
    return {"dualSidePosition": call.account in house.two_sided}


def set_two_sided(house: House, call: Call) -> object:
    """Set whether both sides of a symbol are held apart."""
    call.text("dualSidePosition")
    on = call.yes("dualSidePosition")
    if on == (call.account in house.two_sided):
        raise Refused(-4059, "No need to change position side.")
    if any(row.quantity for row in house.engine.positions(call.account)):
        raise Refused(-4068, "Position side cannot be changed if there exists position.")
    if house.engine.open_orders(call.account, None):
        raise Refused(-4067, "Position side cannot be changed if there exists open orders.")
    (house.two_sided.add if on else house.two_sided.discard)(call.account)
    return SUCCESS


def incomes(house: House, call: Call) -> object:
    """Give money that moved."""
    kind, symbol = call.optional("incomeType"), call.optional("symbol")
    rows = [row for row in house.engine.incomes(call.account) if kind in {None, row.type} and symbol in {None, row.symbol}]
    limit, number = call.limit(INCOMES, INCOMES_MAX), call.whole("page") or 1
    window = call.window(WEEK_MS) or (call.now_ms - WEEK_MS, call.now_ms)
    found = page(rows, [row.ts for row in rows], window, limit * number)
    return [wire.income(row) for row in found[limit * (number - 1) :]]


def commission_rate(house: House, call: Call) -> object:
    """Tell the fees of a symbol."""
    symbol = house.symbols[house.symbol(call.text("symbol"))]
    return {
        "symbol": symbol.symbol, "makerCommissionRate": wire.number(symbol.maker_fee), "takerCommissionRate": wire.number(symbol.taker_fee),
        "rpiCommissionRate": wire.number(symbol.maker_fee),
    }  # fmt: skip


def leverage_brackets(house: House, call: Call) -> object:
    """Tell how much may be held with which margin: here one bracket a symbol. The exchange writes these ratios as numbers."""
    wanted = call.optional("symbol")
    return [
        {
            "symbol": symbol.symbol, "notionalCoef": 1.0,
            "brackets": [{
                "bracket": 1, "initialLeverage": symbol.max_leverage, "notionalCap": int(wire.PRICE_MAX), "notionalFloor": 0,
                "maintMarginRatio": float(symbol.maintenance_margin_ratio), "cum": 0,
            }],
        }
        for symbol in house.symbols.values()
        if wanted in {None, symbol.symbol}
    ]  # fmt: skip


def order_limits(house: House, _call: Call) -> object:
    """Tell how many orders an account may send."""
    limits = house.meter.limits
    return [
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": limits.orders_10s},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": limits.orders_1m},
    ]


def multi_assets(_house: House, _call: Call) -> object:
    """Tell that only USDT is margin."""
    return {"multiAssetsMargin": False}


def fee_burn(house: House, call: Call) -> wire.Json:
    """Tell whether fees are paid in BNB."""
    return {"feeBurn": house.engine.pays_fees_in_bnb(call.account)}


def set_fee_burn(house: House, call: Call) -> object:
    """Set whether fees are paid in BNB."""
    call.text("feeBurn")
    house.engine.pay_fees_in_bnb(call.account, call.yes("feeBurn"))
    return SUCCESS


def permissions(house: House, call: Call) -> object:
    """Tell what the key may do."""
    key = house.keys.known(call.text("X-MBX-APIKEY"))
    return {"createTime": key.created_ms, "tradingAuthorityExpirationTime": 0, **key.permissions}


def listen(house: House, call: Call) -> object:
    """Make a listen key, or keep the one alive that there is."""
    return {"listenKey": house.listen_keys.make(call.account, call.now_ms)}


def keep_listening(house: House, call: Call) -> object:
    """Keep a listen key alive."""
    return {"listenKey": house.listen_keys.keep(call.account, call.now_ms)}


def stop_listening(house: House, call: Call) -> object:
    """End a listen key."""
    house.listen_keys.end(call.account)
    return {}


def _wallet(house: House, call: Call) -> dict[str, Decimal]:
    """Give what there is, USDT first and always."""
    return {QUOTE: ZERO, **house.engine.balances(call.account)}


def _value(row: PositionRow) -> Decimal:
    return abs(row.quantity) * row.mark_price


def _positions(house: House, call: Call, *, held_only: bool) -> list[PositionRow]:
    symbol = call.optional("symbol")
    if symbol is not None:
        house.symbol(symbol)
    rows = [row for row in house.engine.positions(call.account) if symbol in {None, row.symbol}]
    return [row for row in rows if row.quantity] if held_only else rows
