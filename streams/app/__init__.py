"""The composition root: `faust -A streams.app worker` runs the role that the environment names.

Decides: what a worker is put together from, and what it says first. Leaves to others: everything each part does. `app` is made when it is asked
for: making it reads the tape's identity from the cluster.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from connectors.kafka.faust_app import BatchedApp, Deployment, new_app
from connectors.kafka.faust_credentials import credentials
from streams.app.desk import add_desk, desk_samples, tape_end
from streams.app.environment import WorkerSettings, worker_settings
from streams.app.execution import add_execution
from streams.app.execution_figures import execution_samples
from streams.app.pages import add_pages
from streams.app.parts import Parts, Role, make_parts, watch_identity
from streams.app.pauses import Pauses
from streams.app.sequencer import add_sequencer, sequencer_samples
from streams.app.views import add_views, views_samples
from streams.desk.state import DESK_VERSION
from streams.logs import Worker, worker_banner
from streams.pipeline import sequencer, write_pipeline
from streams.services.metrics import Sample

LOGGER = logging.getLogger(__name__)


def make_app(settings: WorkerSettings) -> BatchedApp:
    """Put a worker together."""
    parts = make_parts(settings)
    # Desks of two versions are two groups: each reads all of the tape, and steps its own reign.
    version = int(DESK_VERSION) if settings.role == "desk" else 1
    data_folder = settings.home / "faust" / settings.name
    data_folder.mkdir(parents=True, exist_ok=True)
    where = Deployment(
        settings.kafka,
        parts.identity.partitions,
        settings.name,
        settings.web_port,
        str(data_folder),
        settings.embedded_partitions is not None,
        settings.web_bind,
    )
    app = new_app(f"qts-{settings.role}", version, where, credentials(settings.kafka))
    role, sampler = _ROLES[settings.role](app, parts)
    add_pages(app, parts, role, sampler, time.monotonic)
    _keep_pauses_short(app, role)
    if parts.identity.topics:
        watch_identity(parts)
    worker_banner(
        LOGGER,
        Worker(
            settings.mode, settings.role, DESK_VERSION, None, None, None, None,
            {"outputs_under_way": write_pipeline.UNDER_WAY_MAX, "batches": write_pipeline.BATCHES_MAX, "forwards_under_way": sequencer.UNDER_WAY_MAX},
        ),
    )  # fmt: skip
    return app


def _keep_pauses_short(app: BatchedApp, role: Role) -> None:
    pauses = Pauses(time.monotonic)

    async def every_second() -> None:
        pauses.every_second(role.ready)

    app.timer(interval=1.0)(every_second)


def _sequencer(app: BatchedApp, parts: Parts) -> tuple[Any, Callable[[], Iterable[Sample]]]:
    role, inner = add_sequencer(app, parts)
    return role, lambda: sequencer_samples(role, inner)


def _desk(app: BatchedApp, parts: Parts) -> tuple[Any, Callable[[], Iterable[Sample]]]:
    role = add_desk(app, parts)
    return role, lambda: desk_samples(role, lambda partition: tape_end(app, parts, partition))


def _views(app: BatchedApp, parts: Parts) -> tuple[Any, Callable[[], Iterable[Sample]]]:
    role = add_views(app, parts)
    return role, lambda: views_samples(role)


def _execution(app: BatchedApp, parts: Parts) -> tuple[Any, Callable[[], Iterable[Sample]]]:
    role, execution = add_execution(app, parts)
    return role, lambda: execution_samples(role, execution)


_ROLES = {"sequencer": _sequencer, "desk": _desk, "views": _views, "execution": _execution}
_made: list[BatchedApp] = []


def __getattr__(name: str) -> BatchedApp:
    """Make `app` when it is asked for, once."""
    if name != "app":
        raise AttributeError(name)
    if not _made:
        _made.append(make_app(worker_settings(os.environ)))
    return _made[0]
