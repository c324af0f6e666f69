"""The exchange's own books: positions and cash by account, in whole numbers.

Decides: what each account holds after every trade, fee, payment and transfer, independently of the desk's arithmetic, so that the two can be
compared to the last decimal. Leaves to others: which trades happen (venue).

Cash here is the sum of all flows, purchases included; the desk keeps the cost of a position apart. Hence
`desk cash - cost of all its positions == flow` for every account.
"""

from decimal import Decimal

from streams.desk.messages import AccountEvent

_SCALE = 10
"""Decimal places of quantities and prices; flows have twice as many."""


class Books:
    """Positions and flows of every account that ever traded: grows with accounts times symbols, never with trades."""

    def __init__(self) -> None:
        """Know nobody."""
        self._positions: dict[str, dict[str, int]] = {}
        self._flows: dict[str, int] = {}
        self.trades = 0

    def open(self, account: str, balance: Decimal) -> None:
        """Start an account with its opening balance."""
        self._positions.setdefault(account, {})
        self._flows[account] = _whole(balance) * 10**_SCALE

    def trade(self, account: str, symbol: str, quantity: Decimal, price: Decimal) -> None:
        """Buy (quantity > 0) or sell (< 0) at a price."""
        self.trades += 1
        self._move(account, symbol, _whole(quantity))
        self._flow(account, -_whole(quantity) * _whole(price))

    def pay(self, account: str, amount: Decimal, price: Decimal = Decimal(1)) -> None:
        """Take an amount, worth price each, out of the cash."""
        self._flow(account, -_whole(amount) * _whole(price))

    def shrink(self, account: str, symbol: str, quantity: Decimal) -> None:
        """Take a fee out of the coins themselves: no cash moves."""
        self._move(account, symbol, -_whole(quantity))

    def note(self, event: AccountEvent) -> None:
        """Book what moved without a trade."""
        sign = -1 if event.kind == "WITHDRAWAL" else 1
        self._flow(event.account, sign * _whole(event.amount) * 10**_SCALE)
        if event.quantity and event.symbol is not None:
            self._move(event.account, event.symbol, _whole(event.quantity))
            self._flow(event.account, -_whole(event.quantity) * _whole(event.price))

    def position(self, account: str, symbol: str) -> Decimal:
        """Give the signed quantity held."""
        return Decimal(self._positions.get(account, {}).get(symbol, 0)).scaleb(-_SCALE)

    def positions(self, account: str) -> dict[str, Decimal]:
        """Give everything an account holds."""
        return {symbol: Decimal(quantity).scaleb(-_SCALE) for symbol, quantity in self._positions.get(account, {}).items()}

    def held(self, account: str) -> dict[str, int]:
        """Give what an account holds in its smallest parts, in the order it was first bought: to be read, not changed."""
        return self._positions.get(account, {})

    def flow(self, account: str) -> Decimal:
        """Give the sum of all flows of an account."""
        sign, digits, _ = Decimal(self._flows.get(account, 0)).as_tuple()
        return Decimal((sign, digits, -2 * _SCALE))

    def accounts(self) -> list[str]:
        """Name everybody who has books."""
        return sorted(self._positions)

    def _move(self, account: str, symbol: str, quantity: int) -> None:
        held = self._positions.setdefault(account, {})
        after = held.get(symbol, 0) + quantity
        if after:
            held[symbol] = after
        else:
            held.pop(symbol, None)

    def _flow(self, account: str, amount: int) -> None:
        self._flows[account] = self._flows.get(account, 0) + amount


def _whole(value: Decimal) -> int:
    whole = int(value.scaleb(_SCALE))
    if Decimal(whole).scaleb(-_SCALE) != value:
        raise ValueError(f"{value} has more than {_SCALE} decimal places")
    return whole
