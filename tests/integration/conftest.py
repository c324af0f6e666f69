"""The real Kafka of the integration tests: one for all of them, started by the first that asks.

Decides: what happens when it cannot be had: a skip at home, a failure with CI=true. One that is there but does not start always fails.
"""

import os
from collections.abc import Iterator

import pytest

from tests.integration.kafka_server import Kafka, KafkaMissingError, resolved_jars, running_kafka


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Give a running broker. Tests that use it carry the mark `kafka`, and use topics of their own."""
    try:
        jars = resolved_jars()
    except KafkaMissingError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"real Kafka could not be had: {missing}")
    with running_kafka(jars, tmp_path_factory.mktemp("kafka")) as running:
        yield running
