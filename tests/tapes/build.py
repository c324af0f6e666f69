"""Makes the golden tapes: `python -m tests.tapes.build` builds all of them anew and pins what they say.

    python -m tests.tapes.build                    all tapes, from their stories
    python -m tests.tapes.build quiet-day          only these
    python -m tests.tapes.build --keep-inputs      the inputs stay as recorded, the decisions are what the desk says now

Decides: how the stories of the simulation are cut to a size that a repository can carry, where tapes and pins are, and what is pinned. Look at
`./qts replay TAPE --explain` before pinning anew: it tells every decision that is another now. Leaves to others: the stories
(streams.simulation.scenarios), the refusals (tests.tapes.refusals), the checking by hand (the .md beside each tape).
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from schemas.registry import BundledRegistry
from streams.desk.desk import Outcome, step
from streams.desk.messages import TapeEvent
from streams.desk.state import State
from streams.replay.recording import record
from streams.replay.replay import Replay, starting_state
from streams.replay.tape_file import EntryKind, TapeReader
from streams.simulation.market import markets_for
from streams.simulation.plan import START_MS, Flood
from streams.simulation.policies import generated_policy
from streams.simulation.prices import Crash, Silence
from streams.simulation.scenarios import MINUTE_MS, SCENARIOS, Scenario
from streams.simulation.venue import Venue
from streams.simulation.world import World, make_venue
from tests.tapes.liquidity import thin_markets
from tests.tapes.refusals import every_refusal

FOLDER = Path(__file__).parent
PINS = FOLDER / "pins.json"
SEED = 1
SYMBOLS = [market.symbol for market in markets_for(3)]


class Story(NamedTuple):
    """A run that is about to start, and what it shows."""

    start: State
    run: Iterator[tuple[TapeEvent, Outcome]]
    title: str


def cut(name: str, title: str, minutes: int, **changes: Any) -> Story:
    """Tell a scenario with fewer marks and in less time; its script and its exchange stay."""
    told = SCENARIOS[name](SEED).world
    assert isinstance(told.venue, Venue)
    plan = replace(told.plan, **changes)
    scenario = Scenario(World(plan, make_venue(plan, told.venue.style)), minutes * MINUTE_MS)
    return Story(scenario.world.state, scenario.run(), title)


def quiet_day() -> Story:
    """Cut the quiet day to eighteen minutes."""
    return cut("quiet-day", "a quiet day", 18, mark_every_ms=4_000, signal_every_ms=12_000)


def flash_crash() -> Story:
    """Let the crash come after four minutes, with a cooldown of five, and the silence soon after the resets."""
    troubles = (
        Crash("ETHUSDT", START_MS + 4 * MINUTE_MS, 2_500, MINUTE_MS),
        Silence("BNBUSDT", START_MS + 12 * MINUTE_MS, MINUTE_MS * 3 // 2),
    )
    policy = generated_policy(SYMBOLS, ess={"cooldown_s": "300"})
    title = "a flash crash, then a silent feed"
    return cut("flash-crash", title, 15, mark_every_ms=4_000, troubles=troubles, policy=policy, reset_after_s=330)


def signal_flood() -> Story:
    """Let the floods be as steep and shorter."""
    floods = (Flood(20_000, 10_000, 60, "acc00000"), Flood(45_000, 8_000, 24))
    return cut("signal-flood", "two floods of signals", 1, mark_every_ms=2_000, floods=floods)


def partial_fills() -> Story:
    """Cut the bad day to twelve minutes."""
    return cut("partial-fills", "an exchange on a bad day", 12, mark_every_ms=2_000)


def ess_life_cycle() -> Story:
    """Tell all of it, with a price every four seconds."""
    return cut("ess-life-cycle", "an emergency stop from breach to reset", 24, mark_every_ms=4_000)


def fees_and_funding() -> Story:
    """Let the funding time come after ten minutes."""
    return cut(
        "fees-and-funding", "fees in three coins and a funding time", 13, mark_every_ms=3_000, next_funding_ms=10 * MINUTE_MS
    )


def refusals() -> Story:
    """Ask for everything the desk refuses."""
    start, run, _ = every_refusal()
    return Story(start, run, "every refusal")


def liquidity() -> Story:
    """Ask in thin markets."""
    start, run, _ = thin_markets()
    return Story(start, run, "thin markets")


STORIES: dict[str, Callable[[], Story]] = {
    "quiet-day": quiet_day,
    "flash-crash": flash_crash,
    "signal-flood": signal_flood,
    "partial-fills": partial_fills,
    "ess-life-cycle": ess_life_cycle,
    "fees-and-funding": fees_and_funding,
    "refusals": refusals,
    "liquidity": liquidity,
}


def path_of(name: str) -> Path:
    """Tell where a golden tape is."""
    return FOLDER / f"{name}.tape"


def build(name: str) -> None:
    """Write a tape from its story."""
    story = STORIES[name]()
    record(path_of(name), BundledRegistry(), story.start, story.run, f"golden: {story.title}")


def decide_again(name: str) -> None:
    """Keep a tape's inputs and record what the desk says of them now."""
    with TemporaryDirectory() as folder, TapeReader(path_of(name)) as tape:
        codec = tape.codec(BundledRegistry())
        state = starting_state(tape, codec)
        events = (codec.decode_event(entry.value, entry.offset) for entry in tape if entry.kind is EntryKind.EVENT)
        written = Path(folder) / "again.tape"
        record(written, BundledRegistry(), state, ((event, step(state, event)) for event in events), tape.header.description)
        path_of(name).write_bytes(written.read_bytes())


def pins_of(name: str) -> dict[str, object]:
    """Replay a tape and give what is pinned of it."""
    with TapeReader(path_of(name)) as tape:
        result = Replay(tape, BundledRegistry()).run(compare=True)
    if result.divergence is not None:
        raise RuntimeError(f"{name} does not replay to what was just recorded: {result.divergence}")
    return {
        "events": result.events,
        "decisions": result.decisions,
        "orders": result.orders,
        "fates": dict(sorted(result.fates.items())),
        "verdicts": dict(sorted(result.verdicts.items())),
        "refused": dict(sorted(result.refused.items())),
        "decisions_hash": result.decisions_hash,
        "state_hash": result.state_hash,
    }


def read_pins() -> dict[str, dict[str, Any]]:
    """Read what is pinned."""
    pins: dict[str, dict[str, Any]] = json.loads(PINS.read_text(encoding="utf-8")) if PINS.exists() else {}
    return pins


def main(arguments: Sequence[str] | None = None) -> None:
    """Build or decide again, then pin."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tapes.build", description="Make the golden tapes and pin what they say."
    )
    parser.add_argument("names", nargs="*", choices=[*STORIES, []], help="all where none is named")
    parser.add_argument("--keep-inputs", action="store_true", help="keep the recorded inputs, decide again")
    chosen = parser.parse_args(arguments)
    pins = read_pins()
    for name in chosen.names or STORIES:
        (decide_again if chosen.keep_inputs else build)(name)
        pins[name] = pins_of(name)
        print(f"{name}: {path_of(name).stat().st_size:,} bytes, {pins[name]['events']:,} events")  # noqa: T201 - a tool for people
    PINS.write_text(json.dumps({name: pins[name] for name in STORIES if name in pins}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
