"""The rows about many accounts: 200 of them sent for by one executor while each answer takes 200 ms, beside one account alone.

Decides: that one account and all of them take turns, that no account sends faster than its answers come, and what would be a sign of waiting for
somebody else: an order that arrives later than an answer takes. Limits of the exchange are wide, or opening 200 accounts would take half an hour.
Leaves to others: the stage, the worker.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from connectors.exchange.simulator.weights import Limits
from streams.bench.execution_stage import NS_PER_MS, SETTLE_S, SIDES, Arrival, Ground, Stage, percentile_ms, staged
from streams.bench.rates import Timer
from streams.replay.bench import Row

LATENCY_MS: Final = 200
WIDE: Final = Limits(weight_1m=200_000)
ALONE_PER_S: Final = 2
"""An answer and what follows from it take a quarter of a second: an account alone never waits for itself."""
EACH_PER_MINUTE: Final = 6
"""What a limit of 2,400 a minute leaves each of 200 accounts, when half of it goes to other questions."""
ROUNDS: Final = 3
SERVED_S_MAX: Final = 240.0
SENT_PER_S_LEAST: Final = 50
"""What a busy machine still gets out of one executor."""
FIRST_S: Final = 10.0
"""Symbols are set up with the first order of each account: two more questions."""


def accounts(ground: Ground, count: int, slice_s: float, timer: Timer) -> list[Row]:
    """Serve so many accounts, and time their orders; one of them alone in between."""
    names = [f"bench-{number:03}" for number in range(count)]
    with staged(ground, timer, WIDE) as stage:
        stage.open(*names)
        with stage.worker() as worker:
            stage.wait_until_served(worker, count, SERVED_S_MAX)
            _send(stage, names, count / FIRST_S, count, 0)
            stage.exchange.ask("PUT", "/sim/faults", f"faults: [{{fault: latency, ms: {LATENCY_MS}, up_to_ms: {LATENCY_MS}}}]")
            rows = [*_in_turn(stage, names, slice_s), *_crowd(stage, names)]
            worker.check()
            return rows


def _in_turn(stage: Stage, names: Sequence[str], slice_s: float) -> list[Row]:
    """Have one account alone and all of them take turns."""
    alone: list[str] = []
    many: list[str] = []
    per_s = len(names) * EACH_PER_MINUTE / 60
    for turn in range(1, ROUNDS + 1):
        alone += _send(stage, names[:1], ALONE_PER_S, int(slice_s * ALONE_PER_S), turn)
        many += _send(stage, names, per_s, max(len(names), int(slice_s * per_s)), turn)
    arrived = stage.arrivals()
    served = {arrived[name].account for name in many if name in arrived}
    return [
        Row(f"accounts served at once, answers after {LATENCY_MS} ms", len(served), "accounts", None),
        *waiting_rows(stage.waits_ms(alone), stage.waits_ms(many), len(names)),
    ]


def _crowd(stage: Stage, names: Sequence[str]) -> list[Row]:
    """Have all of them send at the same moment."""
    crowd = [stage.send(stage.order(name, SIDES[ROUNDS % 2])) for name in names]
    stage.pause(SETTLE_S + len(names) / SENT_PER_S_LEAST)
    last_ms, arrived = max(stage.waits_ms(crowd)), stage.arrivals()
    under_way = at_once(arrived[name] for name in crowd if name in arrived)
    return [
        Row("one order of each at the same moment: the last request", last_ms, "ms", None),
        Row("one order of each at the same moment: under way at once, at most", under_way, "requests", None),
    ]


def waiting_rows(alone: Sequence[float], many: Sequence[float], count: int) -> list[Row]:
    """Give the rows: how long orders wait for their request among many accounts, beside one account alone."""
    first, last = (percentile_ms(side, 0.99) for side in (alone, many))
    late = sum(one >= LATENCY_MS for one in many)
    return [
        Row(f"order to its request, {count} accounts, p99", last, "ms", last / first),
        Row("order to its request, one account alone, p99", first, "ms", None),
        Row("orders that waited for as long as an answer takes", late, f"of {len(many):,}", late / len(many)),
    ]


def at_once(arrived: Iterable[Arrival]) -> int:
    """Tell how many requests were under way at the same moment, at most."""
    moves = sorted(move for one in arrived for move in ((one.at_ns, 1), (one.at_ns + one.took_ms * NS_PER_MS, -1)))
    most = now = 0
    for _, move in moves:
        now += move
        most = max(most, now)
    return most


def _send(stage: Stage, names: Sequence[str], per_s: float, orders: int, turn: int) -> list[str]:
    """Send evenly, the accounts in turn; give the names."""
    sent, began_ns = [], stage.timer.now_ns()
    for number in range(orders):
        stage.pause_until(began_ns + int(number * 1e9 / per_s))
        side = SIDES[(number // len(names) + turn) % 2]
        sent.append(stage.send(stage.order(names[number % len(names)], side)))
    stage.pause(SETTLE_S)
    return sent
