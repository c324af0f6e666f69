"""Who gets the next signal, and of what kind.

Decides: account, symbol and wish of each signal on an ordinary day, all accounts in turn. Leaves to others: the signal itself (signals), when
the next one is due where a mix has to be met (replay.generate).
"""

from collections.abc import Container, Mapping, Sequence
from random import Random
from typing import NamedTuple, Protocol

from streams.simulation.market import Market, below
from streams.simulation.signals import Wish

_TRIES = 4
"""Draws for an account with room, and for a symbol it does not hold yet; after these any will do."""
_CLOSE_PCT = 5
"""Chance, for each position held, that the oldest is closed instead of another opened: accounts settle at a few positions."""


class Next(NamedTuple):
    """One signal to be made."""

    account: str
    market: int
    wish: Wish


class Holdings(Protocol):
    """Tells what is held."""

    def held(self, account: str, /) -> Mapping[str, object]:
        """Give what an account holds by symbol, in the order it was first bought."""
        ...


class Wishes(Protocol):
    """Chooses signals."""

    def next(self, now_ms: int, /) -> Next:
        """Choose the next signal."""
        ...

    def pause_ms(self, now_ms: int, /) -> int:
        """Tell how long until the one after it."""
        ...


class RoundOfAccounts:
    """Goes round the accounts: closes what has been held by those with many positions, opens for the others."""

    def __init__(self, seed: int, accounts: Sequence[str], markets: Sequence[Market], books: Holdings, every_ms: int) -> None:
        """Begin with the first account."""
        self._chance = Random(f"{seed}/wishes")
        self._accounts = accounts
        self._markets = markets
        self._books = books
        self._every_ms = every_ms
        self._at = -1
        self._indices = {market.symbol: index for index, market in enumerate(markets)}

    def next(self, _now_ms: int, /) -> Next:
        """Mostly sensible signals, a fifth of them poor."""
        luck = below(self._chance, 10)
        if luck < 2:
            return self.poor()
        return self.sensible(Wish.ENTRY if luck < 6 else Wish.NATURAL)

    def pause_ms(self, _now_ms: int, /) -> int:
        """Wait about as long as always."""
        return max(1, self._every_ms // 2 + below(self._chance, self._every_ms + 1))

    def poor(self) -> Next:
        """Choose a signal with something wrong with it."""
        return Next(self._turn(), below(self._chance, len(self._markets)), Wish.POOR)

    def sensible(self, wish: Wish = Wish.ENTRY) -> Next:
        """Close for an account that holds as much as it likes, otherwise open something it does not have."""
        account, chance = self._roomy(), self._chance
        held = self._books.held(account)
        if held and below(chance, 100) < _CLOSE_PCT * len(held):
            return Next(account, self._indices[next(iter(held))], Wish.CLOSE)
        used = self.in_use(account)
        index = below(chance, len(self._markets))
        for _ in range(_TRIES):
            if self._markets[index].symbol not in used:
                break
            index = below(chance, len(self._markets))
        return Next(account, index, wish)

    def in_use(self, account: str) -> Container[str]:
        """Name the symbols an account has, as far as a strategy knows."""
        return self._books.held(account)

    def has_room(self, _account: str, /) -> bool:
        """Tell whether an account could use a sensible signal, as far as a strategy knows."""
        return True

    def _roomy(self) -> str:
        account = self._turn()
        for _ in range(_TRIES):
            if self.has_room(account):
                break
            account = self._turn()
        return account

    def _turn(self) -> str:
        self._at = (self._at + 1) % len(self._accounts)
        return self._accounts[self._at]
