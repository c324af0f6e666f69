"""The heuristic source of signals."""

from decimal import Decimal

from streams.desk.messages import Signal
from streams.simulation.books import Books
from streams.simulation.market import MARKETS
from streams.simulation.plan import START_MS
from streams.simulation.prices import Prices
from streams.simulation.signals import FOREIGN_SYMBOL, MODELS, SHADOW_SOURCE, SOURCE, SignalSource, Wish
from streams.simulation.wishes import RoundOfAccounts

NOW_MS = START_MS + 60_000


def source(seed: int = 1) -> SignalSource:
    prices = Prices(seed, MARKETS, START_MS)
    for index in range(len(MARKETS)):
        prices.mark(index, START_MS + 100)
    return SignalSource(seed, prices)


def made(wish: Wish, count: int = 400, seed: int = 1) -> list[Signal]:
    signals = source(seed)
    return [signals.make("acc", number % len(MARKETS), NOW_MS, wish) for number in range(count)]


def test_the_same_seed_gives_the_same_signals() -> None:
    assert made(Wish.NATURAL) == made(Wish.NATURAL)


def test_the_source_says_that_it_is_a_heuristic() -> None:
    assert "heuristic" in SOURCE
    assert {signal.source for signal in made(Wish.NATURAL)} == {SOURCE}


def test_every_signal_has_an_id_of_its_own_and_a_score_of_every_model() -> None:
    signals = made(Wish.NATURAL) + made(Wish.POOR, seed=2)
    assert len({signal.signal_id for signal in signals[:400]}) == 400
    assert all(set(signal.model_scores) == set(MODELS) for signal in signals)


def test_signals_on_an_entry_are_sure_and_agreed_on() -> None:
    for signal in made(Wish.ENTRY):
        assert signal.side in ("LONG", "SHORT")
        assert Decimal("0.45") < signal.confidence <= 1
        assert signal.model_agreement == 1
        assert not signal.degraded
        assert signal.atr > 0
        assert 0 < NOW_MS - signal.ts < 1_000


def test_natural_signals_are_spread_over_confidence() -> None:
    sure = sorted(signal.confidence for signal in made(Wish.NATURAL))
    assert sure[0] < Decimal("0.5") < sure[len(sure) // 2] < Decimal("0.8") < sure[-1] <= 1


def test_scores_lean_to_the_side_of_the_signal() -> None:
    for signal in made(Wish.ENTRY):
        assert (sum(signal.model_scores.values()) > 0) == (signal.side == "LONG")


def test_a_wish_to_close_is_a_close() -> None:
    assert {signal.side for signal in made(Wish.CLOSE)} == {"CLOSE"}


def test_poor_signals_are_poor_in_every_way() -> None:
    signals = made(Wish.POOR, 1_500)
    assert any(signal.degraded for signal in signals)
    assert any(signal.confidence < Decimal("0.45") for signal in signals)
    assert any(signal.confidence > 1 for signal in signals)
    assert any(signal.model_agreement < Decimal("0.5") for signal in signals)
    assert any(signal.ts < NOW_MS - 10_000 for signal in signals)
    assert any(signal.ts > NOW_MS for signal in signals)
    assert any(signal.symbol == FOREIGN_SYMBOL for signal in signals)
    assert any(signal.source == SHADOW_SOURCE for signal in signals)


def test_all_accounts_get_signals_in_turn() -> None:
    accounts = ["a", "b", "c"]
    wishes = RoundOfAccounts(1, accounts, MARKETS, Books(), 1_000)
    assert [wishes.next(NOW_MS).account for _ in range(9)] == accounts * 3


def test_who_holds_much_is_told_to_close_the_oldest() -> None:
    books = Books()
    for market in MARKETS:
        books.trade("a", market.symbol, market.step, Decimal(1))
    wishes = RoundOfAccounts(1, ["a"], MARKETS, books, 1_000)
    wished = [wishes.next(NOW_MS) for _ in range(50)]
    closes = [one for one in wished if one.wish is Wish.CLOSE]
    assert closes
    assert all(one.market == 0 for one in closes)
