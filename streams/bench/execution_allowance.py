"""The row about the allowance: how much of the exchange's weight is used when there is more to be asked than may be, and whether it ever refuses.

Decides: what is asked (light and heavy questions, and orders), that always many wait, and that only whole minutes count, as the exchange counted
them. The first whole minute is told apart: the one before was begun in its middle and not used up by its end, so what went out in its last two
seconds counts in both (allowance_windows).
Leaves to others: the clock and sleep (arguments), the exchange, the allowance.
"""

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from connectors.exchange.allowance import Allowance
from connectors.exchange.ccxt_exchange import CcxtExchange
from connectors.exchange.clock import Clocks, ExchangeClock, Sleep
from connectors.exchange.modes import keys_of, venue_of
from connectors.exchange.simulator.journal import entries
from connectors.exchange.simulator.process import SimulatorProcess, running
from connectors.exchange.simulator.setting_up import Options
from connectors.exchange.simulator.weights import Limits
from connectors.kafka.bench_ends import NotDone
from streams.bench.execution_stage import SIDES
from streams.exchange.errors import NotThere
from streams.exchange.port import AccountRef, Placing
from streams.replay.bench import Row

ACCOUNTS: Final = tuple(f"bench-{number}" for number in range(4))
ASKING: Final = 60
"""Who ask without a pause. Heavy questions wait for a second or more, so there is always somebody who waits."""
SEED: Final = 1
MINUTE_MS: Final = 60_000
SETTLE_S: Final = 1.0
WINDOW_MS: Final = 5_000
SHARES: Final[Mapping[str, int]] = {"find": 70, "place": 20, "trades": 5, "positions": 3, "open_orders": 2}
"""Of a hundred questions. Their weights are 1, 1, 5, 5 and 40."""
REFUSED: Final = (429, 418)


def allowance(folder: Path, minutes: int, clocks: Clocks, sleep: Sleep) -> list[Row]:
    """Ask for what is left of this minute, for a whole one, and for so many more."""
    journal, limits = folder / "journal.jsonl", Limits()
    with running(Options(journal=journal, limits=limits)) as exchange:
        _open(exchange)
        first = clocks.wall_ms() // MINUTE_MS + 1
        asyncio.run(_asked(exchange.url, (first + 1 + minutes) * MINUTE_MS, clocks, sleep))
        used, refused = counted(entries(journal))
    whole = [used[minute] for minute in range(first, first + 1 + minutes)]
    return used_rows(whole, refused, limits.weight_1m)


def used_rows(whole: Sequence[int], refused: int, limit: int) -> list[Row]:
    """Give the rows of minutes in which so much was used: of those after the first the worst one counts."""
    first, *others = whole
    if not others or min(whole) == 0:
        raise NotDone("there are minutes in which nothing was asked")
    least = min(others)
    return [
        Row("weight used of the allowance, the worst minute", least, f"of {limit:,}", least / limit),
        Row("weight used of the allowance, the first whole minute", first, f"of {limit:,}", first / limit),
        Row("refused for asking too often", refused, "requests", None),
    ]


def counted(found: Iterable[Mapping[str, Any]]) -> tuple[dict[int, int], int]:
    """Count in a journal what the exchange says was used of each minute, and how often it refused."""
    used: dict[int, int] = defaultdict(int)
    refused = 0
    for told in found:
        if told["kind"] == "request":
            minute = int(told["ts"]) // MINUTE_MS
            used[minute] = max(used[minute], int(told["headers"].get("X-MBX-USED-WEIGHT-1M", 0)))
            refused += told["status"] in REFUSED
    return used, refused


def _open(exchange: SimulatorProcess) -> None:
    for account in ACCOUNTS:
        keys = {"account": account, "key": f"sim-{account}", "secret": f"sim-secret-{account}"}
        exchange.ask("POST", "/sim/accounts", {**keys, "balances": {"USDT": "100000000"}})


async def _asked(url: str, until_ms: int, clocks: Clocks, sleep: Sleep) -> None:
    """Ask until then."""
    allowance = Allowance(ExchangeClock(clocks), sleep)
    venue = venue_of({"QTS_EXCHANGE_URL": url})
    async with CcxtExchange(
        venue, lambda ref: keys_of(ref, "sim", {}), allowance, clocks, sleep, random.Random(SEED)
    ) as exchange:
        allowance.follow(exchange.clock)
        for account in ACCOUNTS:
            await exchange.check(AccountRef(account, "", Decimal(5)), ["BTCUSDT"])
        async with asyncio.TaskGroup() as asking:
            tasks = [asking.create_task(_ask_on(exchange, number)) for number in range(ASKING)]
            while clocks.wall_ms() < until_ms:
                await sleep(SETTLE_S)
            for task in tasks:
                task.cancel()
        await sleep(SETTLE_S)  # the journal is written every tenth of a second


async def _ask_on(exchange: CcxtExchange, number: int) -> None:
    """Ask one thing after the other, for ever."""
    chance, account, asked = random.Random(f"{SEED}/{number}"), ACCOUNTS[number % len(ACCOUNTS)], 0

    async def place() -> object:
        await exchange.room(account, urgent=False)
        name, side = f"bench-{number}-{asked}", chance.choice(SIDES)
        order = Placing(account, name, "BTCUSDT", side, "MARKET", Decimal("0.01"), None, False, exchange.now_ms(), WINDOW_MS)
        return await exchange.place(order)

    questions: dict[str, Callable[[], Awaitable[object]]] = {
        "find": lambda: exchange.find(account, "BTCUSDT", f"bench-{number}-none"),
        "place": place,
        "trades": lambda: exchange.trades(account, "BTCUSDT", exchange_id="1"),
        "positions": lambda: exchange.positions(account),
        "open_orders": lambda: exchange.open_orders(account),
    }
    while True:
        asked += 1
        (question,) = chance.choices(list(SHARES), list(SHARES.values()))
        try:
            await questions[question]()
        except NotThere:  # an answer as good as any
            continue
