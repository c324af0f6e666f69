"""Deployments of their own for tests that break topics, or kill workers."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet_kit import Deployed, deployed
from tests.integration.kafka_server import KafkaMissingError, resolved_jars


@pytest.fixture(scope="session")
def jars() -> Path:
    """Give Kafka's jars; without them tests are skipped at home, and fail with CI=true."""
    try:
        return resolved_jars()
    except KafkaMissingError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"real Kafka could not be had: {missing}")


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, jars: Path) -> Iterator[Deployed]:
    """Give a broker with two partitions of everything, one for all tests of a module."""
    with deployed(jars, tmp_path_factory.mktemp("deployment")) as made:
        yield made


@pytest.fixture(scope="module")
def wide_deployment(tmp_path_factory: pytest.TempPathFactory, jars: Path) -> Iterator[Deployed]:
    """Give a broker with four partitions of everything."""
    with deployed(jars, tmp_path_factory.mktemp("wide"), 4) as made:
        yield made
