"""Reads plans of trouble for the simulator: YAML with two lists of flat tables, `faults` and `prices`.

Decides: which YAML is read, and that every value stays the text that was written (`0.05` never becomes a float). Every complaint names file and
line. Leaves to others: which keys an entry may have and what they mean (faults, price_script).
"""

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple, TypeVar

import yaml

BYTES_MAX = 256 * 1024
"""A plan has some dozens of rules of 100 bytes. A larger file is refused unread."""
ENTRIES_MAX = 1_000
"""Every rule is asked at every request: more of them are a mistake, and are refused."""
SECTIONS = ("faults", "prices")

Read = TypeVar("Read")


class BadPlan(ValueError):
    """A plan that cannot be used: file:line and what is wrong there."""


class Field(NamedTuple):
    """A value as it was written, or a list of them, and where."""

    texts: tuple[str, ...]
    line: int
    listed: bool


class Entry:
    """One table of a plan, whose fields are taken one by one; `done` refuses what was not taken."""

    def __init__(self, file: str, line: int, fields: dict[str, Field]) -> None:
        """Keep what was written."""
        self._file, self._line, self._fields = file, line, fields
        self._taken: set[str] = set()

    def refuse(self, problem: str, key: str = "") -> BadPlan:
        """Make the complaint about a key, or about the whole table."""
        line = self._fields[key].line if key in self._fields else self._line
        return BadPlan(f"{self._file}:{line}: {f'{key}: ' if key else ''}{problem}")

    def has(self, key: str) -> bool:
        """Tell whether a key is there."""
        return key in self._fields

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text; without a default it has to be there."""
        self._taken.add(key)
        field = self._fields.get(key)
        if field is None:
            if default is None:
                raise self.refuse(f"has no {key}")
            return default
        if field.listed:
            raise self.refuse("is a list; one value is wanted", key)
        return field.texts[0]

    def texts(self, key: str) -> tuple[str, ...]:
        """Take one text or a list of them; nothing where the key is missing."""
        self._taken.add(key)
        return self._fields[key].texts if key in self._fields else ()

    def number(self, key: str, default: str | None, low: int, high: int) -> Decimal:
        """Take a number within bounds."""
        text = self.text(key, default)
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise self.refuse(f"{text!r} is no number", key) from None
        if not value.is_finite() or not low <= value <= high:
            raise self.refuse(f"{text} is not within {low} and {high}", key)
        return value

    def whole(self, key: str, default: str | None, low: int, high: int) -> int:
        """Take a whole number within bounds."""
        value = self.number(key, default, low, high)
        if value != int(value):
            raise self.refuse(f"{value} is no whole number", key)
        return int(value)

    def seconds_ms(self, key: str, default: str | None, high_s: int = 10 * 86_400) -> int:
        """Take seconds, give milliseconds. Ten days are longer than any run."""
        return int(self.number(key, default, 0, high_s) * 1_000)

    def done(self, known: Collection[str]) -> None:
        """Refuse the first key that nobody took; `known` are those that could have been there."""
        for key in self._fields:
            if key not in self._taken:
                raise self.refuse(f"is not known here; known are {', '.join(sorted(known))}", key)


def read_entries(file: str, text: str, section: str) -> Sequence[Entry]:
    """Read the tables of a section; nothing where the plan has none. Raises BadPlan."""
    if len(text) > BYTES_MAX:
        raise BadPlan(f"{file}:1: has more than {BYTES_MAX} characters")
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise BadPlan(f"{file}:{mark.line + 1 if mark else 1}: is not YAML: {getattr(error, 'problem', error)}") from error
    if root is None:
        return ()
    sections = _table(file, root)
    for name, node in sections.items():
        if name not in SECTIONS:
            raise BadPlan(f"{file}:{_line(node)}: {name}: is not known here; known are {', '.join(SECTIONS)}")
    wanted = sections.get(section)
    if wanted is None or _is_empty(wanted):
        return ()
    if not isinstance(wanted, yaml.SequenceNode):
        raise BadPlan(f"{file}:{_line(wanted)}: {section}: is no list")
    if len(wanted.value) > ENTRIES_MAX:
        raise BadPlan(f"{file}:{_line(wanted)}: {section}: has more than {ENTRIES_MAX} entries")
    return [
        Entry(file, _line(item), {key: _field(file, value) for key, value in _table(file, item).items()}) for item in wanted.value
    ]


def read_all(file: str, text: str, section: str, read: Callable[[Entry], Read]) -> tuple[Read, ...]:
    """Read a section into whatever its entries stand for."""
    return tuple(read(entry) for entry in read_entries(file, text, section))


def _table(file: str, node: yaml.Node) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise BadPlan(f"{file}:{_line(node)}: a table of keys is wanted")
    table: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise BadPlan(f"{file}:{_line(key)}: a key must be a plain name")
        if key.value in table:
            raise BadPlan(f"{file}:{_line(key)}: {key.value}: is written twice")
        table[key.value] = value
    return table


def _field(file: str, node: yaml.Node) -> Field:
    listed = isinstance(node, yaml.SequenceNode)
    items = node.value if listed else [node]
    texts = []
    for item in items:
        if not isinstance(item, yaml.ScalarNode) or _is_empty(item):
            raise BadPlan(f"{file}:{_line(item)}: a plain value is wanted")
        texts.append(str(item.value))
    if not texts:
        raise BadPlan(f"{file}:{_line(node)}: is an empty list")
    return Field(tuple(texts), _line(node), listed)


def _is_empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not str(node.value).strip()


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
