"""`./qts dlq`: look at dead letters, and send some again.

Decides: how they are shown, which may be sent again, and that somebody says yes first. Leaves to others: finding them
(streams.cli.dead_letters), publishing (streams.cli.publishing), what becomes of them (the tape and the desk, as of any other record).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from rich.table import Table

from connectors.kafka.reading import TopicReader
from connectors.kafka.settings import KafkaSettings
from streams.cli.command import group
from streams.cli.dead_letters import DeadLetters, Found, Id, parse_id
from streams.cli.kafka_options import reader, servers_option, settings
from streams.cli.output import NEGATIVE, Answer, BadInput, Output
from streams.cli.publishing import publisher, send_all, told
from streams.cli.records import registry
from streams.cli.topics_reading import HEX_SHOWN_MAX, Decoder, one_line, when
from streams.flow import INPUTS

AT_ONCE = 500
"""Half of the dead letters in a row that stop a worker: what is still bad comes back as dead letters."""
AT_ONCE_BYTES = 64 * 1024 * 1024
INPUT_TOPICS = frozenset(topic.name for topic in INPUTS)

command = group(
    "dlq", "Look at dead letters, and send some again.", example="./qts dlq list\n./qts dlq redrive --code UNKNOWN_SCHEMA"
)


@command.add("list", example="./qts dlq list\n./qts dlq list --newest 50 --json")
@click.option("--newest", type=click.IntRange(0, 10_000), default=20, show_default=True, help="How many are shown one by one.")
@click.option("--code", help="Only those with this error.")
@servers_option
def list_(out: Output, newest: int, code: str | None, servers: str | None) -> Answer:
    """Count the dead letters by their error, and show the newest."""
    with _letters(settings(servers)) as (letters, _):
        found = letters.survey(newest, code)
    total = sum(found.codes.values())
    out.console.print(f"{total:,} dead {'letter' if total == 1 else 'letters'}")
    for error, count in found.codes.most_common():
        out.console.print(f"{count:>9,} {error}")
    if found.newest:
        table = Table("id", "when", "from", "error", "bytes", box=None)
        for one in found.newest:
            letter = one.letter
            source = f"{letter.topic}/{letter.partition}/{letter.source_offset}"
            table.add_row(
                str(one.id), when(letter.ts), source, one_line(f"{letter.error} {letter.detail}")[:80], f"{len(letter.raw):,}"
            )
        out.console.print(table)
    if found.unreadable:
        out.console.print(f"{found.unreadable:,} records of the topic are no dead letters")
    return Answer({
        "dead_letters": total, "by_code": dict(found.codes.most_common()), "by_topic": dict(found.topics.most_common()),
        "newest": [_plain(one, HEX_SHOWN_MAX) for one in found.newest], "unreadable": found.unreadable,
    })  # fmt: skip


@command.add("show", example="./qts dlq show 2/1234/0")
@click.argument("id_", metavar="ID")
@servers_option
def show(out: Output, id_: str, servers: str | None) -> Answer:
    """Show one dead letter with all its bytes. Its id is tape partition, tape offset and number, as the list has it."""
    with _letters(settings(servers)) as (letters, _):
        found = _chosen(letters, [id_])[0]
    about = _plain(found, None)
    for name, value in about.items():
        out.console.print(f"{name:>14}  {value if name == 'raw' else one_line(value)}", soft_wrap=True)
    return Answer(about)


@command.add(
    "redrive", example="./qts dlq redrive 2/1234/0\n./qts dlq redrive --code UNKNOWN_SCHEMA --yes\n./qts dlq redrive --all"
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--code", help="All with this error.")
@click.option("--all", "every", is_flag=True, help="All there are.")
@click.option(
    "--max", "most", type=click.IntRange(1), default=AT_ONCE, show_default=True, help="At most so many, the oldest first."
)
@click.option("--skip", type=click.IntRange(0), default=0, help="Pass over so many of the oldest, sent before.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@servers_option
def redrive(
    out: Output, ids: Sequence[str], code: str | None, every: bool, most: int, skip: int, yes: bool, servers: str | None
) -> Answer:
    """Send dead letters again: the same bytes, to the topic and partition they came from.

    Each keeps its id and goes through the tape like any other record, so sending one twice is harmless: the desk drops ids it has applied.
    What is still bad comes back as a new dead letter. The letters themselves stay on their topic until retention takes them.
    """
    if sum((bool(ids), code is not None, every)) != 1:
        raise BadInput("name ids, or give --code, or --all: one of them")
    where = settings(servers)
    with _letters(where) as (letters, opened):
        found = _chosen(letters, ids) if ids else _oldest(letters, code, skip, most)
        chosen = [one for one in found if one.letter.topic in INPUT_TOPICS]
        _say_others(out, [one for one in found if one.letter.topic not in INPUT_TOPICS], named=bool(ids))
        if not chosen:
            out.console.print("there is none to send")
            return Answer({"redriven": 0, "spooled": 0}, exit_code=NEGATIVE)
        _ask(out, chosen, yes)
        topics = opened.topics()
        records = [letters.outgoing(one, topics) for one in chosen]
    with publisher(where) as publishing:
        spooled = send_all(out, publishing, records)
    keyless = sum(not record.key for record in records)
    out.console.print(f"{len(records):,} sent again{told(spooled)}", soft_wrap=True)
    if keyless:
        out.console.print(
            f"{keyless:,} of them without a key, since the record they came from is gone; their partition is the same"
        )
    return Answer({"redriven": len(records), "spooled": spooled, "without_key": keyless, "ids": [str(one.id) for one in chosen]})


@contextmanager
def _letters(where: KafkaSettings) -> Iterator[tuple[DeadLetters, TopicReader]]:
    with registry() as schemas, reader(where) as opened:
        yield DeadLetters(opened, Decoder(schemas)), opened


def _chosen(letters: DeadLetters, ids: Sequence[str]) -> list[Found]:
    wanted = dict.fromkeys(map(parse_id, ids))
    places = letters.survey(0).places
    for one in wanted:
        if one not in places:
            raise BadInput(f"there is no dead letter {one} (./qts dlq list)")
    return [letters.get(one, places[one]) for one in wanted]


def _oldest(letters: DeadLetters, code: str | None, skip: int, most: int) -> list[Found]:
    """Read the oldest of them: in the order of their partitions' topics, which is that of the tape."""
    places = sorted(letters.survey(0, code).places.items(), key=lambda place: (place[1], place[0]))
    chosen: list[Found] = []
    size = 0
    for wanted, place in places[skip : skip + most]:
        chosen.append(letters.get(wanted, place))
        size += len(chosen[-1].letter.raw)
        if size > AT_ONCE_BYTES:
            break
    return chosen


def _say_others(out: Output, others: Sequence[Found], *, named: bool) -> None:
    """Refuse those of the workers' own topics where they were asked for by name; pass over them where all were."""
    if others and named:
        raise BadInput(f"{others[0].id} came from {others[0].letter.topic}, which only the workers write: nothing was sent")
    if others:
        out.console.print(f"{len(others):,} passed over: they came from topics that only the workers write")


def _ask(out: Output, chosen: Sequence[Found], yes: bool) -> None:
    if yes:
        return
    if out.as_json:
        raise BadInput("with --json nobody is asked: say --yes")
    topics = ", ".join(sorted({one.letter.topic for one in chosen}))
    many = "one dead letter" if len(chosen) == 1 else f"{len(chosen):,} dead letters"
    click.confirm(f"Send {many} again to {topics}?", abort=True, err=True)


def _plain(found: Found, hex_max: int | None) -> dict[str, object]:
    letter: dict[str, object] = found.letter._asdict()
    raw = found.letter.raw.hex()
    return {
        "id": str(Id(*found.id)), **letter, "raw": raw[:hex_max], "bytes": len(found.letter.raw),
        "when": when(found.letter.ts),
    }  # fmt: skip
