"""A process that publishes numbered records and tells each acknowledged one, to be killed at any moment.

    python -m tests.publishing_child FOLDER SERVERS TOPIC FIRST [none]

With `none` there is no broker: all goes to the spool. A line "n" says that record n was acknowledged; keys are n % 5.
"""

import os
import sys
from pathlib import Path

from connectors.kafka.publisher import Publisher
from connectors.kafka.publisher_bench import Nobody
from connectors.kafka.receipts import Receipt
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.system_clock import SystemClock

KEYS = 5


def main() -> None:
    """Publish until killed."""
    folder, servers, topic, first = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    nobody = Nobody if sys.argv[5:] == ["none"] else None
    publisher = Publisher(KafkaSettings(servers=servers), folder, clock=SystemClock(), new_link=nobody)
    under_way: list[tuple[int, Receipt]] = []
    number = first
    while True:
        for _ in range(20):
            under_way.append((number, publisher.publish(topic, f"k{number % KEYS}", b"%d" % number)))
            number += 1
        told = [str(one) for one, receipt in under_way if receipt.acknowledged]
        under_way = [(one, receipt) for one, receipt in under_way if not receipt.acknowledged]
        if told:
            os.write(1, ("\n".join(told) + "\n").encode())
        if under_way:
            under_way[0][1].wait(60)


if __name__ == "__main__":
    main()
