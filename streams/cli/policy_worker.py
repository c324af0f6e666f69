"""The policy worker, put together: store, publisher of the policy, publisher of records, pages.

Decides: where its files are: the store in QTS_HOME/policy, its spool in QTS_HOME/spool. Leaves to others: everything its parts do.
"""

import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path

from connectors.kafka.publisher import Publisher
from connectors.kafka.receipts import NotPublished
from connectors.kafka.settings import kafka_settings
from connectors.kafka.spool_settings import spool_bytes_max
from connectors.kafka.spool_tail import SpoolError
from connectors.kafka.system_clock import SystemClock
from schemas.codec import Codec
from schemas.registry import open_registry
from streams.cli.output import BadInput, Unavailable
from streams.desk.messages import Control
from streams.services.metrics import Metrics, Sample, exposition
from streams.services.policy_publisher import EnvironmentRefused, PolicyPublisher, PublishFailed
from streams.services.policy_source import PHASES_FOLDER
from streams.services.policy_store import PolicyStore, PolicyStoreError
from streams.services.policy_worker import PolicyWorker, log_alert, seed
from streams.services.small_pages import Page, serving
from streams.services.worker_health import memory_bytes

LOGGER = logging.getLogger(__name__)

ACKNOWLEDGE_S = 10.0
"""A record is at the broker in milliseconds, or on disk after two seconds."""


def run_policy_worker(name: str, port: int) -> int:
    """Publish the policy until SIGTERM or Ctrl-C; give the exit code."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    home, clock = Path(os.environ.get("QTS_HOME") or ".qts"), SystemClock()
    store = PolicyStore(home / "policy")
    try:
        if seed(store, PHASES_FOLDER, os.environ, clock.wall_ms()):
            LOGGER.info("the policy store was empty: the phases of %s are in force", PHASES_FOLDER)
        with ExitStack() as opened:
            publisher = opened.enter_context(
                Publisher(kafka_settings(os.environ), home / "spool" / name, clock=clock, bytes_max=spool_bytes_max(os.environ))
            )
            asked = PolicyPublisher(store, _publish(publisher), log_alert, clock.wall_ms, os.environ)
            worker = PolicyWorker(asked, stop.wait)
            opened.enter_context(serving(port, _pages(worker, publisher, name), os.environ.get("QTS_WEB_BIND") or "127.0.0.1"))
            worker.run()
    except (ValueError, EnvironmentRefused) as bad:
        raise BadInput(str(bad)) from bad
    except (PolicyStoreError, SpoolError, OSError) as failed:
        raise Unavailable(str(failed)) from failed
    return 0


def _publish(publisher: Publisher) -> Callable[[Control], None]:
    """Give what publishes a command and returns once it is acknowledged."""
    codec = Codec(open_registry(os.environ.get("QTS_SCHEMA_REGISTRY_URL") or None))

    def publish(control: Control) -> None:
        try:
            publisher.publish("control", control.account, codec.encode(control)).wait(ACKNOWLEDGE_S)
        except (NotPublished, SpoolError) as failed:
            raise PublishFailed(str(failed)) from failed

    return publish


def _pages(worker: PolicyWorker, publisher: Publisher, name: str) -> dict[str, Callable[[], Page]]:
    def live() -> Page:
        return _json(HTTPStatus.OK, {"live": True, "role": "policy", "worker": name, "pid": os.getpid()})

    def ready() -> Page:
        health, spool = worker.health, publisher.health()
        said = {"ready": health.ready, "role": "policy", "worker": name, "policy_version": health.version, "said": health.said}
        status = HTTPStatus.OK if health.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(status, {**said, "spool": spool._asdict()})

    def metrics() -> Page:
        health = worker.health
        samples = [
            Sample(Metrics.READY, int(health.ready)), Sample(Metrics.MEMORY_BYTES, memory_bytes() or 0),
            Sample(Metrics.POLICY_VERSION, health.version, ("*",)),
        ]  # fmt: skip
        return Page(HTTPStatus.OK, "text/plain", exposition(lambda: samples))

    return {"/health/live": live, "/health/ready": ready, "/metrics": metrics}


def _json(status: HTTPStatus, said: object) -> Page:
    return Page(status, "application/json", json.dumps(said).encode() + b"\n")
