"""`./qts crash`: kill workers on real Kafka at every step they have, while records flow in, and prove that nothing came of it.

Decides: what may be asked for, and how the answer is shown. Leaves to others: the run (crash_run), the moments (crash_plan).
"""

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
from rich.table import Table

from connectors.kafka.faust_app import SESSION_S
from connectors.kafka.local_cluster import running_cluster
from connectors.kafka.local_jars import KafkaMissing
from connectors.kafka.local_node import KafkaFailed
from connectors.kafka.settings import KafkaSettings
from streams.cli.command import single
from streams.cli.crash_fleet import WorkerDied
from streams.cli.crash_plan import plan
from streams.cli.crash_run import WORKERS, Run
from streams.cli.kafka import kafka_jars
from streams.cli.output import NEGATIVE, Answer, BadInput, CommandError, Output, Unavailable


@single("crash", example="./qts crash --events 60000 --kills 5\n./qts crash --events 20000 --kills 3 --zombies 1 --seed 4 --json")
@click.option(
    "--events", type=click.IntRange(2_000), default=60_000, show_default=True, help="Records published while workers are killed."
)
@click.option(
    "--kills", type=click.IntRange(0, 1_000), default=5, show_default=True, help="How often a worker is killed with kill -9."
)
@click.option(
    "--zombies",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    help="How often one is paused until its partitions have moved.",
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
def command(out: Output, events: int, kills: int, zombies: int, seed: int, broker: str, keep: Path | None) -> Answer:
    """Kill workers at every step they have, and prove that no order was lost, doubled or contradicted.

    Real Kafka, real workers, records flowing all the while. Afterwards every source record has to be on the tape, and an uninterrupted run of
    that tape has to give what is on the topics, to the byte. The exit code is 1 where it does not; the seed repeats the moments.
    """
    assert broker == "local"
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qts-crash-")))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BadInput(f"{folder} is not empty: a proof begins with nothing")
        try:
            cluster = stack.enter_context(running_cluster(kafka_jars(), folder / "kafka"))
        except (KafkaFailed, KafkaMissing) as failed:
            raise Unavailable(str(failed)) from failed
        run = Run(out, KafkaSettings(cluster.servers), folder, seed)
        run.make_topics()
        disturbances = plan(seed, events, kills, zombies, WORKERS, SESSION_S)
        try:
            run.trouble(events, disturbances)
        except WorkerDied as died:
            raise CommandError(str(died), NEGATIVE) from died
        answer = run.proof()
    answer |= {"seed": seed, "events": events, "kills": kills, "zombies": zombies}
    answer["ok"] = answer["ok"] and (answer["killed"], answer["paused"]) == (kills, zombies)
    _show(out, answer)
    return Answer(answer, exit_code=0 if answer["ok"] else NEGATIVE)


def _show(out: Output, answer: dict[str, object]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in answer.items():
        if name != "examples":
            table.add_row(name, json.dumps(value))
    out.console.print(table)
    for example in answer["examples"]:  # type: ignore[attr-defined]  # a list of texts
        out.console.print(example, soft_wrap=True)
