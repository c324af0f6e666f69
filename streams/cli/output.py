"""What a command says, and where.

Decides: that with --json the last line of stdout is exactly one JSON object and nothing for people gets in its way; that progress goes to
stderr and only to a terminal; how errors read and which exit code they carry. Leaves to others: what is said (the commands).
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

OK = 0
NEGATIVE = 1
"""The command worked and its answer is no: a difference found, a check not passed."""
BAD_INPUT = 2
"""What it was given cannot be used: an option, a file, a damaged record. Click's own usage errors carry the same code."""
UNAVAILABLE = 3
"""Something outside is needed and not there: Java, a broker, a free port."""
BROKEN = 70
"""A defect of ours; a traceback precedes it."""
INTERRUPTED = 130
"""Stopped by Ctrl-C, as shells report it."""
BROKEN_PIPE = 141
"""The reader of stdout has gone, as shells report it."""


class CommandError(Exception):
    """An end that was foreseen: one line for a person, and an exit code.

    CommandError
     ├─ BadInput       2  what was given cannot be used
     └─ Unavailable    3  something outside is missing
    """

    exit_code = NEGATIVE

    def __init__(self, message: str, exit_code: int | None = None, **data: object) -> None:
        """Say what happened; `data` joins the JSON object, for example how far a file was good."""
        super().__init__(message)
        self.data = data
        if exit_code is not None:
            self.exit_code = exit_code


class BadInput(CommandError):
    """What was given cannot be used."""

    exit_code = BAD_INPUT


class Unavailable(CommandError):
    """Something outside is missing."""

    exit_code = UNAVAILABLE


@dataclass(frozen=True)
class Answer:
    """What a command ends with: the figures of its JSON object, and its exit code."""

    data: Mapping[str, object]
    exit_code: int = OK


class Output:
    """A command's way to its user. Commands print with `console` only; a bare print would break --json."""

    def __init__(self, as_json: bool) -> None:
        """Speak to a person, or to a program."""
        self.as_json = as_json

    @cached_property
    def console(self) -> "Console":
        """Give what prints for people, with colours and tables on a terminal; silent with --json. Text in it is never markup."""
        from rich.console import Console  # noqa: PLC0415 - rich is slow to import, and --help and --json do not need it

        return Console(quiet=self.as_json, markup=False, highlight=False)

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show a bar on stderr while a block runs, where stderr is a terminal. Gives a function to call with how many more are done."""
        if not sys.stderr.isatty():
            yield lambda _done: None
            return
        from rich.console import Console  # noqa: PLC0415 - see console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - see console

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.advance(task, done)

    def finish(self, answer: Answer) -> None:
        """Write the JSON object, if one was asked for."""
        if self.as_json:
            print(json_line(answer.data), flush=True)


def report(error: CommandError, as_json: bool) -> int:
    """Tell a foreseen error: one line on stderr, and with --json an object with `error` and `exit_code`. Gives the exit code."""
    print(f"qts: {' '.join(str(error).split())}", file=sys.stderr)
    if as_json:
        print(json_line({"error": str(error), "exit_code": error.exit_code, **error.data}), flush=True)
    return error.exit_code


def json_line(data: Mapping[str, object]) -> str:
    """Write one JSON object on one line: Decimals as exact text, never NaN."""
    return json.dumps(data, default=_plain, allow_nan=False, ensure_ascii=False)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no place in a JSON object")
