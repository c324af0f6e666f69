"""`./qts crash`: kill workers on real Kafka at every step they have, while records flow in, and prove that nothing came of it.

Decides: what may be asked for, and how the answer is shown. Leaves to others: the runs (crash_run, crash_execution), the moments (crash_plan,
crash_execution_plan).
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from rich.table import Table

from connectors.exchange.simulator.process import SimulatorFailed
from connectors.exchange.simulator.process import running as running_exchange
from connectors.exchange.simulator.setting_up import Options
from connectors.exchange.simulator.weights import Limits
from connectors.kafka.faust_app import SESSION_S
from connectors.kafka.local_cluster import running_cluster
from connectors.kafka.local_jars import KafkaMissing
from connectors.kafka.local_node import KafkaFailed
from connectors.kafka.settings import KafkaSettings
from streams.cli.command import single
from streams.cli.crash_execution import ExecutionRun
from streams.cli.crash_execution_plan import strikes
from streams.cli.crash_fleet import WorkerDied
from streams.cli.crash_plan import plan
from streams.cli.crash_run import WORKERS, Run, make_topics
from streams.cli.exchange import fault_plan
from streams.cli.kafka import kafka_jars
from streams.cli.output import NEGATIVE, Answer, BadInput, CommandError, Output, Unavailable

PLAN: Final = Path(__file__).resolve().parents[2] / "infra" / "exchange" / "crash.yaml"
"""What the exchange does wrong unless told otherwise."""
EVENTS, ORDERS = 60_000, 60
LIMITS: Final = Limits(weight_1m=12_000)
"""Five times the exchange's own. A worker that comes back looks at all its accounts anew, which costs a minute's weight with these: killed every few
seconds, it would do nothing else."""


class _Asked(NamedTuple):
    """What was asked for; nothing where it was left out."""

    events: int | None
    orders: int | None
    kills: int
    zombies: int | None
    faults: Path | None
    seed: int
    keep: Path | None


@single(
    "crash",
    example="./qts crash --events 60000 --kills 5\n./qts crash --events 20000 --kills 3 --zombies 1 --seed 4 --json\n"
    "./qts crash --stage execution --orders 300 --kills 30",
)
@click.option(
    "--stage",
    type=click.Choice(["desk", "execution"]),
    default="desk",
    show_default=True,
    help="Whose workers: sequencers and desks, or executors beside a simulated exchange.",
)
@click.option("--events", type=click.IntRange(2_000), help=f"Stage desk: records published meanwhile. [default: {EVENTS}]")
@click.option("--orders", type=click.IntRange(10), help=f"Stage execution: orders at least. [default: {ORDERS}]")
@click.option(
    "--kills",
    type=click.IntRange(0, 1_000),
    default=5,
    show_default=True,
    help="How often a worker is killed with kill -9; in stage execution two times in nine it is paused instead.",
)
@click.option(
    "--zombies", type=click.IntRange(0, 100), help="Stage desk: how often one is paused until its partitions have moved."
)
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Stage execution: what the exchange does wrong. [default: infra/exchange/crash.yaml]",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other moments.")
@click.option(
    "--broker",
    type=click.Choice(["local"]),
    default="local",
    show_default=True,
    help="A real Kafka of its own, ended with the run.",
)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the workers' logs in this folder.")
def command(out: Output, stage: str, broker: str, **told: Any) -> Answer:
    """Kill workers at every step they have, and prove that no order was lost, doubled or contradicted.

    Real Kafka, real workers, records flowing all the while. Stage desk: every source record has to be on the tape afterwards, and an uninterrupted
    run of that tape has to give what is on the topics, to the byte. Stage execution: the books of the exchange, which times out, fills in parts and
    repeats itself, have to be ours. The exit code is 1 where it is not so; the seed repeats the moments.
    """
    assert broker == "local"
    asked = _Asked(**told)
    _refuse(stage, asked)
    with _cluster(asked.keep) as (folder, settings):
        try:
            answer = (_desk if stage == "desk" else _execution)(out, folder, settings, asked)
        except WorkerDied as died:
            raise CommandError(str(died), NEGATIVE) from died
    _show(out, answer)
    return Answer(answer, exit_code=0 if answer["ok"] else NEGATIVE)


def _refuse(stage: str, asked: _Asked) -> None:
    """Refuse what belongs to the other stage."""
    if stage == "desk" and (asked.orders is not None or asked.faults is not None):
        raise BadInput("--orders and --faults belong to --stage execution")
    if stage == "execution" and (asked.events is not None or asked.zombies is not None):
        raise BadInput("--events and --zombies belong to --stage desk")


@contextmanager
def _cluster(keep: Path | None) -> Iterator[tuple[Path, KafkaSettings]]:
    """Run a Kafka of our own, with the topics made; gives the folder of the run, too."""
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qts-crash-")))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BadInput(f"{folder} is not empty: a proof begins with nothing")
        try:
            cluster = stack.enter_context(running_cluster(kafka_jars(), folder / "kafka"))
        except (KafkaFailed, KafkaMissing) as failed:
            raise Unavailable(str(failed)) from failed
        settings = KafkaSettings(cluster.servers)
        make_topics(settings)
        yield folder, settings


def _desk(out: Output, folder: Path, settings: KafkaSettings, asked: _Asked) -> dict[str, object]:
    seed, kills = asked.seed, asked.kills
    events, zombies = asked.events or EVENTS, asked.zombies or 0
    run = Run(out, settings, folder, seed)
    run.trouble(events, plan(seed, events, kills, zombies, WORKERS, SESSION_S))
    answer = run.proof() | {"seed": seed, "events": events, "kills": kills, "zombies": zombies}
    answer["ok"] = answer["ok"] and (answer["killed"], answer["paused"]) == (kills, zombies)
    return answer


def _execution(out: Output, folder: Path, settings: KafkaSettings, asked: _Asked) -> dict[str, object]:
    orders, faults = asked.orders or ORDERS, asked.faults or PLAN
    try:
        options = Options(asked.seed, fault_plan(faults), str(faults), limits=LIMITS, journal=folder / "exchange.journal")
        with running_exchange(options) as exchange:
            run = ExecutionRun(out, settings, folder, asked.seed, exchange)
            found = run.trouble(orders, strikes(asked.seed, asked.kills, WORKERS, SESSION_S))
            return run.answer(found) | {"seed": asked.seed, "kills": asked.kills}
    except SimulatorFailed as failed:
        raise Unavailable(str(failed)) from failed


def _show(out: Output, answer: dict[str, object]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in answer.items():
        if name != "examples":
            table.add_row(name, json.dumps(value))
    out.console.print(table)
    for example in answer["examples"]:  # type: ignore[attr-defined]  # a list of texts
        out.console.print(example, soft_wrap=True)
