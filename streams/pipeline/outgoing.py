"""What goes with an output besides its bytes: its Kafka key, and for a dead letter what one wants to know of it without reading it.

Decides: keys and headers. Leaves to others: topics (streams.flow), where on the tape it was made (pipeline.resuming).
"""

from typing import Any

from streams.desk.messages import EVERY_ACCOUNT, EquityReport
from streams.desk.outputs import DeadLetter
from streams.pipeline.ports import Headers


def key_of(output: Any, source_key: bytes | None) -> bytes | None:
    """Give the Kafka key of an output."""
    if isinstance(output, DeadLetter):
        return source_key
    if isinstance(output, EquityReport):
        return (
            f"{EVERY_ACCOUNT}equity".encode()
        )  # no account is called so: it would take the place of a portfolio when its topic is compacted
    account: str = output.account
    return (account or EVERY_ACCOUNT).encode()


def dead_letter_headers(letter: DeadLetter, version: str) -> Headers:
    """Say in headers what one wants to know of a dead letter without reading it."""
    known = "" if letter.schema_id is None else str(letter.schema_id)
    return (
        ("source-topic", letter.topic.encode()),
        ("source-partition", str(letter.partition).encode()),
        ("source-offset", str(letter.source_offset).encode()),
        ("error", letter.error.encode()),
        ("schema-id", known.encode()),
        ("version", version.encode()),
    )
