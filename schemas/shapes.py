"""What Avro records are inside the program: the desk's messages, or plain dicts.

Decides: which record is which NamedTuple, which of them are inputs, and how records, arrays and the branches of unions look in either shape.
Messages: NamedTuples and tuples. Records: dicts and lists; where a union has several records, a value is ("qts.Name", dict).
Leaves to others: bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple, get_args

from schemas.errors import Unencodable
from schemas.model import Named, Record, Type, Union
from schemas.writing import python_kinds
from streams.desk import messages, outputs

NAMESPACE = "qts."


class Envelope(NamedTuple):
    """A TapeEvent as it is written: what it wraps still in bytes."""

    stamp_ms: int
    topic: str
    partition: int
    source_offset: int
    payload: bytes


INPUTS: frozenset[type] = frozenset(get_args(messages.Body)) - {messages.Unreadable}
"""What belongs on the tape."""
_CLASSES: tuple[Any, ...] = (
    *INPUTS, messages.Liquidity, *get_args(messages.Command), *get_args(outputs.Output), outputs.Check, outputs.PositionView,
)  # fmt: skip
CLASSES: Mapping[str, Any] = {NAMESPACE + kind.__name__: kind for kind in _CLASSES} | {f"{NAMESPACE}TapeEvent": Envelope}
"""The NamedTuple of every record that is a message."""


class Messages:
    """Records are NamedTuples, arrays tuples; a union's branch shows by its class."""

    sequence: Callable[[list[Any]], Any] = tuple

    def record(self, type_: Record) -> Callable[[Sequence[Any]], Any]:
        """Give what makes the NamedTuple; a record of an older schema that has no class any more is only read past."""
        kind = CLASSES.get(type_.name)
        return tuple if kind is None else partial(tuple.__new__, kind)

    def mark(self, _union: Union, _type: Type) -> Callable[[Any], Any] | None:
        """Nothing is marked."""
        return None

    def finder(self, union: Union) -> "BranchFinder":
        """Find branches by class."""
        return BranchFinder(union, by_class=True)

    def values(self, type_: Record) -> Callable[[Any], tuple[Any, ...]]:
        """Give what checks that a value is the NamedTuple: its fields are in the schema's order."""
        kind = CLASSES[type_.name]

        def values_of(message: Any) -> tuple[Any, ...]:
            if type(message) is not kind:
                raise Unencodable(f"{type(message).__name__} is no {kind.__name__}")
            return message  # type: ignore[no-any-return]  # a NamedTuple is the tuple of its values

        return values_of


class Records:
    """Records are dicts, arrays lists; of several records in a union each is named."""

    sequence: Callable[[list[Any]], Any] = list

    def record(self, type_: Record) -> Callable[[Sequence[Any]], Any]:
        """Give what makes the dict."""
        names = [field.name for field in type_.fields]
        return lambda values: dict(zip(names, values, strict=True))

    def mark(self, union: Union, type_: Type) -> Callable[[Any], Any] | None:
        """Name the record where the union has several."""
        if not isinstance(type_, Record) or _records_in(union) < 2:
            return None
        name = type_.name
        return lambda value: (name, value)

    def finder(self, union: Union) -> "BranchFinder":
        """Find branches by name where there are several records, else by class."""
        return BranchFinder(union, by_class=False)

    def values(self, type_: Record) -> Callable[[Any], list[Any] | tuple[Any, ...]]:
        """Give what lists the dict's values; a key too many or too few is an error."""
        names = [field.name for field in type_.fields]
        pick: Callable[[Any], tuple[Any, ...]] = lambda held: tuple([held[name] for name in names])  # noqa: E731  # replaced below
        if len(names) > 1:
            pick = itemgetter(*names)

        def values_of(record: Any) -> tuple[Any, ...]:
            if not isinstance(record, Mapping) or len(record) != len(names):
                raise Unencodable(f"not exactly the {len(names)} fields of {type_.name}")
            try:
                return pick(record)
            except KeyError as error:
                raise Unencodable(f"{type_.name} has no {error}") from None

        return values_of


class BranchFinder:
    """Finds which branch of a union a value is of: by its class, or by the name it comes with."""

    def __init__(self, union: Union, *, by_class: bool) -> None:
        self._by_kind: dict[type, int] = {}
        self._by_name: dict[str, int] = {}
        for place, branch in enumerate(union.branches):
            if isinstance(branch, Named):
                self._by_name[branch.name] = place
            kinds = (CLASSES[branch.name],) if by_class and isinstance(branch, Record) else python_kinds(branch)
            for kind in kinds:
                self._by_kind.setdefault(kind, place)
        self._named = not by_class and _records_in(union) > 1

    def __call__(self, value: Any) -> tuple[int, Any]:
        """Give the branch's place and the bare value."""
        if self._named and isinstance(value, tuple) and len(value) == 2 and value[0] in self._by_name:
            return self._by_name[value[0]], value[1]
        place = self._by_kind.get(type(value))
        if place is None or (self._named and isinstance(value, dict)):
            raise Unencodable(f"{type(value).__name__} is no branch of the union")
        return place, value


def _records_in(union: Union) -> int:
    return sum(isinstance(branch, Record) for branch in union.branches)
