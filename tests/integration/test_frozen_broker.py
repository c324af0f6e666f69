"""A broker that stands still with records on their way to it: they go to the disk, and the publisher goes on."""

import os
import signal
from pathlib import Path

from connectors.kafka.embedded import EmbeddedBroker
from connectors.kafka.outbox import AWAY
from connectors.kafka.publisher import Publisher
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.system_clock import SystemClock
from tests.fleet_kit import until

WAIT_S_MAX = 30.0
"""A broker that acknowledges nothing is away after two seconds."""


def test_what_was_under_way_to_a_broker_that_stands_still_is_spooled_and_sent_when_it_goes_on(tmp_path: Path) -> None:
    with EmbeddedBroker() as broker:
        broker.create("marks", 4)
        assert broker.pid is not None
        with Publisher(KafkaSettings(broker.servers), tmp_path, clock=SystemClock()) as publisher:
            publisher.publish("marks", "first", b"1").wait(WAIT_S_MAX)
            os.kill(broker.pid, signal.SIGSTOP)
            try:
                # Several of each partition, in requests of their own: giving those up is a fatal error to the library.
                receipts = []
                for number in range(20):
                    receipts.append(publisher.publish("marks", f"key-{number % 4}", b"2"))
                    publisher.flush(0.02)
                until(lambda: publisher.health().mode == AWAY, "the broker is away", WAIT_S_MAX)
                receipts.append(publisher.publish("marks", "last", b"3"))
                assert all(receipt.wait(WAIT_S_MAX).acknowledged for receipt in receipts)
            finally:
                os.kill(broker.pid, signal.SIGCONT)

            assert publisher.drain(WAIT_S_MAX) == 0
            assert publisher.health().green
