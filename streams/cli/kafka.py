"""`./qts kafka`: a real Kafka on this machine, in the background.

Decides: where it is kept, how its state reads. Leaves to others: starting, finding and ending it (connectors.kafka.local_background), its jars
(connectors.kafka.local_jars), topics (`./qts topics`).
"""

import os
from importlib.resources import files
from pathlib import Path

import click

import streams
from connectors.kafka.local_background import BackgroundBroker, BrokerState
from connectors.kafka.local_jars import KafkaMissing, resolved_jars
from connectors.kafka.local_node import KafkaFailed
from streams.cli.background import explained
from streams.cli.command import group
from streams.cli.output import NEGATIVE, Answer, BadInput, Output

DEFAULT_PORT = 9092

command = group("kafka", "Run a real Kafka on this machine.", example="./qts kafka start\n./qts kafka stop")


@command.add("start", example="./qts kafka start\n./qts kafka start --port 9192 --json")
@click.option(
    "--port",
    type=click.IntRange(1, 65_535),
    help=f"Where it listens, on 127.0.0.1 only. [default: where it listened last, else {DEFAULT_PORT}]",
)
def start(out: Output, port: int | None) -> Answer:
    """Start the broker and wait until it answers.

    It runs on in the background, one broker without a login, reachable from this machine only. Its data is kept in QTS_HOME/kafka (.qts/kafka unless
    set) and is there again after a stop. Needs Java 17 and, the first time, Maven. One that runs already is left as it is.
    """
    broker = _broker()
    state, new = _started(broker, port)
    if port is not None and _port_of(state) != port:
        raise BadInput(f"Kafka is running on {state.servers} already; ./qts kafka stop first, to have it on port {port}")
    out.console.print(f"Kafka {'is running' if new else 'is already running'} on {state.servers} (process {state.pid})")
    return Answer({"started": new, **_data(broker, state)})


def running_servers() -> str:
    """Give where the broker of this deployment listens; it is started where it does not run."""
    state, _ = _started(_broker(), None)
    assert state.servers is not None
    return state.servers


def _started(broker: BackgroundBroker, port: int | None) -> tuple[BrokerState, bool]:
    wanted = port or _port_of(broker.state()) or DEFAULT_PORT
    with explained("kafka", broker.folder, (KafkaMissing, KafkaFailed)):
        return broker.start(kafka_jars(), wanted)


@command.add("stop", example="./qts kafka stop")
def stop(out: Output) -> Answer:
    """Stop the broker that `./qts kafka start` started, in order, and only that. Its data stays."""
    broker = _broker()
    with explained("kafka", broker.folder, (KafkaFailed,)):
        pid = broker.stop()
    out.console.print("Kafka was not running" if pid is None else f"Kafka has stopped (process {pid})")
    return Answer({"stopped": pid is not None, "pid": pid})


@command.add("status", example="./qts kafka status\n./qts kafka status --json")
def status(out: Output) -> Answer:
    """Tell whether the broker runs and answers. The exit code is 1 where it does not."""
    broker = _broker()
    state = broker.state()
    if state.pid is None:
        out.console.print("Kafka is not running; ./qts kafka start starts it")
    elif not state.answers:
        out.console.print(
            f"Kafka (process {state.pid}) does not answer on {state.servers}; its log is {broker.log}", soft_wrap=True
        )
    else:
        out.console.print(f"Kafka is running on {state.servers} (process {state.pid}); its log is {broker.log}", soft_wrap=True)
    return Answer(_data(broker, state), 0 if state.answers else NEGATIVE)


def home() -> Path:
    """Give where a deployment on this machine keeps its files."""
    return Path(os.environ.get("QTS_HOME") or ".qts")


def _broker() -> BackgroundBroker:
    return BackgroundBroker(home() / "kafka")


def kafka_jars() -> Path:
    """Fetch Kafka's jars: beside what else is built in a checkout, else to where the deployment keeps its files."""
    root = Path(streams.__file__).parent.parent
    folder = root / "build" if (root / "pyproject.toml").is_file() else home()
    return resolved_jars((files("infra") / "kafka" / "pom.xml").read_bytes(), folder / "kafka-jars")


def _port_of(state: BrokerState) -> int | None:
    port = (state.servers or "").rpartition(":")[2]
    return int(port) if port.isdecimal() else None


def _data(broker: BackgroundBroker, state: BrokerState) -> dict[str, object]:
    return {
        "running": state.pid is not None, "answers": state.answers, "servers": state.servers if state.pid else None, "pid": state.pid,
        "folder": broker.folder, "log": broker.log,
    }  # fmt: skip
