"""What the simulated exchange is made of, in one place: the engine, its clock, its faults, keys, limits, and what the engine does not keep.

Decides: listen keys (one an account, an hour long), the dead man's switch on open orders, position mode. Leaves to others: everything else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from connectors.exchange.simulator.clocks import Clock
from connectors.exchange.simulator.faults import FaultPlan
from connectors.exchange.simulator.ports import Engine
from connectors.exchange.simulator.records import Refused
from connectors.exchange.simulator.signing import Key, KeyRing
from connectors.exchange.simulator.weights import Limits, Meter

LISTEN_KEY_MS = 3_600_000
"""An hour after it was made or kept alive, a listen key ends."""


class ListenKeys:
    """Listen keys, by account."""

    def __init__(self) -> None:
        """Begin with none."""
        self._made = 0
        self._keys: dict[str, tuple[str, int]] = {}
        self._accounts: dict[str, str] = {}

    def make(self, account: str, now_ms: int) -> str:
        """Make one, or keep the one alive that there is."""
        if account not in self._keys:
            self._made += 1
            name = f"simulatedlistenkey{self._made:046d}"
            self._accounts[name] = account
            self._keys[account] = name, now_ms
        return self.keep(account, now_ms)

    def keep(self, account: str, now_ms: int) -> str:
        """Keep one alive. Raises Refused."""
        if account not in self._keys:
            raise Refused(-1125, "This listenKey does not exist.")
        name = self._keys[account][0]
        self._keys[account] = name, now_ms + LISTEN_KEY_MS
        return name

    def end(self, account: str) -> str | None:
        """End one; gives its name, None where there was none."""
        name, _ = self._keys.pop(account, (None, 0))
        if name is not None:
            del self._accounts[name]
        return name

    def ended(self, now_ms: int) -> list[str]:
        """Give the accounts whose key is over."""
        return [account for account, (_, until_ms) in self._keys.items() if until_ms <= now_ms]

    def of(self, account: str) -> str | None:
        """Give the account's key."""
        name, _ = self._keys.get(account, (None, 0))
        return name

    def account(self, name: str) -> str:
        """Tell whose it is; nothing where it is nobody's."""
        return self._accounts.get(name, "")


@dataclass
class House:
    """Everything of one simulated exchange."""

    engine: Engine
    clock: Clock
    faults: FaultPlan
    seed: int
    started_ms: int
    limits: Limits = field(default_factory=Limits)
    keys: KeyRing = field(default_factory=KeyRing)
    listen_keys: ListenKeys = field(default_factory=ListenKeys)
    countdowns: dict[tuple[str, str], int] = field(default_factory=dict)
    """When all open orders of an account and a symbol are to be cancelled."""
    two_sided: set[str] = field(default_factory=set)
    """Accounts set to hedge mode. Orders of theirs are refused: this exchange keeps one net position."""

    def __post_init__(self) -> None:
        """Count from nothing."""
        self.meter = Meter(self.limits)
        self.symbols = {symbol.symbol: symbol for symbol in self.engine.symbols()}
        self.pictured: Callable[[str], None] = lambda _symbol: None
        """Hears that somebody was shown the book of a symbol: who follows its changes from there has to be told when what was shown is gone."""

    def shown_ms(self) -> int:
        """Tell the time as this exchange shows it: its clock may be wrong."""
        now_ms = self.clock.now_ms()
        return now_ms + self.faults.clock_skew_ms(now_ms)

    def symbol(self, name: str) -> str:
        """Check that there is such a market. Raises Refused."""
        if name not in self.symbols:
            raise Refused(-1121, "Invalid symbol.")
        return name

    def open(self, key: Key, balances: dict[str, Decimal]) -> None:
        """Open an account with a key, or give one that is open another key."""
        self.keys.add(key)
        self.engine.open_account(key.account, balances, self.clock.now_ms())

    def pass_time(self, now_ms: int) -> None:
        """Let time pass, and what was set for it happen."""
        self.engine.advance(now_ms)
        for (account, symbol), at_ms in list(self.countdowns.items()):
            if at_ms <= now_ms:
                del self.countdowns[account, symbol]
                self.engine.cancel_all(account, symbol, now_ms)
