"""Benchmarks of the desk: how much it costs beside decoding, and how that grows.

Decides: what is measured, and that both sides of every ratio are measured in turn, in the same process and run: absolute times mean little on shared
machines. Leaves to others: the clock (an argument), the table (streams.cli.bench).
"""

import gc
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

from schemas.codec import Codec
from schemas.registry import Registry
from streams.desk.desk import step
from streams.desk.messages import Command, Control, Enable, Fill, Mark, OpenAccount, Signal, TapeEvent
from streams.desk.state import State, new_state
from streams.pipeline.snapshots import SnapshotWriter
from streams.replay.generate import generate
from streams.replay.recording import record
from streams.replay.replay import Recorded, recorded, starting_state
from streams.replay.tape_file import TapeReader

Clock = Callable[[], int]
"""Nanoseconds of processor time."""
Progress = Callable[[int], None]

CHUNK_EVENTS = 2_000
"""Events between two changes of sides: short enough that a slow moment of the machine hits both."""


class Row(NamedTuple):
    """One line of the table. ratio is what counts; figure and unit say what it was made of."""

    name: str
    figure: float
    unit: str
    ratio: float | None


def bench_tape(path: Path, registry: Registry, events: int, accounts: int, seed: int, progress: Progress | None = None) -> None:
    """Generate the bench tape: 80 % marks of 20 symbols, 10 % signals, 6 % order events, 4 % fills."""
    record(path, registry, new_state(1, 0), generate(seed, events, accounts), f"bench tape, seed {seed}", progress)


def replay_share(path: Path, registry: Registry, clock: Clock, progress: Progress | None = None) -> list[Row]:
    """Replay a tape, and decode the same records alone."""
    with TapeReader(path) as tape:
        codec = tape.codec(registry)
        state = starting_state(tape, codec)
        decoding = replaying = events = account_steps = 0
        for chunk in _chunks(recorded(tape)):
            begun = clock()
            decoded = [codec.decode_event(one.event, one.offset) for one in chunk]
            between = clock()
            for one in chunk:
                step(state, codec.decode_event(one.event, one.offset))
            ended = clock()
            decoding, replaying, events = decoding + between - begun, replaying + ended - between, events + len(chunk)
            account_steps += sum(_account_steps(state, event) for event in decoded)
            if progress is not None:
                progress(len(chunk))
    return [
        Row("replay beside decoding alone", events / replaying * 1e9, "events/s", decoding / replaying),
        Row("decoding alone", events / decoding * 1e9, "events/s", None),
        Row("account-steps", account_steps / replaying * 1e9, "account-steps/s", None),
        Row("accounts an event concerns", account_steps / events, "accounts", None),
    ]


def _account_steps(state: State, event: TapeEvent) -> int:
    """Count the accounts an event concerns: the holders of a mark's symbol, or the account it names."""
    if isinstance(event.body, Mark):
        return len(state.index.holders.get(event.body.symbol, ()))
    return 1 if hasattr(event.body, "account") else 0


def _chunks(events: Iterator[Recorded]) -> Iterator[list[Recorded]]:
    while chunk := list(islice(events, CHUNK_EVENTS)):
        yield chunk


def growth(events: int, few: int, many: int, seed: int, clock: Clock) -> Row:
    """Step the same events in a desk of few accounts and in one of many, of which only the few trade: holders of a symbol are the same.

    The opening is not counted: a new policy or phase concerns every account, once.
    """
    tape = [event for event, _ in generate(seed, events, few)]
    small, large = new_state(1, 0), new_state(1, 0)
    for event in _strangers(many - few, tape[0].stamp_ms):
        step(large, event)
    shifted = [event._replace(offset=event.offset + large.offset + 1) for event in tape]
    opening = next(place for place, event in enumerate(tape) if isinstance(event.body, Signal))
    for state, run in ((small, tape), (large, shifted)):
        for event in run[:opening]:
            step(state, event)
    gc.collect()
    spent = [0, 0]
    for start in range(opening, len(tape), CHUNK_EVENTS):
        for side, (state, run) in enumerate(((small, tape), (large, shifted))):
            begun = clock()
            for event in run[start : start + CHUNK_EVENTS]:
                step(state, event)
            spent[side] += clock() - begun
    return Row(
        f"event at {many:,} accounts beside {few}", spent[1] / (len(tape) - opening) / 1e3, "µs/event", spent[1] / spent[0]
    )


def _strangers(count: int, stamp_ms: int) -> Iterator[TapeEvent]:
    for number in range(count):
        name = f"stranger-{number:05}"
        commands: tuple[Command, ...] = (OpenAccount("sim", "none", Decimal(5), Decimal(10_000)), Enable())
        for place, command in enumerate(commands):
            offset = 2 * number + place
            control = Control(f"{name}-{place}", name, "bench", "bench", stamp_ms, command)
            yield TapeEvent(offset, stamp_ms, "strangers", 0, offset, control)


def held_state(accounts: int, positions: int) -> State:
    """Make a desk of accounts that each hold that many positions, through the desk itself."""
    state, stamp_ms = new_state(1, 0), 1_760_000_000_000
    for offset, body in enumerate(held_bodies(accounts, positions, stamp_ms)):
        step(state, TapeEvent(offset, stamp_ms, "bench", 0, offset, body))
    return state


def held_bodies(accounts: int, positions: int, stamp_ms: int) -> Iterator[Mark | Control | Fill]:
    """Give what makes a desk of accounts that each hold that many positions."""
    symbols = [f"C{number:02}USDT" for number in range(positions)]
    yield from (_mark(symbol, stamp_ms) for symbol in symbols)
    for number in range(accounts):
        name = f"account-{number:05}"
        yield Control(f"open-{number}", name, "bench", "bench", stamp_ms, OpenAccount("sim", "none", Decimal(5), Decimal(10_000)))
        yield from (_fill(name, symbol, number, stamp_ms) for symbol in symbols)


def _mark(symbol: str, ts: int) -> Mark:
    price = Decimal("100.1234567890")
    return Mark(f"m-{symbol}", symbol, price, price, price, price, price, Decimal(1_000_000), Decimal("0.0001"), ts)


def _fill(account: str, symbol: str, number: int, ts: int, trade: str = "t") -> Fill:
    quantity = Decimal(1_000 + number % 977).scaleb(-3)
    return Fill(
        "sim", f"{trade}-{account}-{symbol}", account, symbol, f"o-{account}-{symbol}", "BUY", Decimal("99.9876543210"), quantity,
        Decimal("0.0123"), "USDT", ts,
    )  # fmt: skip


def snapshot_cost(registry: Registry, accounts: int, positions: int, changed_pct: int, rounds: int, clock: Clock) -> list[Row]:
    """Write a snapshot of which a share has changed, and one of which everything has to be encoded."""
    state = held_state(accounts, positions)
    codec, now_ms = Codec(registry), state.now_ms
    warm = SnapshotWriter(codec)
    warm.write(state)
    names = list(state.accounts)
    few = len(names) * changed_pct // 100
    ratios, whole = [], []
    for number in range(rounds):
        for place in range(few):
            name = names[(number * few + place) % len(names)]
            offset = state.offset + 1
            step(state, TapeEvent(offset, now_ms, "bench", 0, offset, _fill(name, "C00USDT", place, now_ms, f"r{number}")))
        begun = clock()
        some = warm.write(state)
        between = clock()
        everything = SnapshotWriter(codec).write(state)
        ended = clock()
        assert some == everything, "reusing bytes gave another snapshot"
        ratios.append((between - begun) / (ended - between))
        whole.append(ended - between)
    return [
        Row(
            f"snapshot of {accounts:,} accounts, {changed_pct} % changed, beside all",
            median(whole) / 1e6,
            "ms for all",
            median(ratios),
        ),
        Row("its size", sum(map(len, warm.write(state))) / 1e6, "MB", None),
    ]
