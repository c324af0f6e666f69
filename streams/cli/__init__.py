"""The commands of ./qts: one file a command, listed in the table of streams.cli.main."""
