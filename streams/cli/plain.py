"""Messages as JSON has them, and back: what `tail --json` shows, `send` takes.

Decides: how a field is written (Decimals as exact text, a command by its name: `{"command": {"Enable": {}}}`), and which field of an input
cannot be used. Leaves to others: whether the values can be true (desk.validation), bytes (schemas).
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from streams.desk.messages import Command, Control

COMMANDS: Mapping[str, type] = {kind.__name__: kind for kind in get_args(Command)}
DEFAULTS: Mapping[str, object] = {"override": False, "model_scores": {}, "note": ""}
"""What a field is where it is left out: nothing that allows more than was said. Fields that may be empty are empty then."""
_WHOLE_MAX = 1 << 63
"""Larger ones fit no field, and written out could fill the memory: 1e999999999 is short."""
_WORDS = {"true": True, "false": False}


class BadField(ValueError):
    """A field of an input cannot be used."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


def to_plain(value: Any) -> Any:
    """Give what JSON can hold: of a message its fields, of bytes their hex digits."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        fields = {name: to_plain(held) for name, held in value._asdict().items()}
        return {type(value).__name__: fields} if type(value).__name__ in COMMANDS else fields
    if isinstance(value, list | tuple):
        return [to_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): to_plain(held) for name, held in value.items()}
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)  # neither NaN nor infinity is JSON
    return value.hex() if isinstance(value, bytes) else value


def from_plain(kind: type, data: Mapping[str, Any], before: str = "") -> Any:
    """Make a message of its fields, each from JSON or from text, or name the first that cannot be used."""
    if kind is Control:
        data = _with_command(data)
    types = get_type_hints(kind)
    for name in data:
        if name not in types:
            raise BadField(f"{before}{name}", f"{kind.__name__} has no such field; it has {', '.join(types) or 'none'}")
    values = {}
    for name, type_ in types.items():
        if name in data:
            values[name] = _value(type_, data[name], f"{before}{name}")
        elif name in DEFAULTS or NoneType in get_args(type_):
            values[name] = DEFAULTS.get(name)
        else:
            raise BadField(f"{before}{name}", "is missing")
    return kind(**values)


def _with_command(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let a command be named with its fields beside those of the control: `command=Reset override=true`."""
    name = data.get("command")
    if not isinstance(name, str):
        return data
    own = get_type_hints(Control)
    beside = {field: value for field, value in data.items() if field not in own}
    return {**{field: value for field, value in data.items() if field in own}, "command": {name: beside}}


def _value(type_: Any, value: Any, path: str) -> Any:
    if type_ == Command:
        return _command(value, path)
    if get_origin(type_) in (Union, UnionType):
        wanted = next(one for one in get_args(type_) if one is not NoneType)
        return None if value is None or value == "" else _value(wanted, value, path)
    if get_origin(type_) is Literal:
        if value not in get_args(type_):
            raise BadField(path, f"{value!r} is none of {', '.join(get_args(type_))}")
        return value
    if get_origin(type_) is not None:
        if not isinstance(value, Mapping):
            raise BadField(path, f"{value!r} is no object of names and numbers")
        return {str(name): _value(float, held, f"{path}.{name}") for name, held in value.items()}
    return _plainly(type_, value, path)


def _command(value: Any, path: str) -> Any:
    if not isinstance(value, Mapping) or len(value) != 1:
        raise BadField(path, f'is neither a name nor {{"Name": {{fields}}}}; names are {", ".join(COMMANDS)}')
    ((name, fields),) = value.items()
    if name not in COMMANDS:
        raise BadField(path, f"{name!r} is none of {', '.join(COMMANDS)}")
    if not isinstance(fields, Mapping):
        raise BadField(f"{path}.{name}", "is no object")
    return from_plain(COMMANDS[name], fields, f"{path}.{name}.")


def _plainly(type_: type, value: Any, path: str) -> Any:
    if type_ is str:
        if not isinstance(value, str):
            raise BadField(path, f"{value!r} is no text")
        return value
    if type_ is bool:
        found = _WORDS.get(value.lower()) if isinstance(value, str) else value
        if not isinstance(found, bool):
            raise BadField(path, f"{value!r} is neither true nor false")
        return found
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise BadField(path, f"{value!r} is no number")
    try:
        number = Decimal(str(value) if isinstance(value, float) else value)
        if not number.is_finite():
            raise BadField(path, f"{value!r} is no number")
        if type_ is int and not (-_WHOLE_MAX <= number < _WHOLE_MAX and number == int(number)):
            raise BadField(path, f"{value!r} is no whole number")
    except InvalidOperation as error:
        raise BadField(path, f"{value!r} is no number") from error
    return number if type_ is Decimal else type_(number)
