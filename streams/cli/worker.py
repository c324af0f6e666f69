"""`./qts worker ROLE`: run one worker here, in the foreground.

Decides: how a role is named on the command line, and that logs go to stderr. Leaves to others: everything a
worker does (streams.app), starting several (`./qts up`).
"""

import os

import click

from streams import logs
from streams.cli.command import single
from streams.cli.output import Answer, BadInput, Output, Unavailable
from streams.services.parent_watch import end_with_parent

ROLES = ("sequencer", "desk", "views", "execution", "policy", "marketdata")
POLICY_PORT, MARKETDATA_PORT = 6069, 6071


@single("worker", example="./qts worker sequencer\n./qts worker desk --name desk-1 --web-port 6077")
@click.argument("role", type=click.Choice(ROLES))
@click.option("--name", help="The worker's name in its group, stable across restarts. Two of a role need two names.")
@click.option("--web-port", type=click.IntRange(0, 65_535), help="Where its pages are: /health/ready, /metrics.")
@click.option("--parent", type=click.IntRange(1), help="End when this process, which started the worker, is gone.")
def command(_out: Output, role: str, name: str | None, web_port: int | None, parent: int | None) -> Answer:
    """Run a worker until it is told to end: SIGTERM or Ctrl-C let it write everything down and leave within ten seconds."""
    logs.set_up()
    if parent is not None:
        end_with_parent(parent)
    if role == "policy":
        return Answer({}, exit_code=_run_policy_worker(name, web_port))
    if role == "marketdata":
        return Answer({}, exit_code=_run_marketdata_worker(name, web_port))
    os.environ["QTS_ROLE"] = role
    if name is not None:
        os.environ["QTS_WORKER"] = name
    if web_port is not None:
        os.environ["QTS_WEB_PORT"] = str(web_port)
    return Answer({}, exit_code=run_worker())


def _run_policy_worker(name: str | None, web_port: int | None) -> int:
    from streams.cli.policy_worker import run_policy_worker  # noqa: PLC0415 - only this worker needs it

    return run_policy_worker(name or os.environ.get("QTS_WORKER") or "policy-0", _port(web_port, POLICY_PORT))


def _run_marketdata_worker(name: str | None, web_port: int | None) -> int:
    from streams.cli.marketdata_worker import run_marketdata_worker  # noqa: PLC0415 - ccxt is slow to import, and only this worker needs it

    return run_marketdata_worker(name or os.environ.get("QTS_WORKER") or "marketdata-0", _port(web_port, MARKETDATA_PORT))


def _port(wanted: int | None, usual: int) -> int:
    said = os.environ.get("QTS_WEB_PORT") or str(usual)
    if wanted is None and not (said.isascii() and said.isdigit()):
        raise BadInput(f"QTS_WEB_PORT={said}: must be a whole number")
    return int(said) if wanted is None else wanted


def run_worker() -> int:
    """Make the app the environment names, and run it; give its exit code."""
    from connectors.kafka.reading import BrokerAway, ReadRefused  # noqa: PLC0415 - see below
    from streams.app import make_app  # noqa: PLC0415 - faust is slow to import, and only workers need it
    from streams.app.environment import worker_settings  # noqa: PLC0415 - see above
    from streams.app.running import run  # noqa: PLC0415 - see above
    from streams.pipeline.identity import OtherTape  # noqa: PLC0415 - see above

    try:
        app = make_app(worker_settings(os.environ))
    except ValueError as bad:
        raise BadInput(str(bad)) from bad
    except (OtherTape, BrokerAway, ReadRefused) as missing:
        raise Unavailable(str(missing)) from missing
    return run(app)
