"""`./qts demo`: broker, exchange and all workers as real processes, made-up traders around them, drawn live in the terminal.

Decides: for how long, on which broker, where files are kept; that Ctrl-C is one of the ways a demo ends and not an error, and books that do not agree
are one. Leaves to others: broker and workers (deployment), the exchange (demo_exchange), what happens (demo_stage), the picture (demo_show), the
summary (demo_end).
"""

import time

import click

from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.cli.command import single
from streams.cli.demo_closing import Ground
from streams.cli.demo_end import answer, summary
from streams.cli.demo_exchange import exchange
from streams.cli.demo_run import foreign_account
from streams.cli.demo_show import Show
from streams.cli.demo_stage import Options, Stage
from streams.cli.deployment import EMBEDDED, Broker, Place, broker, deployment, home, specs, until_told
from streams.cli.output import NEGATIVE, OK, Answer, CommandError, Output
from streams.cli.pulse import Pulse

WORKERS = {"marketdata": 1, "sequencer": 1, "desk": 1, "execution": 1, "views": 1, "policy": 1}
UNWATCHED_S = 30.0
"""Without a terminal nobody might ever press Ctrl-C."""
FORGOTTEN = ("policy", "spool", "record", "faust")
"""What an earlier demo on the embedded broker left: it was about a broker that is gone."""
RECORD = "record"


@single("demo", example="./qts demo\n./qts demo --seconds 60 --seed 3\n./qts demo --broker local --json")
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86_400),
    help=f"How long the market is open. [default: until Ctrl-C; {UNWATCHED_S:.0f} without a terminal]",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed is another market.")
@click.option("--accounts", type=click.IntRange(1, 50), default=4, show_default=True, help="How many accounts trade.")
@click.option(
    "--broker",
    "wanted",
    metavar="embedded|local|HOST:PORT",
    default=EMBEDDED,
    show_default=True,
    help="Which Kafka: one in memory, that of ./qts kafka, or another.",
)
def command(out: Output, seconds: float | None, seed: int, accounts: int, wanted: str) -> Answer:
    """Run the whole flow here: a simulated exchange, real workers, made-up traders. Watch it live.

    The exchange is a process that speaks Binance's futures over HTTP and WebSocket; its prices come from the seed. Market data comes from it through
    ccxt, signals (a heuristic, no trained model) go through Kafka to a sequencer and a desk, under the limits of phase 3 of infra/phases, and the
    desk's orders through an executor and ccxt back to the exchange: processes like in production. At the end the exchange's books are compared with
    the desk's; the exit code is 1 where they differ. Ctrl-C ends it. The embedded broker forgets everything, so tape and decisions are also kept in
    files, in QTS_HOME/demo (.qts/demo unless set).
    """
    began_s = time.monotonic()
    watched = out.console.is_terminal and not out.console.is_dumb_terminal and not out.as_json
    options = Options(seconds if seconds or watched else UNWATCHED_S, seed, accounts, wanted, began_s)
    embedded = wanted == EMBEDDED
    place = Place(home() / "demo" if embedded else home())
    more = {"QTS_MODE": "demo", **({"QTS_RECORD": str((place.home / RECORD).resolve())} if embedded else {})}
    with until_told() as told, broker(wanted) as found, exchange(seed) as venue:
        if not embedded:
            _refuse_where_money_is(found)
        forgotten, more = FORGOTTEN if embedded else (), {**more, **venue.environ}
        with deployment(place, specs(WORKERS), found, more, forgotten) as running, Pulse(running.supervisor.workers) as pulse:
            stage = Stage(options, place, Ground(found, running, pulse, venue))
            show = Show(out.console, stage, watched)
            with stage, show.shown():
                ended = stage.play(told, show.draw)
                result = stage.finish(show.draw)
    told_all = answer(stage, result, ended, place.home / RECORD if embedded else None)
    summary(out.console, stage, result, told_all)
    return Answer(told_all, OK if result.books is None or result.books.ok else NEGATIVE)


def _refuse_where_money_is(found: Broker) -> None:
    foreign = foreign_account(found.kafka, Codec(BundledRegistry()))
    if foreign is not None:
        raise CommandError(
            f"{found.kafka.servers} knows account {foreign}: a demo would switch trading on for all, so it runs elsewhere"
        )
