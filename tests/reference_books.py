"""The books once more, in exact fractions, written from the words of the design and not from the desk's code.

Decides: what position, average entry, realised and unrealised profit, fees, funding, transfers and equity are after any sequence of bookings,
without rounding anything. Slow and plain on purpose: it is what the desk's Decimals are held against.

The rules: positions are netted per symbol; adding moves the average entry by quantity, reducing leaves it; a trade past zero closes at its price
and opens the rest at that price. A fee in the quote coin leaves cash; a fee in the base coin leaves the position at the fill's price and is
an expense of that value; a fee in any other coin is an expense at that coin's price, owed until there is one.
"""

from decimal import Decimal
from fractions import Fraction

NOTHING = Fraction(0)
NEAR = Fraction(1, 10**12)
"""How far a figure that was divided may be from the truth."""


class ReferenceBooks:
    """One account."""

    def __init__(self, opening: Decimal) -> None:
        self.opening = Fraction(opening)
        self.quantity: dict[str, Fraction] = {}
        self.entry: dict[str, Fraction] = {}
        self.flow: dict[str, Fraction] = {}
        self.owed: dict[str, Fraction] = {}
        self.fees = self.funding = self.transfers = self.adjusted = NOTHING

    def trade(self, symbol: str, quantity: Decimal, price: Decimal) -> None:
        """Net a signed quantity at a price."""
        self._trade(symbol, Fraction(quantity), Fraction(price))

    def _trade(self, symbol: str, quantity: Fraction, price: Fraction) -> None:
        held = self.quantity.get(symbol, NOTHING)
        after = held + quantity
        self.flow[symbol] = self.flow.get(symbol, NOTHING) - quantity * price
        self.quantity[symbol] = after
        if after == 0:
            self.entry[symbol] = NOTHING
        elif held == 0 or (held > 0) != (after > 0):
            self.entry[symbol] = price
        elif abs(after) > abs(held):
            self.entry[symbol] = (held * self.entry[symbol] + quantity * price) / after

    def fee_in_quote(self, amount: Decimal) -> None:
        self.fees += Fraction(amount)

    def fee_in_base(self, symbol: str, amount: Decimal, price: Decimal) -> None:
        self._trade(symbol, -Fraction(amount), Fraction(price))
        self.fees += Fraction(amount) * Fraction(price)

    def fee_in_coin(self, priced_in: str, amount: Decimal, price: Decimal | None) -> None:
        if price is None:
            self.owed[priced_in] = self.owed.get(priced_in, NOTHING) + Fraction(amount)
        else:
            self.fees += Fraction(amount) * Fraction(price)

    def coin_has_price(self, priced_in: str, price: Decimal) -> None:
        self.fees += self.owed.pop(priced_in, NOTHING) * Fraction(price)

    def fund(self, amount: Decimal) -> None:
        self.funding += Fraction(amount)

    def transfer(self, amount: Decimal) -> None:
        self.transfers += Fraction(amount)

    def adjust(self, symbol: str | None, quantity: Decimal, price: Decimal, amount: Decimal) -> None:
        if quantity and symbol:
            self.trade(symbol, quantity, price)
        self.adjusted += Fraction(amount)

    @property
    def flat(self) -> bool:
        return not any(self.quantity.values())

    @property
    def realised(self) -> Fraction:
        """Everything that came in or went out for trades, less what is still in the positions."""
        return sum((self.flow[symbol] + quantity * self.entry[symbol] for symbol, quantity in self.quantity.items()), NOTHING)

    @property
    def cash(self) -> Fraction:
        return self.opening + self.realised + self.moved

    @property
    def moved(self) -> Fraction:
        """What changed cash without a trade."""
        return self.funding + self.transfers + self.adjusted - self.fees

    def unrealised(self, symbol: str, mark: Decimal) -> Fraction:
        return self.quantity[symbol] * (Fraction(mark) - self.entry[symbol])

    def equity(self, marks: dict[str, Decimal]) -> Fraction:
        """Sum all flows and what is held at its mark: no average is in it, so it is exact however often was divided."""
        worth = self.opening + self.moved
        for symbol, quantity in self.quantity.items():
            worth += self.flow[symbol]
            if quantity:
                worth += quantity * Fraction(marks[symbol])
        return worth
