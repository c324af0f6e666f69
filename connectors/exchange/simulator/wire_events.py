"""What happened to an account, as the events of its private stream.

Decides: every field. Leaves to others: when and how often they arrive (user_events).
"""

from connectors.exchange.simulator import wire
from connectors.exchange.simulator.records import AccountUpdate, AlgoUpdate, OrderUpdate, UserUpdate


def event(update: UserUpdate) -> tuple[str, str, wire.Json]:
    """Write an update: whose, its kind, what is sent."""
    if isinstance(update, OrderUpdate):
        return update.order.account, "ORDER_TRADE_UPDATE", _order(update)
    if isinstance(update, AlgoUpdate):
        return update.algo.account, "ALGO_UPDATE", _algo(update)
    return update.account, "ACCOUNT_UPDATE", _account(update)


def _order(update: OrderUpdate) -> wire.Json:
    row, trade = update.order, update.trade
    told: wire.Json = {
        "s": row.symbol, "c": row.client_id, "S": row.side, "o": row.type, "f": row.time_in_force, "q": wire.number(row.quantity),
        "p": wire.number(row.price), "ap": wire.number(wire.average(row.quote_filled, row.filled)), "sp": "0", "x": update.execution,
        "X": row.status, "i": row.order_id, "l": wire.number(trade.quantity) if trade else "0", "z": wire.number(row.filled),
        "L": wire.number(trade.price) if trade else "0", "T": update.ts, "t": trade.trade_id if trade else 0, "b": "0", "a": "0",
        "m": trade.maker if trade else False, "R": row.reduce_only, "wt": "CONTRACT_PRICE", "ot": row.original_type or row.type, "ps": "BOTH",
        "cp": row.close_position, "rp": wire.number(trade.realized) if trade else "0", "pP": False, "si": 0, "ss": 0, "V": "NONE",
        "pm": "NONE", "gtd": 0, "er": row.expire_reason,
    }  # fmt: skip
    if trade is not None and trade.commission:
        told |= {"n": wire.number(trade.commission), "N": trade.commission_asset}
    return {"e": "ORDER_TRADE_UPDATE", "E": update.ts, "T": update.ts, "o": told}


def _algo(update: AlgoUpdate) -> wire.Json:
    row, became = update.algo, update.became
    told: wire.Json = {
        "caid": row.client_id, "aid": row.algo_id, "at": "CONDITIONAL", "o": row.type, "s": row.symbol, "S": row.side, "ps": "BOTH", "f": "GTC",
        "q": wire.number(row.quantity), "X": row.status, "ai": str(became.order_id) if became else "", "tp": wire.number(row.trigger_price),
        "p": "0", "V": "NONE", "wt": row.working_type, "pm": "NONE", "cp": row.close_position, "pP": False, "R": row.reduce_only,
        "tt": became.created_ms if became else 0, "gtd": 0,
    }  # fmt: skip
    if became is not None:
        told |= {
            "act": became.type, "ap": wire.number(wire.average(became.quote_filled, became.filled)), "aq": wire.number(became.filled),
        }  # fmt: skip
    if row.type == "TRAILING_STOP_MARKET":
        told |= {"cr": wire.number(row.callback_rate), "AP": wire.number(row.activate_price)}
    return {"e": "ALGO_UPDATE", "E": update.ts, "T": update.ts, "o": told}


def _account(update: AccountUpdate) -> wire.Json:
    balances = [
        {"a": asset, "wb": wire.number(wallet), "cw": wire.number(wallet), "bc": wire.number(change)}
        for asset, wallet, change in update.balances
    ]
    positions = [
        {
            "s": row.symbol, "pa": wire.number(row.quantity), "ep": wire.number(row.entry_price), "bep": wire.number(row.entry_price), "cr": "0",
            "up": wire.number(row.unrealized), "mt": "isolated" if row.isolated else "cross", "iw": "0", "ps": "BOTH",
        }
        for row in update.positions
    ]  # fmt: skip
    return {"e": "ACCOUNT_UPDATE", "E": update.ts, "T": update.ts, "a": {"m": update.reason, "B": balances, "P": positions}}
