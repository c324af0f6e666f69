"""`./qts exchange`: an exchange to try things out on, on this machine, in the background.

Decides: where it is kept, how its state and its journal read, and how it reads what an IP can carry. Leaves to others: starting, finding and ending
it (background), what it does (server), what is carried (capacity).
"""

import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from connectors.exchange.capacity import ONCE, SWEEP_S, TRADES
from connectors.exchange.capacity import capacity as carried
from connectors.exchange.modes import PORT_HERE
from connectors.exchange.simulator.background import BackgroundExchange, ExchangeState
from connectors.exchange.simulator.fault_rules import read_rules
from connectors.exchange.simulator.journal import CLIENT_IDS, entries
from connectors.exchange.simulator.plan_file import BadPlan
from connectors.exchange.simulator.price_script import read_script
from connectors.exchange.simulator.process import SimulatorFailed
from connectors.exchange.simulator.setting_up import Options
from connectors.kafka.system_clock import SystemClock
from streams.cli.background import explained
from streams.cli.command import group
from streams.cli.kafka import home
from streams.cli.output import NEGATIVE, Answer, BadInput, Output

SHOWN = 50

command = group(
    "exchange", "Run a simulated exchange on this machine.", example="./qts exchange start --seed 7\n./qts exchange stop"
)

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@command.add(
    "start", example="./qts exchange start --seed 7 --faults infra/exchange/rough.yaml\n./qts exchange start --port 9444 --json"
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="What prices and faults are drawn from.")
@click.option("--faults", type=_FILE, help="A plan of what goes wrong, and when prices crash.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=PORT_HERE, show_default=True, help="Where it listens, on 127.0.0.1 only."
)
@click.option("--prices", type=_FILE, help="Play prices from this file (marks, or candles with --symbol) instead of seeded ones.")
@click.option("--symbol", default="", help="Whose candles --prices has.")
@click.option(
    "--clock",
    type=click.Choice(["running", "manual"]),
    default="running",
    show_default=True,
    help="manual: POST /sim/clock moves it.",
)
def start(out: Output, seed: int, faults: Path | None, port: int, prices: Path | None, symbol: str, clock: str) -> Answer:
    """Start it and wait until it answers.

    It runs on in the background, reachable from this machine only, and speaks Binance's USDT-M futures, REST and WebSocket. Accounts are opened with
    POST /sim/accounts. Everything is in memory: a start is a new exchange. One that runs already is left as it is.
    """
    wanted = Options(
        seed, fault_plan(faults), str(faults or "faults"), SystemClock().wall_ms() if clock == "manual" else None,
        prices_file=prices.resolve() if prices else None, prices_symbol=symbol, port=port,
    )  # fmt: skip
    exchange = _exchange()
    with explained("exchange", exchange.folder, (SimulatorFailed,)):
        state, new = exchange.start(wanted)
    if not new and not _same(state.options, wanted):
        raise BadInput(f"another exchange is running on {state.url} already; ./qts exchange stop first")
    out.console.print(f"The exchange {'is running' if new else 'is already running'} on {state.url} (process {state.pid})")
    return Answer({"started": new, **_data(exchange, state)})


@command.add("stop", example="./qts exchange stop")
def stop(out: Output) -> Answer:
    """Stop the exchange that `./qts exchange start` started, and only that. Its journal stays until the next start but one."""
    exchange = _exchange()
    with explained("exchange", exchange.folder, (SimulatorFailed,)):
        pid = exchange.stop()
    out.console.print("The exchange was not running" if pid is None else f"The exchange has stopped (process {pid})")
    return Answer({"stopped": pid is not None, "pid": pid})


@command.add("status", example="./qts exchange status\n./qts exchange status --json")
def status(out: Output) -> Answer:
    """Tell whether it runs and answers. The exit code is 1 where it does not."""
    exchange = _exchange()
    state = exchange.state()
    if state.pid is None:
        out.console.print("The exchange is not running; ./qts exchange start starts it")
    else:
        how = "is running" if state.answers else "does not answer"
        out.console.print(f"The exchange {how} on {state.url} (process {state.pid}); its log is {exchange.log}", soft_wrap=True)
    return Answer(_data(exchange, state), 0 if state.answers else NEGATIVE)


@command.add(
    "journal", example="./qts exchange journal --account a1 --path /fapi/v1/order\n./qts exchange journal --client-id o-17 --json"
)
@click.option("--account", help="Only what is about this account.")
@click.option("--client-id", help="Only what names this client order id.")
@click.option("--path", help="Only requests whose path begins so.")
@click.option("--since-s", type=click.IntRange(min=0), help="Only the last so many seconds.")
@click.option("--last", type=click.IntRange(1, 100_000), default=SHOWN, show_default=True, help="Show the newest so many.")
@click.option("--file", type=_FILE, help="Another journal than the one of the exchange here.")
def journal(
    out: Output, account: str | None, client_id: str | None, path: str | None, since_s: int | None, last: int, file: Path | None
) -> Answer:
    """Show what was asked of the exchange and what it answered and told, oldest first. Keys, secrets and signatures are not in it."""
    since_ms = SystemClock().wall_ms() - since_s * 1_000 if since_s is not None else 0
    where = file or _exchange().journal
    found = deque(entries(where, account=account, client_id=client_id, path=path, since_ms=since_ms), last)
    for entry in found:
        out.console.print(_line(entry), soft_wrap=True)
    if not found:
        out.console.print(f"nothing of that is in {where}", soft_wrap=True)
    return Answer({"file": where, "entries": list(found)})


@command.add("capacity", example="./qts exchange capacity\n./qts exchange capacity --period-s 120 --symbols 5 --json")
@click.option(
    "--period-s", type=click.IntRange(1, 86_400), default=SWEEP_S, show_default=True, help="How often each is compared."
)
@click.option("--symbols", type=click.IntRange(0, 1_000), default=3, show_default=True, help="Active symbols of an account.")
def capacity(out: Output, period_s: int, symbols: int) -> Answer:
    """Tell how many accounts one IP can carry.

    All accounts are compared with the exchange in turn, again and again, within 30 % of the weight it gives. The limit is what the exchange at
    QTS_EXCHANGE_URL tells; where it cannot be asked, what is kept to until it can.
    """
    from streams.cli.exchange_limits import limits_there  # noqa: PLC0415 - ccxt is slow to import, and the other commands do without

    told = limits_there(os.environ)
    found = carried(told.rules.weight, period_s, symbols)
    source = f"as {told.url} tells" if not told.problem else f"our default: {told.url} could not be asked ({told.problem})"
    out.console.print(f"{found.accounts} accounts, {symbols} symbols each, compared every {period_s} s")
    out.console.print(f"limit             {told.rules.weight.limit:6} a minute, {source}", soft_wrap=True)
    out.console.print(f"for comparing     {found.weight_for_sweeps:6} a minute")
    out.console.print(f"one account, once {found.weight_of_sweep:6}")
    for what, weight in ONCE.items():
        out.console.print(f"  {what:26} {weight:3}")
    out.console.print(f"  {'trades':26} {TRADES:3} × {symbols}")
    return Answer(
        {
            "accounts": found.accounts, "period_s": period_s, "symbols": symbols, "limit": told.rules.weight.limit, "url": told.url,
            "told_by_exchange": not told.problem, "problem": told.problem, "weight_for_sweeps": found.weight_for_sweeps,
            "weight_of_sweep": found.weight_of_sweep, "weights": {**ONCE, "trades of a symbol": TRADES},
        }
    )  # fmt: skip


def _line(entry: Mapping[str, Any]) -> str:
    """Write an entry for a person."""
    begin = f"{entry['ts']} {entry['account'] or '-':12}"
    if entry["kind"] == "event":
        message = entry["message"]
        told = message.get("o") or message.get("a") or {}
        names = " ".join(str(told[name]) for name in ("s", *CLIENT_IDS, "x", "X", "m") if name in told)
        late = "" if entry["after_ms"] == [0] else f" after {entry['after_ms']} ms"
        return f"{begin} event    {entry['event']} {names}{late}"
    if entry["kind"] == "admin":
        return f"{begin} admin    {entry['method']} {entry['path']}"
    parameters, answer = entry["parameters"], entry["answer"]
    names = " ".join(str(parameters[name]) for name in ("symbol", "side", "type", "quantity", *CLIENT_IDS) if name in parameters)
    code = f" {answer['code']} {answer['msg']}" if isinstance(answer, dict) and "msg" in answer else ""
    fault = "" if entry["outcome"] == "pass" else f" [{entry['outcome']}]"
    ended = entry["status"] if entry["ending"] == "answered" else entry["ending"]
    return f"{begin} request  {entry['method']} {entry['path']} {names} → {ended}{code}{fault} {entry['took_ms']} ms"


def _exchange() -> BackgroundExchange:
    return BackgroundExchange(home() / "exchange")


def fault_plan(file: Path | None) -> str:
    """Read a plan and see that it can be used."""
    if file is None:
        return ""
    try:
        text = file.read_text(encoding="utf-8")
        read_rules(str(file), text)
        read_script(str(file), text)
    except (BadPlan, UnicodeDecodeError) as bad:
        raise BadInput(str(bad)) from bad
    return text


def _same(there: Options | None, wanted: Options) -> bool:
    """Tell whether an exchange is the one that is asked for. At what time one began whose time is moved by hand does not matter."""
    return there is not None and _plainly(there) == _plainly(wanted)


def _plainly(options: Options) -> Options:
    return options._replace(journal=None, manual_ms=None if options.manual_ms is None else 0)


def _data(exchange: BackgroundExchange, state: ExchangeState) -> dict[str, object]:
    options = state.options if state.pid else None
    return {
        "running": state.pid is not None, "answers": state.answers, "url": state.url if state.pid else None, "pid": state.pid,
        "seed": options.seed if options else None, "folder": exchange.folder, "log": exchange.log, "journal": exchange.journal,
    }  # fmt: skip
