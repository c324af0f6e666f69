"""`./qts send`: publish records by hand.

Decides: what a line may leave out, and that nothing is sent where any line is bad. Leaves to others: fields (streams.cli.plain), what can be
true (desk.validation), publishing (streams.cli.publishing).
"""

import secrets
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import IO, Any

import click

from streams.cli.command import single
from streams.cli.inputs import KINDS, Line, Prepared, prepared
from streams.cli.kafka_options import servers_option, settings
from streams.cli.output import Answer, BadInput, Output
from streams.cli.publishing import publisher, send_all, told
from streams.cli.records import registry

LINE_BYTES_MAX = 1024 * 1024
"""As much as an input may have."""
LINES_MAX = 200_000
"""All lines are read and checked before the first is sent, so they have to fit into memory."""
BAD_SHOWN_MAX = 20


@single(
    "send",
    example="""./qts send control --set account=alpha --set user=ana --set reason=maintenance --set command=Disable
    ./qts send signal --file signals.jsonl
    ./qts tail signals --no-follow --json | jq -c .record | ./qts send signal --servers other:9092""",
)
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option("--file", "lines_file", type=click.File("rb"), help="JSON objects, one a line; - is stdin, as it is without --set.")
@click.option(
    "--set", "fields", metavar="NAME=VALUE", multiple=True, help="One record, field by field; nested ones as NAME.INNER."
)
@servers_option
def command(out: Output, kind: str, lines_file: IO[bytes] | None, fields: Sequence[str], servers: str | None) -> Answer:
    """Publish records, each acknowledged before this ends.

    Every record is checked first: with any bad one nothing is sent, and each is named by line and field. An id left out is made up, so the
    same line sent again is a new record; with an id of its own it is known as a repeat. A ts left out is now. A control's command is its
    name, with its fields beside it: command=Reset override=true. Names of commands: Enable, Disable, Trip, Reset, PhaseChange, ManualOrder,
    ClosePosition, Promotion, OpenAccount, CloseAccount, VersionChange, PolicyUpdate.
    """
    if fields and lines_file:
        raise BadInput("--file and --set do not go together")
    lines: Iterable[Line] = [Line(1, _from_fields(fields))] if fields else _lines(lines_file or click.get_binary_stream("stdin"))
    with registry() as schemas:
        found = prepared(schemas, kind, lines, time.time_ns() // 1_000_000, secrets.token_hex(8))
    if found.problems:
        raise _refused(found)
    if not found.records:
        raise BadInput("there is no record to send")
    with publisher(settings(servers)) as publishing:
        spooled = send_all(out, publishing, found.records)
    keys = Counter(record.key for record in found.records)
    what = f"{len(found.records):,} {'record' if len(found.records) == 1 else 'records'}"
    out.console.print(f"{what} to {KINDS[kind].topic} acknowledged{told(spooled)}", soft_wrap=True)
    if len(found.ids) == 1:
        out.console.print(f"id {found.ids[0]}")
    return Answer({
        "topic": KINDS[kind].topic, "sent": len(found.records), "spooled": spooled, "keys": dict(keys.most_common(100)), "ids": found.ids[:1_000],
    })  # fmt: skip


def _refused(found: Prepared) -> BadInput:
    first, *more = found.problems
    rest = f" (and {len(more)} more)" if more else ""
    shown = [problem._asdict() for problem in found.problems[:BAD_SHOWN_MAX]]
    return BadInput(f"nothing was sent: line {first.line}: {first.field}: {first.problem}{rest}", problems=shown)


def _from_fields(fields: Sequence[str]) -> dict[str, Any]:
    """Put a record together from `name=value`, and `name.inner=value`."""
    record: dict[str, Any] = {}
    for field in fields:
        path, equals, value = field.partition("=")
        *outer, name = path.split(".")
        if not equals or not all((*outer, name)):
            raise BadInput(f"--set {field}: is not NAME=VALUE")
        at = record
        for step in outer:
            at = at.setdefault(step, {})
            if not isinstance(at, dict):
                raise BadInput(f"--set {field}: {step} has a value already")
        if name in at:
            raise BadInput(f"--set {field}: {path} is set twice")
        at[name] = value
    return record


def _lines(file: IO[bytes]) -> Iterable[Line]:
    number = 0
    while raw := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if number > LINES_MAX:
            raise BadInput(f"more than {LINES_MAX:,} lines: send them in parts")
        if len(raw) > LINE_BYTES_MAX:
            raise BadInput(f"nothing was sent: line {number}: more than {LINE_BYTES_MAX:,} bytes")
        if raw.strip():
            yield Line(number, raw)
