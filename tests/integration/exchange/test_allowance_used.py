"""The simulated exchange gives less than is asked of it: nearly all it gives is used, and it never has to refuse. And the figures an IP can carry.

The exchange's minutes pass by hand: a quarter of a second whenever everything that was asked is answered.
"""

import asyncio
import heapq
import itertools
import json
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from random import Random

import pytest

from connectors.exchange.allowance import Allowance
from connectors.exchange.ccxt_exchange import CcxtExchange
from connectors.exchange.clock import ExchangeClock
from connectors.exchange.modes import Venue, keys_of, place_at
from connectors.exchange.simulator.process import SimulatorProcess, running
from connectors.exchange.simulator.setting_up import Options
from connectors.exchange.simulator.weights import Limits
from streams.cli.main import main
from streams.exchange.port import AccountRef
from tests.exchange_kit import START_MS

LIMIT = 600
STEP_MS = 250
ACCOUNTS = [AccountRef(name, name, Decimal(5)) for name in ("one", "two", "three")]


class Hands:
    """Time that is moved by hand, here and at the exchange, and what waits for it."""

    def __init__(self, there: SimulatorProcess) -> None:
        self._there, self._now_ms = there, START_MS
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = itertools.count()

    def wall_ms(self) -> int:
        return self._now_ms

    def ticking_ms(self) -> int:
        return self._now_ms - START_MS

    async def sleep(self, after_s: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self._now_ms + round(after_s * 1_000), next(self._number), woken))
        await woken

    async def move(self) -> None:
        self._now_ms += STEP_MS
        await asyncio.to_thread(self._there.ask, "POST", "/sim/clock", {"by_ms": STEP_MS})
        while self._waiting and self._waiting[0][0] <= self._now_ms:
            woken = heapq.heappop(self._waiting)[2]
            if not woken.done():
                woken.set_result(None)


class Watched(Allowance):
    """An allowance that notes what the exchange told in each of its minutes, and how many questions are under way."""

    def __init__(self, hands: Hands) -> None:
        super().__init__(ExchangeClock(hands), hands.sleep)
        self._hands = hands
        self.under_way = 0
        self.told: dict[int, int] = defaultdict(int)

    async def take(self, weight: int, *, orders: int = 0, account: str = "", urgent: bool = False) -> None:
        await super().take(weight, orders=orders, account=account, urgent=urgent)
        self.under_way += 1

    def correct(self, headers: Mapping[str, str], account: str, asked_ms: int) -> None:
        minute, used = self._hands.wall_ms() // 60_000, int(headers["X-MBX-USED-WEIGHT-1M"])
        self.told[minute] = max(self.told[minute], used)
        self.under_way -= 1
        super().correct(headers, account, asked_ms)


async def ask_on(exchange: CcxtExchange, account: str, first: int) -> None:
    ways = (exchange.positions, exchange.balances, exchange.open_orders, exchange.balances)
    for way in itertools.islice(itertools.cycle(ways), first, None):
        await way(account)


async def four_minutes(there: SimulatorProcess) -> dict[int, int]:
    hands = Hands(there)
    allowance = Watched(hands)
    venue = Venue("sim", "sim", (place_at(there.url),))
    async with CcxtExchange(venue, lambda ref: keys_of(ref, "sim", {}), allowance, hands, hands.sleep, Random(1)) as exchange:
        allowance.follow(exchange.clock)
        work = [asyncio.create_task(checked_then_busy(exchange, ref)) for ref in ACCOUNTS]
        for _ in range(4 * 60_000 // STEP_MS):
            async with asyncio.timeout(20):
                await asyncio.sleep(0)
                while allowance.under_way:  # noqa: ASYNC110 - answers are counted by who hears them
                    await asyncio.sleep(0.0005)
            await hands.move()
            assert not any(task.done() for task in work), [task.result() for task in work if task.done()]
        for task in work:
            task.cancel()
    return allowance.told


async def checked_then_busy(exchange: CcxtExchange, ref: AccountRef) -> None:
    await exchange.check(ref, ["BTCUSDT"])
    async with asyncio.TaskGroup() as group:
        for first in range(6):
            group.create_task(ask_on(exchange, ref.account, first))


def test_with_more_work_than_allowance_95_percent_of_it_are_used_and_nothing_is_refused() -> None:
    with running(Options(seed=7, manual_ms=START_MS, markets=2, limits=Limits(weight_1m=LIMIT))) as there:
        for ref in ACCOUNTS:
            keys = keys_of(ref, "sim", {})
            told = {
                "account": ref.account,
                "key": keys.key.reveal(),
                "secret": keys.secret.reveal(),
                "balances": {"USDT": "1000"},
            }
            there.ask("POST", "/sim/accounts", told)
        used = asyncio.run(four_minutes(there))
        books = there.ask("GET", "/sim/books")

    asked = [books["requests_without_key"], *(account["requests"] for account in books["accounts"].values())]
    assert [one for one in asked if {"refused_429", "refused_418", "bans"} & one.keys()] == []
    whole = [used[minute] for minute in sorted(used)[2:-1]]
    assert len(whole) == 2
    assert all(0.95 * LIMIT <= weight <= LIMIT for weight in whole)


def test_what_an_ip_can_carry_is_told_by_the_limit_of_the_exchange_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(Options(markets=2)) as there:
        monkeypatch.setenv("QTS_EXCHANGE_URL", there.url)
        assert main(["exchange", "capacity", "--period-s", "300", "--symbols", "3", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["limit"], found["told_by_exchange"]) == (2_400, True)
        assert found["accounts"] == 720 * 5 // found["weight_of_sweep"]

    assert main(["exchange", "capacity", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["limit"], found["told_by_exchange"]) == (1_200, False)
