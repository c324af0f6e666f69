"""What an exchange demands of orders in its markets: asked every minute, said at the start and whenever it changes.

Decides: when it is asked, what of it is news. Leaves to others: reading (market_answers), saying (market_data).
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from connectors.exchange.market_answers import Fees, Listed, instruments_of
from connectors.exchange.market_questions import MarketQuestions
from streams.desk.messages import Instrument
from streams.desk.validation import wrong

LOGGER = logging.getLogger(__name__)

ASK_EVERY_MS: Final = 60_000
"""Exchanges announce changes of filters days before. An order that meets one too early is rejected, and nothing else happens."""


class MarketInstruments:
    """The instruments of some symbols."""

    def __init__(
        self, symbols: Sequence[str], questions: MarketQuestions, bad: Callable[[str], None], fees: Fees | None = None
    ) -> None:
        """Know nothing yet."""
        self._symbols, self._questions, self._bad, self._fees = symbols, questions, bad, fees or Fees()
        self._listed = Listed((), 0)
        self._intervals: Mapping[str, int] = {}
        self._asked_ms: int | None = None
        self._missing: set[str] = set()
        self._said: dict[str, str] = {}
        self.pairs: dict[str, tuple[str, str]] = {}
        """Base and quote of each symbol that is listed."""

    async def ask(self, now_ms: int) -> None:
        """Ask, where that was long ago."""
        if self._asked_ms is not None and now_ms - self._asked_ms < ASK_EVERY_MS:
            return
        self._listed, self._intervals = await self._questions.listed(self._symbols), await self._questions.intervals()
        self._asked_ms = now_ms
        self.pairs.update({row["symbol"]: (str(row["baseAsset"]), str(row["quoteAsset"])) for row in self._listed.rows})
        missing = set(self._symbols) - self._listed.symbols
        if missing != self._missing:
            LOGGER.warning("not listed, or not traded now: %s", ", ".join(sorted(missing)) or "none any more")
            self._missing = missing

    def news(self, next_funding_ms: Callable[[str], int | None]) -> list[Instrument]:
        """Give what was not said yet."""
        known = {symbol: at_ms for symbol in self._symbols if (at_ms := next_funding_ms(symbol)) is not None}
        made = instruments_of(self._listed, self._intervals, known, self._fees, self._bad)
        return [one for one in made if self._said.get(one.symbol) != one.instrument_id and not self._impossible(one)]

    def said(self, instruments: Iterable[Instrument]) -> None:
        """Note what has been said."""
        self._said.update({one.symbol: one.instrument_id for one in instruments})

    def _impossible(self, instrument: Instrument) -> str:
        """Tell why the desk would refuse it."""
        found = wrong(instrument, instrument.ts)
        if found:
            self._bad(f"{instrument.symbol}: {found}")
        return found
