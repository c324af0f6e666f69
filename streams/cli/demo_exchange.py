"""The exchange of a demo: the simulator in a process of its own, and what is done to it from behind: accounts, prices that stand still, its books.

Decides: which markets it has, how much may be asked of it, and that an account's keys are those workers make up in mode `sim`. Leaves to others: what
the exchange does (connectors.exchange.simulator), what its books are compared with (demo_books).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from connectors.exchange.modes import keys_of
from connectors.exchange.simulator.process import SimulatorFailed, SimulatorProcess, running
from connectors.exchange.simulator.records import QUOTE
from connectors.exchange.simulator.setting_up import Options
from connectors.exchange.simulator.weights import Limits
from streams.cli.output import Unavailable
from streams.exchange.port import AccountRef
from streams.simulation.live import SYMBOLS
from streams.simulation.market import MARKETS, Market

DEMO_MARKETS: tuple[Market, ...] = MARKETS[:SYMBOLS]
"""The exchange lists the same ones first."""
WEIGHT_1M = 100_000
"""The real exchange gives 2,400 a minute, which takes half a minute to set up four accounts and all their symbols: nobody watches that."""
_STAND_STILL = "prices: [{event: standstill, at_s: 0, for_s: 86400}]"


class DemoExchange:
    """The exchange of a demo that runs."""

    def __init__(self, process: SimulatorProcess) -> None:
        """Talk to this one."""
        self._process = process

    @property
    def url(self) -> str:
        """Tell where it is."""
        return self._process.url

    @property
    def pid(self) -> int:
        """Give its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Tell whether it runs."""
        return self._process.alive

    @property
    def environ(self) -> dict[str, str]:
        """Give what workers are told, whatever the environment says: everything is on this machine."""
        return {
            "QTS_EXCHANGE_MODE": "sim", "QTS_EXCHANGE_URL": self.url, "QTS_EXCHANGE_BACKUP_URL": "", "QTS_MARKET_VENUES": "",
            "QTS_MARKET_SYMBOLS": ",".join(market.symbol for market in DEMO_MARKETS),
        }  # fmt: skip

    def open(self, balances: Iterable[tuple[str, Decimal]]) -> None:
        """Open accounts. Raises SimulatorFailed."""
        for account, balance in balances:
            keys = keys_of(AccountRef(account, "", Decimal(1)), "sim", {})
            told = {"account": account, "key": keys.key.reveal(), "secret": keys.secret.reveal()}
            self._process.ask("POST", "/sim/accounts", {**told, "balances": {QUOTE: str(balance)}})

    def stand_still(self) -> None:
        """Have prices stand still: orders still trade, and nothing happens by itself any more. Raises SimulatorFailed."""
        self._process.ask("POST", "/sim/prices", _STAND_STILL)

    def books(self) -> Mapping[str, Any]:
        """Give everything the exchange knows. Raises SimulatorFailed."""
        told: Mapping[str, Any] = self._process.ask("GET", "/sim/books")
        return told


@contextmanager
def exchange(seed: int) -> Iterator[DemoExchange]:
    """Have an exchange while a block runs."""
    try:
        with running(Options(seed, markets=len(DEMO_MARKETS), limits=Limits(weight_1m=WEIGHT_1M))) as process:
            yield DemoExchange(process)
    except SimulatorFailed as failed:
        raise Unavailable(f"the simulated exchange: {failed}") from failed
