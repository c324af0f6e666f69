"""`./qts account`: make accounts known, take them out of service, list them.

Decides: what may stand for credentials (a name, never a key), and how accounts are listed. Leaves to others: opening and closing (the desk does
it when the command comes on its tape), publishing (streams.cli.publishing).
"""

import re
import secrets
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import click
from rich.table import Table

from connectors.kafka.reading import TopicReader
from streams.cli.command import group
from streams.cli.inputs import Line, prepared
from streams.cli.kafka_options import partitions_of, reader, servers_option, settings
from streams.cli.output import Answer, BadInput, Output
from streams.cli.publishing import publisher, send_all, told
from streams.cli.records import registry
from streams.cli.topics_reading import Decoder, when
from streams.desk.messages import CloseAccount, Control, OpenAccount
from streams.desk.outputs import Portfolio
from streams.desk.values import shown

command = group(
    "account",
    "Make accounts known, take them out of service, list them.",
    example="./qts account add --help\n./qts account list",
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./:-]{0,127}")
_KEY_CHARACTERS = 32
"""Nobody names a secret with so many letters and digits in a row; the shortest keys of exchanges have as many."""
_MIXED_CHARACTERS = 20
"""So many in a row with small letters, capitals and digits among them read as chance, not as a name."""
_RUN, _UUID = re.compile(r"[A-Za-z0-9]+"), re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _who(body: Decorated) -> Decorated:
    for option in (
        click.option("--reason", required=True, help="Why; it stays on record."),
        click.option("--user", required=True, help="Who does it."),
    ):
        body = option(body)
    return body


def looks_like_a_key(text: str) -> bool:
    """Tell whether this is rather a secret than the name of one."""
    runs = _RUN.findall(text)
    mixed = (any(map(run.__contains__, "0123456789")) and run != run.upper() and run != run.lower() for run in runs)
    return (
        any(len(run) >= _KEY_CHARACTERS for run in runs)
        or any(len(run) >= _MIXED_CHARACTERS and odd for run, odd in zip(runs, mixed, strict=True))
        or _UUID.search(text) is not None
    )


@command.add(
    "add",
    example="""./qts account add alpha --venue binanceusdm --credentials ALPHA_KEYS --leverage 3 --opening-balance 10000 \\
      --user ana --reason "first day" """,
)
@click.argument("name")
@click.option("--venue", required=True, help="The exchange it is on.")
@click.option(
    "--credentials", required=True, help="The name its keys are kept under: of a variable or a secret. Never a key itself."
)
@click.option("--leverage", required=True, help="The leverage the account is set to.")
@click.option("--opening-balance", required=True, help="Cash it starts with, in quote currency.")
@_who
@servers_option
def add(out: Output, name: str, user: str, reason: str, servers: str | None, **fields: str) -> Answer:
    """Make an account known, or put one into service again. An account nobody added gets no orders.

    One that is put into service again keeps its balance and positions, and trades only once trading has been enabled for it. One that is in
    service already is left as it is: the refusal is on the topic decisions.
    """
    if not _NAME.fullmatch(fields["credentials"]) or looks_like_a_key(fields["credentials"]):
        # Not repeated: it may be one, and this ends up in logs.
        raise BadInput(
            "--credentials is no name of a variable or secret, and looks like a key itself: give the name it is kept under"
        )
    return _command(out, name, user, reason, {"OpenAccount": fields}, servers)


@command.add("disable", example='./qts account disable alpha --user ana --reason "moved to another venue"')
@click.argument("name")
@_who
@servers_option
def disable(out: Output, name: str, user: str, reason: str, servers: str | None) -> Answer:
    """Take an account out of service: no new risk until it is added again. What it holds stays, and can be closed."""
    return _command(out, name, user, reason, {"CloseAccount": {}}, servers)


class Listed(NamedTuple):
    """What is known of an account."""

    opened: Control | None = None
    """The last command that added it."""
    last: Control | None = None
    """The last that added or disabled it."""
    picture: Portfolio | None = None


@command.add("list", example="./qts account list\n./qts account list --json")
@servers_option
def list_(out: Output, servers: str | None) -> Answer:
    """List the accounts: what was commanded last, and how the desk saw them last.

    Commands come from the topic control, as far back as it reaches; positions and money from the newest record on portfolio.
    """
    with registry() as schemas, reader(settings(servers)) as opened:
        accounts = _accounts(opened, Decoder(schemas))
    table = Table(*(column.replace("_", " ") for column in _COLUMNS), box=None)
    rows: list[Mapping[str, object]] = []
    for name, known in sorted(accounts.items()):
        row = _row(name, known)
        rows.append(row)
        table.add_row(*(_cell(row[column]) for column in _COLUMNS))
    out.console.print(table if rows else "no account is known: ./qts account add")
    return Answer({"accounts": rows})


_COLUMNS = ("account", "service", "venue", "mode", "equity", "positions", "as_of")


def _row(name: str, known: Listed) -> Mapping[str, object]:
    """Give what is known in one row; programs get the last three groups in full, too."""
    opened = known.opened.command if known.opened else None
    about = opened._asdict() if isinstance(opened, OpenAccount) else dict.fromkeys(OpenAccount._fields)
    last, picture = known.last, known.picture
    return {
        "account": name,
        "service": "unknown" if last is None else "added" if isinstance(last.command, OpenAccount) else "disabled",
        **about,
        "since": when(last.ts) if last else None,
        "user": last.user if last else None,
        "reason": last.reason if last else None,
        "mode": picture.mode if picture else None,
        "equity": picture.equity if picture else None,
        "positions": len(picture.positions) if picture else None,
        "as_of": when(picture.time_ms)[:19] if picture else None,
    }


def _cell(value: object) -> str:
    if isinstance(value, Decimal):
        return shown(value)
    return "-" if value is None else str(value)


def _accounts(opened: TopicReader, decoder: Decoder) -> dict[str, Listed]:
    """Read both topics to where they end now. The last record of a partition counts: an account has one."""
    found: dict[str, Listed] = {}
    for topic in ("control", "portfolio"):
        bounds = opened.bounds(topic, partitions_of(opened, topic))
        lows, highs = ({partition: place[side] for partition, place in bounds.items()} for side in (0, 1))
        for seen in opened.from_to(topic, lows, highs):
            message = decoder.decode(seen).message
            if isinstance(message, Control) and isinstance(message.command, OpenAccount):
                found[message.account] = Listed(message, message)
            elif isinstance(message, Control) and isinstance(message.command, CloseAccount) and message.account in found:
                found[message.account] = found[message.account]._replace(last=message)
            elif isinstance(message, Portfolio):
                found[message.account] = found.get(message.account, Listed())._replace(picture=message)
    return found


def _command(
    out: Output, name: str, user: str, reason: str, what: Mapping[str, Mapping[str, object]], servers: str | None
) -> Answer:
    control = {"account": name, "user": user, "reason": reason, "command": what}
    with registry() as schemas:
        ready = prepared(schemas, "control", [Line(1, control)], time.time_ns() // 1_000_000, secrets.token_hex(8))
    if ready.problems:
        bad = ready.problems[0]
        raise BadInput(f"nothing was sent: {bad.field.rpartition('.')[2]}: {bad.problem}", field=bad.field)
    with publisher(settings(servers)) as publishing:
        spooled = send_all(out, publishing, ready.records)
    said = "told to take it up" if "OpenAccount" in what else "told to take it out of service"
    out.console.print(
        f"{name}: the desk is {said}{told(spooled)}; its answer comes on decisions, as {ready.ids[0]}", soft_wrap=True
    )
    return Answer({"account": name, "control_id": ready.ids[0], "spooled": spooled})
