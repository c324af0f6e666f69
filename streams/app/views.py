"""The views role, put together: tables `positions` and `ess`, agent on `portfolio`, pages that answer who asks."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from connectors.kafka.faust_app import BatchedApp, BatchSchema
from schemas.codec import Codec, Undecodable
from streams.agents.viewing import Viewing, ViewsPorts
from streams.app.parts import Parts, committed, take_batches, tend_for_ever
from streams.app.tables import OwnTable, PartitionOfTable, forget_others, newest_table
from streams.desk.outputs import Portfolio
from streams.pipeline.resuming import PLACE_HEADER
from streams.pipeline.sequencer import PORTFOLIO
from streams.pipeline.views import CHANGELOGS, ESS, POSITIONS, Picture
from streams.services.metrics import Metrics, Sample


def add_views(app: BatchedApp, parts: Parts) -> Viewing:
    """Make an app show the accounts."""
    identity, codec = parts.identity, Codec(parts.registry)
    tables = {name: newest_table(app, name, CHANGELOGS[name], identity.partitions, place_of) for name in (POSITIONS, ESS)}
    viewing = Viewing(
        ViewsPorts(
            lambda partition: {name: PartitionOfTable(table, partition) for name, table in tables.items()},
            parts.log,
            lambda record: picture_of(codec, record),
            place_of,
            parts.ending,
            lambda: app.consumer_generation_id or 0,
            time.monotonic,
        )
    )

    class From:
        async def positions(self, assigned: frozenset[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
            for table in tables.values():
                forget_others(table, [partition for _, partition in assigned])
            await viewing.positions(assigned)
            # Said also where nothing is committed yet: what was fetched for an assignment that has ended, and dropped, is fetched again.
            return await asyncio.to_thread(lambda: {source: _start(app, parts, source) for source in assigned})

    app.positions_from = From()
    portfolio = app.topic(PORTFOLIO, schema=BatchSchema(), partitions=identity.partitions)

    @app.agent(portfolio, name="qts-views", concurrency=1)
    async def view(stream: Any) -> None:
        await take_batches(stream, viewing.take)

    tend_for_ever(app, viewing)
    for name, table in tables.items():
        _add_pages(app, name, table, viewing)
    return viewing


def _start(app: BatchedApp, parts: Parts, source: tuple[str, int]) -> int:
    known = committed(app, source)
    return parts.look.bounds(*source)[0] if known is None else known


def picture_of(codec: Codec, record: Any) -> Picture | None:
    """Read a portfolio; equity reports share its topic, and what nobody can read shows nothing."""
    place = next((value for name, value in record.headers or () if name == PLACE_HEADER), None)
    if record.value is None or place is None:
        return None
    try:
        said = codec.decode(record.value)
    except Undecodable:
        return None
    if not isinstance(said, Portfolio):
        return None
    epoch, offset, n = map(int, place.split(b"/"))
    plain = {name: value for name, value in said._asdict().items() if name not in ("offset", "n")}
    about = {"account": said.account, "epoch": epoch, "tape_offset": offset, "n": n, "time_ms": said.time_ms}
    ess = {name: value for name, value in plain.items() if name.startswith("ess_")}
    held = {name: value for name, value in plain.items() if not name.startswith("ess_")}
    held["positions"] = [position._asdict() for position in said.positions]
    return Picture(epoch, offset, n, said.account, {POSITIONS: _row(about | held), ESS: _row(about | ess | {"mode": said.mode})})


def place_of(row: bytes) -> tuple[int, int, int]:
    """Read where on the tape a row was made."""
    said = json.loads(row)
    return said["epoch"], said["tape_offset"], said["n"]


def _row(said: Mapping[str, object]) -> bytes:
    return json.dumps(said, default=_exactly, allow_nan=False).encode()


def _exactly(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no place in a row")


def _add_pages(app: BatchedApp, name: str, table: OwnTable, viewing: Viewing) -> None:
    @app.page(f"/{name}", name=f"all-{name}")
    async def every(self: Any, _request: Any) -> Any:
        if not viewing.ready:
            return self.json({"error": "recovering"}, status=503)
        rows = [json.loads(row) for _, row in sorted(table.items())]
        return self.json({"partitions": sorted(viewing.keepers), name: rows})

    @app.page(f"/{name}/{{account}}", name=f"one-{name}")
    async def one(self: Any, _request: Any, account: str) -> Any:
        if not viewing.ready:
            return self.json({"error": "recovering"}, status=503)
        for partition in viewing.keepers:
            row = table.get(f"{partition}/{account}".encode())
            if row is not None:
                return self.json(json.loads(row))
        return self.json({"error": f"account {account} is not shown here", "partitions": sorted(viewing.keepers)}, status=404)


def views_samples(viewing: Viewing) -> Iterable[Sample]:
    """Give the figures."""
    yield Sample(Metrics.OWNED_PARTITIONS, len(viewing.keepers))
