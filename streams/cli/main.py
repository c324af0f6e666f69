"""The entry of ./qts: which commands there are, and how a run of one ends.

Decides: the table of commands (each imported only when it is called, so that --help is quick) and the exit codes. Leaves to others: how a
command is made (streams.cli.command, one page: read it before adding one), what it does (its own module).
"""

import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import click

from streams.cli.command import HELP_OPTIONS
from streams.cli.output import BAD_INPUT, BROKEN, BROKEN_PIPE, INTERRUPTED, OK, CommandError, report
from streams.logs import set_up


class Entry(NamedTuple):
    """Where a command is, and what it does in one line."""

    module: str
    summary: str


COMMANDS = {
    "demo": Entry("streams.cli.demo", "Run everything here, on a made-up market, and watch it live."),
    "day": Entry("streams.cli.day", "Run a generated day through the desk alone and watch it live."),
    "kafka": Entry("streams.cli.kafka", "Run a real Kafka on this machine."),
    "exchange": Entry("streams.cli.exchange", "Run a simulated exchange on this machine."),
    "topics": Entry("streams.cli.topics", "Make the topics, and check that they may hold money."),
    "test": Entry("streams.cli.test", "Run the checks and the tests."),
    "up": Entry("streams.cli.up", "Start the workers of a deployment here and watch over them."),
    "status": Entry("streams.cli.status", "Show the workers that run here."),
    "desk": Entry("streams.cli.desk", "Step what is left of the tape."),
    "worker": Entry("streams.cli.worker", "Run one worker in the foreground."),
    "replay": Entry("streams.cli.replay", "Replay a tape through the desk, or compare with what it recorded."),
    "tape": Entry("streams.cli.tape_commands", "Look into tapes, check them, make them."),
    "tail": Entry("streams.cli.tail", "Show the records of a topic, decoded."),
    "send": Entry("streams.cli.send", "Publish signals, fills, commands by hand."),
    "dlq": Entry("streams.cli.dlq", "Look at dead letters, and send some again."),
    "account": Entry("streams.cli.account", "Make accounts known, take them out of service, list them."),
    "schemas": Entry("streams.cli.schemas", "Check that old tapes stay readable."),
    "policy": Entry("streams.cli.policy", "Check the limits of every phase, and see which are in force."),
    "spool": Entry("streams.cli.spool", "See what waits on the disk for the broker."),
    "crash": Entry("streams.cli.crash", "Kill workers at every step, and prove that nothing came of it."),
    "bench": Entry("streams.cli.bench", "Measure the desk."),
    "version": Entry("streams.cli.version", "Tell which version this is."),
}
"""Every command, in the order --help shows them. A command's module has it under the name `command`."""

HELP = """Quantum Trader Streams: trading signals in, exchange orders out, and a proof why each went.

Every command has --help with an example, and --json: one JSON object as the last line of stdout. Exit codes: 0 yes, 1 no
(a difference, a failed check), 2 bad input or usage, 3 something outside is missing, 70 a defect of ours, 130 interrupted.
"""


class Commands(click.Group):
    """The commands of the table, imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the one command that was called."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = import_module(entry.module).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.command is a {type(command).__name__}, not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands with their summaries, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


commands = Commands(
    "qts", help=HELP, epilog="\b\nExample:\n  ./qts demo\n  ./qts test", context_settings=HELP_OPTIONS, no_args_is_help=True
)


def main(arguments: Sequence[str]) -> int:
    """Run one command to its exit code."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json = "--json" in own
    try:
        return _ended(arguments)
    except click.exceptions.NoArgsIsHelpError as asked:
        print(asked.format_message(), file=sys.stderr)
        return BAD_INPUT
    except click.ClickException as wrong:
        path = wrong.ctx.command_path if isinstance(wrong, click.UsageError) and wrong.ctx else "./qts"
        return report(CommandError(f"{wrong.format_message()} (see {path} --help)", BAD_INPUT), as_json)
    except CommandError as foreseen:
        return report(foreseen, as_json)
    except (click.Abort, KeyboardInterrupt):
        return report(CommandError("interrupted", INTERRUPTED), as_json)
    except BrokenPipeError:
        # Nobody reads on: hand what is still buffered to nobody, so that the flush at exit does not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BROKEN_PIPE
    except Exception:  # noqa: BLE001 - the outermost boundary: a defect must not look like the answer "no", which is exit code 1
        traceback.print_exc()
        return report(CommandError("a defect of ours; what led to it is above", BROKEN), as_json)


def _ended(arguments: Sequence[str]) -> int:
    try:
        with commands.make_context("./qts", list(arguments)) as context:
            commands.invoke(context)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    finally:
        sys.stdout.flush()
    return OK


def run() -> None:
    """Run as a program. What a terminal cannot write is shown as a question mark: no sign is worth an end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    set_up()
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
