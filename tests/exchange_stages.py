"""The stages on which the contract of the `Exchange` port is played, prices moved by hand: ccxt against the simulator, and the fake exchange."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from random import Random
from typing import Final

from connectors.exchange.ccxt_exchange import CcxtExchange
from connectors.exchange.modes import Venue, keys_of, place_at
from connectors.exchange.simulator.clocks import RunningClock
from connectors.exchange.simulator.engine import SimulatedExchange
from connectors.exchange.simulator.fault_rules import read_rules
from connectors.exchange.simulator.faults import FaultPlan
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.markets import symbols
from connectors.exchange.simulator.server import Server, serving
from connectors.exchange.simulator.signing import Key
from connectors.kafka.system_clock import SystemClock
from tests.exchange_kit import GivenPrices
from tests.exchange_stage import ACCOUNT, FUNDS, PRICE, REF, SYMBOL, Scene
from tests.fake_exchange import FakeExchange
from tests.fake_exchange_faults import ASKING, DOING, Fault
from tests.scripted_exchange import Allowance
from tests.virtual_loop import Clock, run

_SEED: Final = 7
_DOWN: Final = "faults:\n  - fault: server_error\n"


class FakeStage:
    """The fake exchange."""

    def __init__(self, exchange: FakeExchange) -> None:
        """Take it."""
        self.exchange = exchange

    async def move_to(self, price: Decimal) -> None:
        """Move the mark price of SYMBOL, and let happen what follows."""
        await self.exchange.move(SYMBOL, price)

    async def pay_in(self, amount: Decimal) -> None:
        """Pay money into the account."""
        self.exchange.pay(ACCOUNT, amount)

    async def break_down(self) -> None:
        """Let every question fail from now on."""
        self.exchange.faults.always(Fault("before"), *DOING, *ASKING)


class SimulatorStage:
    """Ccxt, the simulator, and its insides."""

    def __init__(self, exchange: CcxtExchange, server: Server, prices: GivenPrices) -> None:
        """Take them."""
        self.exchange, self._server, self._prices = exchange, server, prices

    async def move_to(self, price: Decimal) -> None:
        """Move the mark price of SYMBOL, and let happen what follows."""
        self._prices.put(SYMBOL, price)
        self._server.tick()

    async def pay_in(self, amount: Decimal) -> None:
        """Pay money into the account."""
        house = self._server.house
        house.engine.transfer(ACCOUNT, "USDT", amount, house.clock.now_ms())
        self._server.tick()

    async def break_down(self) -> None:
        """Let every question fail from now on."""
        house = self._server.house
        house.faults.replace(read_rules("down", _DOWN), house.clock.now_ms())


@asynccontextmanager
async def simulator_stage() -> AsyncIterator[SimulatorStage]:
    """Set ccxt and the simulator up."""
    system = SystemClock()
    clock = RunningClock(system.wall_ms)
    now_ms, prices = clock.now_ms(), GivenPrices(symbols(6))
    house = House(SimulatedExchange(prices, _SEED, now_ms), clock, FaultPlan((), _SEED, now_ms), _SEED, now_ms)
    keys = keys_of(REF, "sim", {})
    house.open(Key(ACCOUNT, keys.key.reveal(), keys.secret.reveal(), now_ms), {"USDT": FUNDS})
    prices.put(SYMBOL, PRICE)
    async with serving(house) as server:
        venue = Venue("sim", "sim", (place_at(server.url),))
        async with CcxtExchange(
            venue, lambda ref: keys_of(ref, "sim", {}), Allowance(), system, asyncio.sleep, Random(_SEED)
        ) as exchange:
            await exchange.check(REF, [SYMBOL, "ETHUSDT"])
            yield SimulatorStage(exchange, server, prices)


def on_the_simulator(scene: Scene) -> None:
    """Play a scene with ccxt and the simulator, in real time."""

    async def played() -> None:
        async with asyncio.timeout(60), simulator_stage() as stage:
            await scene(stage)

    asyncio.run(played())


def on_the_fake(scene: Scene) -> None:
    """Play a scene with the fake exchange, in virtual time."""
    clock = Clock()
    exchange = FakeExchange(clock, seed=_SEED)
    exchange.open(ACCOUNT, FUNDS)
    exchange.put(SYMBOL, PRICE)

    async def played() -> None:
        await exchange.check(REF, [SYMBOL, "ETHUSDT"])
        await scene(FakeStage(exchange))

    run(played, clock=clock, limit_s=60)
