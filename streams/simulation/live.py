"""The live world: traders, a market and a plain exchange, moved by a clock that somebody hands in.

Decides: what is due at a time, and the ids of it all, which differ between runs: a desk that has seen an earlier run takes nothing of this one for
a repeat. The same seed and the same clock give the same inputs. Holds what is going to happen next, never what has happened: memory does not
grow. Leaves to others: traders, prices, the exchange (their own modules); sending the inputs, reading orders and decisions (who calls), and every
decision (the desk).
"""

from collections.abc import Iterator, Sequence
from typing import Final

from streams.desk.messages import AccountEvent, Body, Instrument
from streams.desk.outputs import Cancel, Order
from streams.simulation.market import MARKETS, Market, instrument
from streams.simulation.once_only import OnceOnly
from streams.simulation.prices import Prices
from streams.simulation.traders import DEMO_PACE, Pace, Traders
from streams.simulation.venue import Exchange, FeeCurrency, Venue

SYMBOLS = 6
FUNDING_EVERY_S = 300
"""Real venues pay every eight hours; nobody watches for so long."""
FIRST_FUNDING_MS = 20_000
FEES: Final[Sequence[FeeCurrency]] = ("USDT", "USDT", "BASE")


class LiveWorld(Traders):
    """Everything outside the desk. `advance` gives what happens; `on_order`, `on_cancel` and `on_decision` take what the desk says."""

    def __init__(
        self, seed: int, accounts: Sequence[str], start_ms: int, exchange: Exchange | None = None, pace: Pace = DEMO_PACE
    ) -> None:
        """Begin at a time; the first advance opens accounts and markets."""
        self.markets: Sequence[Market] = MARKETS[:SYMBOLS]
        self.prices = Prices(seed, self.markets, start_ms, pace.mark)
        self.exchange = OnceOnly(exchange or _venue(seed, accounts, self.markets))
        super().__init__(seed, accounts, start_ms, self.prices, self.exchange.books, pace)

    def on_order(self, order: Order, now_ms: int) -> None:
        """Take an order to the exchange. One it has seen is dropped there, and counted."""
        self._on_their_way(self.exchange.place(order, self._time(now_ms)))

    def on_cancel(self, cancel: Cancel, now_ms: int) -> None:
        """Take a wish to cancel to the exchange."""
        self._on_their_way(self.exchange.cancel(cancel, self._time(now_ms)))

    def _open(self, _: None) -> Sequence[Body]:
        start_ms = self.now_ms
        for account, balance in self.balances:
            self.exchange.books.open(account, balance)
        for index in range(len(self.markets)):
            self._later(start_ms + self._pace.mark + index * self._pace.mark // len(self.markets), self._mark, index)
        self.begin()
        self._later(start_ms + FIRST_FUNDING_MS, self._funding)
        return [*self._instruments(start_ms + FIRST_FUNDING_MS), *self._first_prices(), *self._first_words()]

    def _instruments(self, next_ms: int) -> list[Instrument]:
        plain = [instrument(market, self.now_ms, next_ms) for market in self.markets]
        return [one._replace(funding_interval_s=FUNDING_EVERY_S) for one in plain]

    def _first_prices(self) -> Iterator[Body]:
        for index in range(len(self.markets)):
            yield from self._priced(index)

    def _mark(self, index: int) -> Sequence[Body]:
        self._later(self.now_ms + self._pace.mark, self._mark, index)
        return self._priced(index)

    def _priced(self, index: int) -> Sequence[Body]:
        mark = self.prices.mark(index, self.now_ms)
        if mark is None:
            return ()
        self._on_their_way(self.exchange.match(mark, self.now_ms))
        return (mark,)

    def _funding(self, _: None) -> Sequence[Body]:
        next_ms = self.now_ms + FUNDING_EVERY_S * 1_000
        self._later(next_ms, self._funding)
        for market in self.markets:
            self._on_their_way(self.exchange.pay_funding(market.symbol, self.now_ms))
        return self._instruments(next_ms)

    def _moves(self, event: AccountEvent) -> bool:
        """Keep the books of a plain exchange, which says nothing by itself."""
        self.exchange.books.note(event)
        return True


def _venue(seed: int, accounts: Sequence[str], markets: Sequence[Market]) -> Venue:
    dealt = {account: FEES[number % len(FEES)] for number, account in enumerate(accounts)}
    return Venue(seed, {market.symbol: market for market in markets}, dealt.__getitem__)
