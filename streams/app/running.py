"""Running an app in this process.

Decides: which of Faust's own ways of talking are left out: its banner, its spinner, its log set-up. Leaves to others: the app.
"""

import logging

import faust

QUIET = ("faust", "mode", "aiokafka", "kafka", "connectors.kafka.faust_app", "connectors.kafka.transport", "streams.app.tables")
"""Libraries that say at INFO what concerns nobody but their makers."""


def run(app: faust.App) -> int:
    """Run until a signal or an end; give the exit code."""
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    worker = faust.Worker(
        app, loglevel="WARNING", override_logging=False, redirect_stdouts=False, console_port=0, quiet=True, debug=False
    )
    worker.spinner = None
    try:
        worker.execute_from_commandline()
    except SystemExit as ended:
        return int(ended.code or 0)
