"""What is known of the markets now, and the marks that are made of it.

Decides: conflation (at most one mark per symbol and quarter of a second, the newest, with the extremes of all prices since the last one); which
source is trusted; when a symbol is silent. A symbol of which nothing is heard gets no mark. One whose price is heard and whose book is not gets
marks with a depth of nothing: positions are valued and stops work, and the desk takes no new risk. Pure: time is an argument. Leaves to others:
hearing and asking, what other venues have (liquidity).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from connectors.exchange.liquidity import Liquidities, named
from connectors.exchange.local_book import Change, LocalBook, Picture
from streams.desk.messages import Liquidity, Mark

EVERY_MS: Final = 250
"""Marks of one symbol are this far apart. The exchange makes a new mark price once a second; in between only best bid and ask move, and four looks at
them a second are as many as a decision can use. Each mark goes to every partition of the tape."""
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


class Wanted(NamedTuple):
    """What the streams do not tell and has to be asked for."""

    prices: Sequence[str]
    touches: Sequence[str]
    books: Sequence[str]
    """Those that were asked for longest ago first."""


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

    def books_heard(self, now_ms: int) -> None:
        """Note that this stream said something."""
        self._heard_ms = now_ms

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

    def take_touch(self, touch: Touch, now_ms: int) -> None:
        """Take best bid and ask. Older ones say nothing."""
        known = self._of.get(touch.symbol)
        if known is None or (known.touch is not None and touch.ts < known.touch.ts):
            return
        known.news = known.news or known.touch is None or known.touch[1:3] != touch[1:3]
        known.touch, known.touch_ms = touch, now_ms

    def take_change(self, change: Change, now_ms: int) -> None:
        """Take a change of a book."""
        known = self._of.get(change.symbol)
        if known is not None:
            known.book.apply(change)
            known.book_ms = now_ms if known.book.whole else known.book_ms

    def take_picture(self, picture: Picture, now_ms: int) -> None:
        """Take a whole book."""
        known = self._of.get(picture.symbol)
        if known is not None:
            known.book.reset(picture)
            known.book_ms = now_ms if known.book.whole else known.book_ms

    def wanted(self, now_ms: int) -> Wanted:
        """Say what has to be asked for."""
        prices = [symbol for symbol, known in self._of.items() if now_ms - known.streamed_ms > SILENT_MS]
        touches = [symbol for symbol, known in self._of.items() if not self._touch_trusted(known, now_ms)]
        books = [symbol for symbol, known in self._of.items() if not self._book_trusted(known, now_ms)]
        return Wanted(prices, touches, sorted(books, key=lambda symbol: self._of[symbol].asked_ms))

    def book_asked(self, symbol: str, now_ms: int) -> None:
        """Note that a book was asked for, so that another one is next."""
        self._of[symbol].asked_ms = now_ms

    def due(self, now_ms: int) -> list[Mark]:
        """Give the marks that are due. Each counts as made: where it could not be published, put it back."""
        return [mark for symbol, known in self._of.items() if (mark := self._mark(symbol, known, now_ms)) is not None]

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
            if known.price is None or known.touch is None or now_ms - known.said_ms < LIQUIDITY_EVERY_MS:
                continue
            if now_ms - known.price_ms > STALE_MS or not self._touch_trusted(known, now_ms):
                continue
            depth = self._depth(known, now_ms)
            if depth is None:
                continue
            self._liquidities.take_depth(self._liquidities.own, symbol, depth, now_ms)
            one = self._liquidities.of(symbol, known.touch[1:3], known.price.ts, now_ms)
            if one is not None:
                said.append(one)
                known.said_ms = now_ms
        return said

    def ages_ms(self, now_ms: int) -> dict[str, int]:
        """Tell for how long nothing new was heard of each symbol's price; since the start where nothing ever was."""
        return {symbol: now_ms - known.price_ms for symbol, known in self._of.items()}

    def silent(self, now_ms: int) -> list[str]:
        """Name the symbols that get no marks."""
        return [
            symbol
            for symbol, known in self._of.items()
            if known.price is None or known.touch is None or now_ms - known.price_ms > STALE_MS
        ]

    def next_funding_ms(self, symbol: str) -> int | None:
        """Tell when a symbol's funding is next exchanged, where it is known."""
        price = self._of[symbol].price
        return None if price is None else price.next_funding_ms

    def _mark(self, symbol: str, known: _Symbol, now_ms: int) -> Mark | None:
        price, touch = known.price, known.touch
        if price is None or touch is None or not known.news:
            return None
        if now_ms - known.made_ms < EVERY_MS or now_ms - known.price_ms > STALE_MS:
            return None
        high, low = max(known.high, price.mark), min(known.low or price.mark, price.mark)
        depth = (self._depth(known, now_ms) if self._touch_trusted(known, now_ms) else None) or Decimal(0)
        volume = self._liquidities.volume_24h(symbol, now_ms)
        figures = (price.mark, high, low, touch.bid, touch.ask, depth, price.funding_rate)
        known.made_ms, known.made_ts, known.news = now_ms, price.ts, False
        known.high = known.low = Decimal(0)
        return Mark(named(symbol, price.ts, *figures, volume), symbol, *figures, price.ts, volume)

    def _depth(self, known: _Symbol, now_ms: int) -> Decimal | None:
        return known.book.depth() if self._book_trusted(known, now_ms) else None

    def _touch_trusted(self, known: _Symbol, now_ms: int) -> bool:
        return known.touch is not None and self._trusted(known.touch_ms, now_ms)

    def _book_trusted(self, known: _Symbol, now_ms: int) -> bool:
        return known.book.whole and self._trusted(known.book_ms, now_ms)

    def _trusted(self, at_ms: int, now_ms: int) -> bool:
        """Tell whether what was heard then is still so: it is news, or the stream that would have told of a change is alive."""
        streamed = at_ms >= self._opened_ms and now_ms - self._heard_ms <= SILENT_MS
        return now_ms - at_ms <= (UNCHANGED_MS if streamed else STALE_MS)
