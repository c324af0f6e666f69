"""How a command is made. One file a command; this page is all there is to know.

    # streams/cli/tape.py
    from streams.cli.command import group
    from streams.cli.output import Answer, BadInput, Output

    command = group("tape", "Look into tapes, check them, make them.", example="./qts tape info FILE")

    @command.add("info", example="./qts tape info tests/tapes/quiet-day.tape")
    @click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
    def info(out: Output, file: Path) -> Answer:
        '''Tell what a tape holds.'''
        with out.progress("reading", total=size) as advance:   # a bar on stderr, only on a terminal
            advance(1000)                                      # by batches, not by records
        out.console.print("8 events")                          # for people; silent with --json
        return Answer({"events": 8})                           # for programs: the --json object; exit_code=NEGATIVE for a no

A command without subcommands is `command = single("replay", example="./qts replay FILE")(replay)`, or the same as a decorator. Then:
- Its module and summary go into the table of streams.cli.main; the module-level name is `command`.
- `--json` and the example in `--help` come from here; every command has both.
- Foreseen errors are raised as BadInput (exit 2), Unavailable (3) or CommandError; no traceback is shown for them. Any other exception is
  a defect: traceback and exit code 70, so that it is never taken for a "no", which is 1.
- Heavy imports (the desk, fastavro, ccxt) go to the top of the command's own module: it is imported only when the command is called.
"""

import functools
from collections.abc import Callable
from typing import Any

import click

from streams.cli.output import Answer, Output

Body = Callable[..., Answer]
"""What a command does: given the Output and what click parsed by name."""

HELP_OPTIONS = {"help_option_names": ["-h", "--help"], "max_content_width": 120}


class Group(click.Group):
    """A command with subcommands."""

    def add(self, name: str, *, example: str) -> Callable[[Body], click.Command]:
        """Make a function a subcommand of this one."""
        make = single(name, example=example)

        def adding(body: Body) -> click.Command:
            made = make(body)
            self.add_command(made)
            return made

        return adding


def group(name: str, summary: str, *, example: str) -> Group:
    """Make a command that only has subcommands."""
    return Group(name, help=summary, epilog=_epilog(example), context_settings=HELP_OPTIONS, no_args_is_help=True)


def single(name: str, *, example: str) -> Callable[[Body], click.Command]:
    """Make a function a command: its docstring is the help, its first argument the Output, the others what click parsed."""

    def making(body: Body) -> click.Command:
        @click.option("--json", "as_json", is_flag=True, help="End stdout with one line: a JSON object.")
        @functools.wraps(body)
        def called(*, as_json: bool, **values: Any) -> None:
            out = Output(as_json)
            answer = body(out, **values)
            out.finish(answer)
            if answer.exit_code:
                raise click.exceptions.Exit(answer.exit_code)

        return click.command(name, epilog=_epilog(example), context_settings=HELP_OPTIONS)(called)

    return making


def _epilog(example: str) -> str:
    """Show examples as they are typed, one a line."""
    return "\b\nExample:\n" + "\n".join(f"  {line.strip()}" for line in example.strip().splitlines())
