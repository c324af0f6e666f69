"""Faust as our workers use it: batches, nothing decoded, one generation of an assignment after the other.

Decides: every setting of Faust that has to differ from its default, each with its reason. Leaves to others: roles, agents, what a batch is for.
"""

from typing import Any, NamedTuple

import faust
from faust.types import AppT, TransportT
from faust.types.auth import CredentialsT
from yarl import URL

from connectors.kafka.lease import Lease
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.transport import BatchedTransport, Positions

POLL_RECORDS_MAX = 4_000
"""Measured: at 1,000 the round trips between threads cost most of the time."""
BUFFERED_BATCHES = 4
"""Batches that wait in front of an agent. More would only hold memory: the fetch of the next one goes on while a batch is worked on."""
SESSION_S, HEARTBEAT_S = 10.0, 1.0
"""Ten seconds without a sign of life and a partition moves. Kafka's own default of 45 is a long time without decisions."""
EMBEDDED_SESSION_S, EMBEDDED_HEARTBEAT_S = 3.0, 0.5
"""The embedded broker knows no static membership: who comes back waits for twice the session of who was killed (docs/adr/0011-embedded-broker.md)."""
EMBEDDED_FETCH_WAIT_MS = 30
"""It answers a fetch that finds nothing only after the whole wait, whatever comes meanwhile."""
REBALANCE_S = 30.0
REQUEST_S = 40.0
FETCH_BYTES_MAX = 4 * 1024 * 1024
"""As much as the largest record there can be. Measured with a quarter of it: catching up takes half as long again, for want of records."""
FETCH_WAIT_MS = 20
"""How long the broker may wait before it answers that there is nothing. Partitions whose records are just being worked on are not asked for, and are
not asked for before that answer has come: with Faust's 1,500 ms a record can lie there for as long as its neighbours are quiet."""
COMMIT_EVERY_S = 0.5


class Deployment(NamedTuple):
    """What a worker is told of where it runs."""

    settings: KafkaSettings
    partitions: int
    instance_id: str
    """The worker's name in its group, stable across restarts: one that comes back within the session takes its partitions up at once."""
    web_port: int
    data_folder: str
    embedded: bool = False
    """On the embedded broker."""
    web_bind: str = "127.0.0.1"


class BatchSchema(faust.Schema[Any, Any]):
    """Hands a message over as it is."""

    def compile(self, app: AppT, **_: Any) -> Any:
        """Give what makes an event of a message."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001 - Faust's signature
            return create_event(None, message.value, None, message)

        return decode


class BatchedApp(faust.App):
    """A Faust app whose streams are batches."""

    positions_from: Positions | None = None
    """Who knows where partitions go on, for those that do not go on where the group committed."""
    lease: Lease | None = None
    """Kept for a role that may act only while its partitions are certainly its own."""
    fetch_wait_ms = FETCH_WAIT_MS

    def _new_transport(self) -> TransportT:
        return BatchedTransport(self.conf.broker_consumer, self)


def new_app(app_id: str, version: int, where: Deployment, credentials: CredentialsT | None) -> BatchedApp:
    """Make the app of a role."""
    session_s, heartbeat_s = (EMBEDDED_SESSION_S, EMBEDDED_HEARTBEAT_S) if where.embedded else (SESSION_S, HEARTBEAT_S)
    app = BatchedApp(
        app_id,
        version=version,
        broker=[URL(f"kafka://{server}") for server in where.settings.servers.split(",")],
        broker_credentials=credentials,
        datadir=where.data_folder,
        table_standby_replicas=0,  # a partition is resumed from its newest snapshot in a second; keeping up everybody's would cost more
        store="memory://",  # our state is small, and a store on disk can run ahead of its changelog
        autodiscover=False,
        topic_allow_declare=False,  # topics are made and checked by `./qts topics`; a misspelt name must not make one
        topic_disable_leader=True,
        topic_partitions=where.partitions,
        processing_guarantee="at_least_once",  # exactly once comes from the order of writes; Faust's transactions duplicate under kill -9
        consumer_auto_offset_reset="earliest",  # a changelog is read from its beginning; a tape that was cut is noticed by its identity
        consumer_group_instance_id=where.instance_id,
        consumer_max_fetch_size=FETCH_BYTES_MAX,
        broker_max_poll_records=POLL_RECORDS_MAX,
        broker_session_timeout=session_s,
        broker_rebalance_timeout=REBALANCE_S,  # slow is not dead: a member that is being resumed still joins
        broker_heartbeat_interval=heartbeat_s,
        broker_request_timeout=REQUEST_S,
        broker_commit_interval=COMMIT_EVERY_S,
        stream_buffer_maxsize=BUFFERED_BATCHES,
        stream_wait_empty=False,  # batches wait for a snapshot, which a rebalance must not wait for
        producer_acks=-1,
        web_bind=where.web_bind,
        web_port=where.web_port,
        # Travels in the assignment, which a static member gets back as it was when it restarts: an address that changed with a port or a
        # host would be taken for a foreign assignment, and the worker would never begin.
        canonical_url=URL(f"http://{where.instance_id}"),
    )
    if where.embedded:
        app.fetch_wait_ms = EMBEDDED_FETCH_WAIT_MS
    return app
