"""Strict YAML: tables, lists and texts, with the line of every key.

Decides: which YAML is read at all. Every value stays the text that was written (10.00 stays 10.00, `on` stays "on"), and whatever
two readers could understand differently is refused with its line: duplicate keys, anchors, merge keys, tags, several documents,
tabs, invisible characters, numbers such as 1_000, 010 or 1e3. Leaves to others: which keys and values are wanted.

Built on PyYAML's events, not on its documents: events carry the line and tell an alias, a tag or a second document apart, which a
loaded document no longer does.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import yaml

Path = tuple[str, ...]
Value = dict[str, "Value"] | list["Value"] | str

FILE_BYTES_MAX = 256 * 1024
"""A phase is 7 kB with its comments. A larger file is refused unread."""
DEPTH_MAX = 16
"""Tables within tables; a phase has 3. What is nested deeper is refused, so that no file exhausts the stack."""
PROBLEMS_MAX = 1_000
"""Problems told of one file. More of them help nobody: the rest is counted in one last line."""

_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,10})?")
_STRANGE = {"\t": "has a tab: indent and separate with spaces"}
_INVISIBLE = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}


class Problem(NamedTuple):
    """One thing that is wrong in a file, and where."""

    file: str
    line: int
    path: Path
    problem: str

    def __str__(self) -> str:
        """Write it the way editors jump to: file:line: path: problem."""
        where = f"{'.'.join(self.path)}: " if self.path else ""
        return f"{self.file}:{self.line}: {where}{self.problem}"


@dataclass(slots=True)
class Reading:
    """What a file says, the line of every path in it, and what is wrong with it."""

    file: str
    value: Value | None = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, line: int, path: Path, problem: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(self.file, line, path, problem))

    def line_of(self, path: Path) -> int:
        """Give the line of a path, or of the innermost table around it that is there."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def refused_paths(self) -> frozenset[Path]:
        """Give the paths refused so far; what is inside of them need not be complained of again."""
        return frozenset(problem.path for problem in self.problems if problem.path)


def number_problem(text: str) -> str | None:
    """Say what is wrong with a text that is a number in a form that is read differently elsewhere; None for any other text."""
    try:
        finite = Decimal(text).is_finite()
    except InvalidOperation:
        return None
    if not finite or _PLAIN_NUMBER.fullmatch(text):
        return None
    return f"write {text!r} plainly: up to 18 digits, one point, up to 10 decimals, nothing else"


def read_strictly(file: str, raw: bytes) -> Reading:
    """Read the bytes of a file. What is wrong is in the reading's problems; then its value must not be used."""
    reading = Reading(file)
    text = _text(raw, reading)
    if text is not None:
        try:
            _document(yaml.parse(text, Loader=yaml.BaseLoader), reading)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            reading.refuse(mark.line + 1 if mark else 1, (), f"is not YAML: {getattr(error, 'problem', None) or error}")
    reading.problems.sort(key=lambda problem: problem.line)
    if len(reading.problems) > PROBLEMS_MAX:
        left = len(reading.problems) - PROBLEMS_MAX
        reading.problems[PROBLEMS_MAX:] = [Problem(file, reading.problems[-1].line, (), f"and {left} more problems")]
    return reading


def _text(raw: bytes, reading: Reading) -> str | None:
    """Decode the file. What is invisible is refused and, where the rest can still be understood, read as a space."""
    if len(raw) > FILE_BYTES_MAX:
        reading.refuse(1, (), f"has {len(raw)} bytes, more than {FILE_BYTES_MAX}")
        return None
    try:
        lines = raw.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        reading.refuse(raw.count(b"\n", 0, error.start) + 1, (), f"is not UTF-8: byte 0x{raw[error.start]:02x}")
        return None
    readable = True
    for number, line in enumerate(lines, start=1):
        strange = [char for char in line.removesuffix("\r") if unicodedata.category(char) in _INVISIBLE]
        if strange:
            reading.refuse(number, (), _STRANGE.get(strange[0], f"has the invisible character U+{ord(strange[0]):04X}"))
            readable = readable and line[: len(line) - len(line.lstrip())].strip(" ") == ""
        lines[number - 1] = "".join(" " if char in strange or char == "\r" else char for char in line)
    return "\n".join(lines) if readable else None


def _document(events: Iterator[yaml.Event], reading: Reading) -> None:
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                reading.refuse(_line(event), (), "a second document begins here: one file, one document")
                return
            if event.version or event.tags:
                reading.refuse(_line(event), (), "directives are not read here")
            reading.value = _node(next(events), events, (), reading)
    if not documents:
        reading.refuse(1, (), "is empty")


def _node(event: yaml.Event, events: Iterator[yaml.Event], path: Path, reading: Reading) -> Value:
    line = _line(event)
    reading.lines.setdefault(path, line)
    if isinstance(event, yaml.AliasEvent):
        reading.refuse(line, path, f"the alias *{event.anchor} is not read here: write the value out")
        return ""
    assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)  # what else begins a node
    if event.anchor is not None:
        reading.refuse(line, path, f"the anchor &{event.anchor} is not read here: write every value out")
    if event.tag is not None:
        reading.refuse(line, path, f"the tag {event.tag} is not read here: write the plain value")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event, path, reading)
    if len(path) > DEPTH_MAX:
        reading.refuse(line, path, f"is nested deeper than {DEPTH_MAX} tables")
        _skip(events)
        return ""
    if isinstance(event, yaml.SequenceStartEvent):
        return _sequence(events, path, reading)
    return _mapping(events, path, reading)


def _scalar(event: yaml.ScalarEvent, path: Path, reading: Reading) -> str:
    text, line = str(event.value), _line(event)
    if event.style in ("|", ">") or (event.end_mark and event.end_mark.line + 1 != line):
        reading.refuse(line, path, "goes over several lines: write the value on one")
    elif text.strip() == "" or (event.style is None and text.lower() in ("~", "null")):
        reading.refuse(line, path, "has no value")
    elif text != text.strip():
        reading.refuse(line, path, f"{text!r} begins or ends with a space")
    elif problem := number_problem(text):
        reading.refuse(line, path, problem)
    return text


def _sequence(events: Iterator[yaml.Event], path: Path, reading: Reading) -> Value:
    values: list[Value] = []
    while not isinstance(event := next(events), yaml.SequenceEndEvent):
        values.append(_node(event, events, (*path, str(len(values) + 1)), reading))
    return values


def _mapping(events: Iterator[yaml.Event], path: Path, reading: Reading) -> Value:
    table: dict[str, Value] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        line = _line(event)
        if not isinstance(event, yaml.ScalarEvent):
            reading.refuse(line, path, "a key must be a plain name")
            if isinstance(event, yaml.CollectionStartEvent):
                _skip(events)
            _skip_node(events)
            continue
        key = str(event.value)
        inner = (*path, key)
        if key in table:
            reading.refuse(line, inner, f"is written twice, first on line {reading.lines[inner]}")
            _skip_node(events)
            continue
        if event.anchor is not None or event.tag is not None or event.style in ("|", ">"):
            reading.refuse(line, inner, "a key must be a plain name")
        if key == "<<":
            reading.refuse(line, inner, "merge keys are not read here: write every value out")
        reading.lines[inner] = line
        table[key] = _node(next(events), events, inner, reading)
    return table


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _skip_node(events: Iterator[yaml.Event]) -> None:
    if isinstance(next(events), yaml.CollectionStartEvent):
        _skip(events)


def _skip(events: Iterator[yaml.Event]) -> None:
    """Read to the end of the table or list that has just begun."""
    depth = 1
    while depth:
        event = next(events)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
