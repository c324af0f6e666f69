"""`./qts tape` with all its subcommands, each from its own module."""

from streams.cli import tape_epoch, tape_export
from streams.cli.tape import command

__all__ = ["command", "tape_epoch", "tape_export"]
