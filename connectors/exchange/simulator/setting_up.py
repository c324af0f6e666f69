"""Puts a simulated exchange together.

Decides: seeded prices or those of a file, with the plan's events over them; which clock. Leaves to others: all parts.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from connectors.exchange.simulator.clocks import Clock, ManualClock, RunningClock
from connectors.exchange.simulator.engine import SimulatedExchange
from connectors.exchange.simulator.fault_rules import read_rules
from connectors.exchange.simulator.faults import FaultPlan
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.markets import market_for, symbols
from connectors.exchange.simulator.played_prices import played
from connectors.exchange.simulator.ports import Prices
from connectors.exchange.simulator.price_script import ScriptedPrices, read_script
from connectors.exchange.simulator.prices import SeededPrices
from connectors.exchange.simulator.weights import Limits

MARKETS = 20


class Options(NamedTuple):
    """What kind of exchange is wanted."""

    seed: int = 1
    faults: str = ""
    """A plan, in YAML."""
    faults_file: str = "faults"
    """Its name, for complaints."""
    manual_ms: int | None = None
    """The time it begins at, where it is moved by hand; None: it goes by itself."""
    markets: int = MARKETS
    prices_file: Path | None = None
    prices_symbol: str = ""
    """Whose candles the file has; empty where the file names its symbols."""
    limits: Limits = Limits()
    journal: Path | None = None
    port: int = 0
    """Where it listens, on 127.0.0.1; 0: wherever is free."""

    def to_json(self) -> str:
        """Write them, for a process of its own."""
        return json.dumps(self._asdict() | {"limits": self.limits._asdict()}, default=str)


def options_from_json(text: str) -> Options:
    """Read what `to_json` wrote."""
    told = json.loads(text)
    paths = {name: Path(told[name]) for name in ("prices_file", "journal") if told[name] is not None}
    return Options(**{**told, **paths, "limits": Limits(**told["limits"])})


def set_up(options: Options, wall_ms: Callable[[], int]) -> tuple[House, ScriptedPrices]:
    """Make an exchange. Raises BadPlan and BadPrices."""
    clock: Clock = RunningClock(wall_ms) if options.manual_ms is None else ManualClock(options.manual_ms)
    now_ms = clock.now_ms()
    script = ScriptedPrices(_prices(options, now_ms), now_ms, read_script(options.faults_file, options.faults))
    plan = FaultPlan(read_rules(options.faults_file, options.faults), options.seed, now_ms)
    return House(SimulatedExchange(script, options.seed, now_ms), clock, plan, options.seed, now_ms, options.limits), script


def _prices(options: Options, now_ms: int) -> Prices:
    if options.prices_file is None:
        return SeededPrices(options.seed, symbols(options.markets), now_ms)
    listed = (market_for(options.prices_symbol).symbol,) if options.prices_symbol else symbols(options.markets)
    with options.prices_file.open(encoding="utf-8") as lines:
        return played(str(options.prices_file), lines, listed, now_ms)
