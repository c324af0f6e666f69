"""Inputs put together from JSON lines: checked, completed, encoded.

Decides: which field is a record's id and which its key, what is filled in, and that a record the desk would call impossible is not sent.
Leaves to others: fields (streams.cli.plain), ranges (desk.validation), bytes (schemas), sending.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from connectors.kafka.publisher import Outgoing
from schemas.codec import Codec, Unencodable
from schemas.registry import Registry
from streams.cli.plain import BadField, from_plain
from streams.desk.messages import EVERY_ACCOUNT, AccountEvent, Control, Fill, Instrument, Mark, OrderEvent, Signal
from streams.desk.ranges import is_account
from streams.desk.validation import wrong
from streams.flow import TOPIC_OF

PROBLEMS_MAX = 1_000
"""A file with more is not what it was taken for."""


class Kind(NamedTuple):
    """A kind of record that can be sent."""

    message: type
    id: str
    key: str

    @property
    def topic(self) -> str:
        """Name where it goes."""
        return TOPIC_OF[self.message]


KINDS: Mapping[str, Kind] = {
    "signal": Kind(Signal, "signal_id", "account"),
    "mark": Kind(Mark, "mark_id", "symbol"),
    "fill": Kind(Fill, "trade_id", "account"),
    "control": Kind(Control, "control_id", "account"),
    "instrument": Kind(Instrument, "instrument_id", "symbol"),
    "order-event": Kind(OrderEvent, "event_id", "account"),
    "account-event": Kind(AccountEvent, "event_id", "account"),
}


class Line(NamedTuple):
    """A record as it was given: JSON bytes, or fields."""

    number: int
    content: bytes | Mapping[str, Any]


class Problem(NamedTuple):
    """What is wrong with a line."""

    line: int
    field: str
    problem: str


class Prepared(NamedTuple):
    """Records ready to go, or what is wrong with them."""

    records: list[Outgoing]
    ids: list[str]
    problems: list[Problem]


def prepared(registry: Registry, kind: str, lines: Iterable[Line], now_ms: int, run: str) -> Prepared:
    """Check and encode all lines. `run` makes the ids of those that have none; it has to differ from run to run."""
    codec, about = Codec(registry), KINDS[kind]
    done = Prepared([], [], [])
    for line in lines:
        try:
            message = _message(about, line, now_ms, f"cli-{run}-{line.number}")
            key = str(getattr(message, about.key))
            done.records.append(Outgoing(about.topic, key, codec.encode(message)))
            done.ids.append(str(getattr(message, about.id)))
        except BadField as bad:
            done.problems.append(Problem(line.number, bad.field, bad.problem))
        except Unencodable as bad:
            done.problems.append(Problem(line.number, bad.path.partition(".")[2] or bad.path, bad.problem))
        if len(done.problems) >= PROBLEMS_MAX:
            break
    return done


def _message(about: Kind, line: Line, now_ms: int, made_id: str) -> Any:
    fields = _parsed(line.content) if isinstance(line.content, bytes) else dict(line.content)
    for name, value in ((about.id, made_id), ("ts", now_ms)):
        if fields.get(name) in (None, ""):
            fields[name] = value
    message = from_plain(about.message, fields)
    account = getattr(message, "account", "")
    if about.key == "account" and not is_account(account) and not (isinstance(message, Control) and account == EVERY_ACCOUNT):
        raise BadField("account", f"{account!r} is no name of an account")
    told = wrong(message, now_ms)
    if told:
        field, _, value = told.removeprefix("field=").partition(" value=")
        raise BadField(field, f"cannot be {value or 'empty'}")
    return message


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        read = json.loads(raw, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError) as bad:
        if isinstance(bad, BadField):
            raise
        raise BadField("the line", f"is no JSON: {bad}") from bad
    if not isinstance(read, dict):
        raise BadField("the line", "is no JSON object")
    return read


def _no_number(word: str) -> Any:
    raise BadField("the line", f"{word} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for at, (name, _) in enumerate(pairs) if name in dict(pairs[:at]))
        raise BadField(twice, "is there twice")
    return found
