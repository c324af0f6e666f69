"""`./qts tail`: the records of a topic, decoded.

Decides: which records are shown, and that Ctrl-C is the ordinary end. Leaves to others: fetching (connectors.kafka.reading), how a record reads
(streams.cli.topics_reading).
"""

from collections.abc import Iterator
from itertools import islice

import click

from connectors.kafka.reading import Seen, TopicReader
from streams.cli.command import HELP_OPTIONS
from streams.cli.kafka_options import partitions_of, reader, servers_option, settings
from streams.cli.output import json_line
from streams.cli.records import registry
from streams.cli.topics_reading import Decoder

LAST = 10
"""As `tail` shows of a file."""


@click.command(
    "tail",
    epilog="\b\nExample:\n  ./qts tail decisions\n  ./qts tail signals --from-beginning --no-follow --json\n  ./qts tail tape --max 20",
    context_settings=HELP_OPTIONS,
)
@click.argument("topic")
@click.option("--from-beginning", is_flag=True, help=f"Show all there is first, not only the last {LAST} of each partition.")
@click.option("--max", "most", type=click.IntRange(1), help="End after this many records.")
@click.option("--follow/--no-follow", default=True, show_default=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a record, each on a line; here there is no object at the end."
)
@servers_option
def command(topic: str, from_beginning: bool, most: int | None, follow: bool, as_json: bool, servers: str | None) -> None:
    """Show the records of a topic, decoded.

    A record nobody can read is shown with its error and its bytes in hex. Records of a partition come in their order; those of different
    partitions as they are fetched.
    """
    try:
        with registry() as schemas, reader(settings(servers)) as opened:
            decoder = Decoder(schemas)
            for seen in islice(_records(opened, topic, from_beginning, follow), most):
                shown = decoder.decode(seen)
                print(json_line(shown.plain()) if as_json else shown.line(), flush=True)  # noqa: T201 - a line each, and quickly
    except KeyboardInterrupt:
        return  # how following ends


def _records(opened: TopicReader, topic: str, from_beginning: bool, follow: bool) -> Iterator[Seen]:
    bounds = opened.bounds(topic, partitions_of(opened, topic))
    starts = {number: found.low if from_beginning else max(found.low, found.high - LAST) for number, found in bounds.items()}
    if follow:
        yield from (seen for seen in opened.follow(topic, starts) if seen is not None)
    else:
        yield from opened.from_to(topic, starts, {number: found.high for number, found in bounds.items()})
