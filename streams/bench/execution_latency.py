"""The row about one order: from its being put on `orders` to its request at the exchange, beside a bare hop and one ccxt request.

Decides: that both sides take turns order by order on the same broker and exchange, how fast (within the allowance and with time to settle in
between), and that what is compared is the slowest hundredth. Leaves to others: the stage, the worker, the bare side (execution_bare).
"""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from connectors.exchange.simulator.weights import Limits
from connectors.kafka.bench_ends import Bench
from streams.bench.execution_stage import SETTLE_S, SIDES, Ground, Stage, percentile_ms, staged
from streams.bench.programs import Program
from streams.bench.rates import Timer
from streams.replay.bench import Row

BARE: Final = "bench-bare"
"""The bare side's topic, and its account."""
ACCOUNTS: Final = tuple(f"bench-{number}" for number in range(4))
PER_S: Final = 6
"""Orders of each side. A third of the allowance of 1,200 a minute: what compares accounts takes another third, in lumps."""
WARM: Final = 24
BARE_S_MAX: Final = 60.0
AGAIN_S: Final = 1.0


def latency(ground: Ground, orders: int, timer: Timer, limits: Limits | None = None) -> list[Row]:
    """Time so many orders of each side; `limits`: of the exchange, where they are not its usual ones."""
    if not ground.embedded:
        Bench(ground.settings).fresh({BARE: ground.partitions})
    with ExitStack() as stack:
        stage = stack.enter_context(staged(ground, timer, limits))
        stage.open(*ACCOUNTS)
        stage.open(BARE, known=False)
        worker = stack.enter_context(stage.worker())
        bare = stack.enter_context(_bare(stage))
        stage.wait_until_served(worker, len(ACCOUNTS))
        _warm_up(stage, bare)
        ours, theirs = _in_turn(stage, orders)
        worker.check()
        bare.check()
        about = "" if limits is None else ", nothing waits for the allowance"
        waits_ms = stage.waits_ms(ours)
        lost = Row(f"orders that did not arrive, left out of these{about}", len(ours) - len(waits_ms), f"of {len(ours):,}", None)
        return [*latency_rows(waits_ms, stage.waits_ms(theirs), about), lost]


def latency_rows(ours: Sequence[float], bare: Sequence[float], about: str = "") -> list[Row]:
    """Give the rows: ours beside the bare side, in the middle and at the end that hurts."""
    rows = []
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        mine, theirs = percentile_ms(ours, share), percentile_ms(bare, share)
        rows.append(Row(f"order on `orders` to its request at the exchange, {name}{about}", mine, "ms", mine / theirs))
        rows.append(Row(f"bare hop and one ccxt request, {name}{about}", theirs, "ms", None))
    return rows


def _bare(stage: Stage) -> Program:
    ground = stage.ground
    argv = [
        sys.executable, "-P", "-m", "streams.bench.execution_bare", ground.settings.servers, BARE, stage.exchange.url, BARE,
        "yes" if ground.embedded else "no",
    ]  # fmt: skip
    return Program(argv, {}, ground.folder / "bare.log")


def _warm_up(stage: Stage, bare: Program) -> None:
    """Have both sides send until both have. The first orders of an account may be refused: it is still being compared, and they get too old."""
    left = {*ACCOUNTS, BARE}

    def arrived() -> bool:
        bare.check()
        left.difference_update(arrival.account for arrival in stage.arrivals().values())
        for account in left:
            stage.send(stage.order(account, SIDES[0]), BARE if account == BARE else "orders")
        stage.pause(AGAIN_S)
        return not left

    stage.until(arrived, lambda: f"first orders of {', '.join(sorted(left))} arrive: {bare.last_words()}", BARE_S_MAX)
    _in_turn(stage, WARM)


def _in_turn(stage: Stage, orders: int) -> tuple[list[str], list[str]]:
    """Send one of ours, one of theirs, evenly; give their names."""
    ours, theirs = [], []
    began_ns, half_ns = stage.timer.now_ns(), 1_000_000_000 // (2 * PER_S)
    for number in range(orders):
        side = SIDES[number // len(ACCOUNTS) % 2]
        stage.pause_until(began_ns + 2 * number * half_ns)
        ours.append(stage.send(stage.order(ACCOUNTS[number % len(ACCOUNTS)], side)))
        stage.pause_until(began_ns + (2 * number + 1) * half_ns)
        theirs.append(stage.send(stage.order(BARE, side), BARE))
    stage.pause(SETTLE_S)
    return ours, theirs
