"""What is known of the markets now, and the marks that are made of it.

Decides: conflation (at most one mark per symbol and tenth of a second, the newest, with the extremes of all prices since the last one); which
source is trusted; when a symbol is silent. A symbol whose price or best prices are not heard gets no mark: the desk sees what it knows grow old, and
takes no new risk. One whose book alone is missing gets marks with a depth of nothing: what reduces risk goes on, and what adds to it finds no depth.
Pure: time is an argument. Leaves to others: hearing and asking (market_data), what other venues have (liquidity).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from connectors.exchange.liquidity import Liquidities, named
from connectors.exchange.local_book import Change, LocalBook, Picture
from streams.desk.messages import Liquidity, Mark

EVERY_MS: Final = 100
"""Marks of one symbol are this far apart: the sequencer merges what comes closer."""
SPOOLED_EVERY_MS: Final = 1_000
"""And this far while they go to the disk: one a second with its extremes loses no wick, and all are sent ten times as fast afterwards."""
SILENT_MS: Final = 2_500
"""A stream that has said nothing for so long is taken for dead: the exchange says every mark price once a second, so two are missing. It leaves half
of the five seconds after which the desk takes a price for stale."""
STALE_MS: Final = 5_000
"""A price that was heard longer ago makes no mark; best prices and a book that were asked for are believed for so long."""
UNCHANGED_MS: Final = 15_000
"""Best prices and books are only told when they change. While their stream is heard they are believed for so long; then they are asked for."""
LIQUIDITY_EVERY_MS: Final = 10_000
"""How often liquidity is said: it is for charts."""


class Price(NamedTuple):
    """A mark price."""

    symbol: str
    mark: Decimal
    funding_rate: Decimal
    next_funding_ms: int
    ts: int


class Touch(NamedTuple):
    """Best bid and ask."""

    symbol: str
    bid: Decimal
    ask: Decimal
    ts: int
    """When they came to be."""


class Volume(NamedTuple):
    """What was traded in 24 hours."""

    symbol: str
    amount: Decimal
    """In quote currency."""


class Wanted(NamedTuple):
    """What the streams do not tell and has to be asked for."""

    prices: Sequence[str]
    touches: Sequence[str]
    books: Sequence[str]
    """Those that were asked for longest ago first."""
    deep: bool
    """Books are wanted as far down as they go: a stream will tell of their changes. Otherwise the next question is for a newer one."""


class _Symbol:
    """What is known of one symbol. Times are of a clock that never goes back, but for those of the exchange, `ts`."""

    def __init__(self, now_ms: int) -> None:
        self.price: Price | None = None
        self.touch: Touch | None = None
        self.book = LocalBook()
        self.high = self.low = Decimal(0)
        """Since the last mark; 0 where no price came since."""
        self.price_ms = self.streamed_ms = self.touch_ms = self.book_ms = now_ms
        self.asked_ms = 0
        self.made_ms = self.said_ms = 0
        self.made_ts = 0
        self.news = False


class MarketWatch:
    """All symbols of the venue orders go to."""

    def __init__(self, symbols: Iterable[str], liquidities: Liquidities, now_ms: int) -> None:
        """Know nothing yet of these."""
        self._of = {symbol: _Symbol(now_ms) for symbol in symbols}
        self._liquidities = liquidities
        self._opened_ms = self._heard_ms = -UNCHANGED_MS
        """Since when the stream of best prices and books is open, and when it last said anything."""

    def books_opened(self, now_ms: int) -> None:
        """Note that the stream of best prices and books is open: what was missed before has to be asked for."""
        self._opened_ms = self._heard_ms = now_ms
        for known in self._of.values():
            known.book.forget()

    def take_price(self, price: Price, now_ms: int, *, streamed: bool) -> None:
        """Take a mark price. One from before the last mark is nothing new, and widens nothing."""
        known = self._of.get(price.symbol)
        if known is None:
            return
        known.streamed_ms = now_ms if streamed else known.streamed_ms
        if price.ts < known.made_ts or price == known.price:
            return
        known.high = max(known.high, price.mark)
        known.low = min(known.low or price.mark, price.mark)
        if known.price is None or price.ts >= known.price.ts:
            known.price, known.price_ms, known.news = price, now_ms, True

    def take_touch(self, touch: Touch, now_ms: int, *, streamed: bool) -> None:
        """Take best bid and ask. Older ones say nothing, nor do those of a stream that is late."""
        known = self._of.get(touch.symbol)
        if known is None or (streamed and not self._heard_in_time(known, touch.ts, now_ms)):
            return
        if known.touch is not None and touch.ts < known.touch.ts:
            return
        known.news = known.news or known.touch is None or known.touch[1:3] != touch[1:3]
        known.touch, known.touch_ms = touch, now_ms

    def take_change(self, change: Change, now_ms: int) -> None:
        """Take a change of a book. One that is late belongs to it all the same, but the book is not of now."""
        known = self._of.get(change.symbol)
        if known is not None:
            known.book.apply(change)
            if self._heard_in_time(known, change.ts, now_ms) and known.book.whole:
                known.book_ms = now_ms

    def take_picture(self, picture: Picture, now_ms: int) -> None:
        """Take a whole book."""
        known = self._of.get(picture.symbol)
        if known is not None:
            known.book.reset(picture)
            known.book_ms = now_ms if known.book.whole else known.book_ms

    def wanted(self, now_ms: int) -> Wanted:
        """Say what has to be asked for."""
        prices = [symbol for symbol, known in self._of.items() if now_ms - known.streamed_ms > SILENT_MS]
        touches = [symbol for symbol, known in self._of.items() if known.touch is None or self._aged(known.touch_ms, now_ms)]
        books = [symbol for symbol, known in self._of.items() if not known.book.whole or self._aged(known.book_ms, now_ms)]
        return Wanted(prices, touches, sorted(books, key=lambda symbol: self._of[symbol].asked_ms), self._streaming(now_ms))

    def book_asked(self, symbol: str, now_ms: int) -> None:
        """Note that a book was asked for, so that another one is next."""
        self._of[symbol].asked_ms = now_ms

    def due(self, now_ms: int, every_ms: int = EVERY_MS) -> list[Mark]:
        """Give the marks that are due. Each counts as made: where it could not be published, put it back."""
        return [
            self._mark(symbol, known, now_ms)
            for symbol, known in self._of.items()
            if known.news and now_ms - known.made_ms >= every_ms and self._speaks(known, now_ms)
        ]

    def put_back(self, mark: Mark) -> None:
        """Take back a mark that did not get out: the next one has its extremes too."""
        known = self._of[mark.symbol]
        known.high = max(known.high, mark.high)
        known.low = min(known.low or mark.low, mark.low)
        known.news = True

    def liquidity(self, now_ms: int) -> list[Liquidity]:
        """Give what is to be said of liquidity."""
        said = []
        for symbol, known in self._of.items():
            if (
                now_ms - known.said_ms < LIQUIDITY_EVERY_MS
                or not self._speaks(known, now_ms)
                or not self._book_trusted(known, now_ms)
            ):
                continue
            assert known.price is not None
            assert known.touch is not None
            touch = known.touch.bid, known.touch.ask
            said.append(self._liquidities.of(symbol, known.book.depth(), touch, known.price.ts, now_ms))
            known.said_ms = now_ms
        return said

    def ages_ms(self, now_ms: int) -> dict[str, int]:
        """Tell for how long nothing new was heard of each symbol's price; since the start where nothing ever was."""
        return {symbol: now_ms - known.price_ms for symbol, known in self._of.items()}

    def silent(self, now_ms: int) -> set[str]:
        """Name the symbols that get no marks."""
        return {symbol for symbol, known in self._of.items() if not self._speaks(known, now_ms)}

    def next_funding_ms(self, symbol: str) -> int | None:
        """Tell when a symbol's funding is next exchanged, where it is known."""
        price = self._of[symbol].price
        return None if price is None else price.next_funding_ms

    def _heard_in_time(self, known: _Symbol, ts: int, now_ms: int) -> bool:
        """Tell whether the stream of best prices and books keeps up with the prices; one that does is alive."""
        if known.price is not None and ts < known.price.ts - STALE_MS:
            return False
        self._heard_ms = now_ms
        return True

    def _mark(self, symbol: str, known: _Symbol, now_ms: int) -> Mark:
        price, touch = known.price, known.touch
        assert price is not None
        assert touch is not None
        high, low = max(known.high, price.mark), min(known.low or price.mark, price.mark)
        depth = known.book.depth() if self._book_trusted(known, now_ms) else Decimal(0)
        volume = self._liquidities.volume_24h(symbol, now_ms)
        figures = (price.mark, high, low, touch.bid, touch.ask, depth, price.funding_rate)
        known.made_ms, known.made_ts, known.news = now_ms, price.ts, False
        known.high = known.low = Decimal(0)
        return Mark(named(symbol, price.ts, *figures, volume), symbol, *figures, price.ts, volume)

    def _speaks(self, known: _Symbol, now_ms: int) -> bool:
        """Tell whether a mark of it would be true."""
        return known.price is not None and now_ms - known.price_ms <= STALE_MS and self._touch_trusted(known, now_ms)

    def _touch_trusted(self, known: _Symbol, now_ms: int) -> bool:
        return known.touch is not None and self._trusted(known.touch_ms, now_ms)

    def _book_trusted(self, known: _Symbol, now_ms: int) -> bool:
        return known.book.whole and self._trusted(known.book_ms, now_ms)

    def _trusted(self, at_ms: int, now_ms: int) -> bool:
        """Tell whether what was heard then is still so."""
        return now_ms - at_ms <= self._good_ms(at_ms, now_ms)

    def _aged(self, at_ms: int, now_ms: int) -> bool:
        """Tell whether it is time to ask for something newer: half of the time for which it is good is over."""
        return now_ms - at_ms > self._good_ms(at_ms, now_ms) // 2

    def _good_ms(self, at_ms: int, now_ms: int) -> int:
        """Tell for how long what was heard then is good. Longer, where the stream that would have told of a change is alive."""
        return UNCHANGED_MS if at_ms >= self._opened_ms and self._streaming(now_ms) else STALE_MS

    def _streaming(self, now_ms: int) -> bool:
        return now_ms - self._heard_ms <= SILENT_MS
