"""What every test shares: chance that repeats, and what happens where Java is missing.

Decides: hypothesis's profiles, and that a test marked `kafka` is skipped without Java and Maven, but fails with CI=true. Leaves to others: how
Kafka is started (tests/integration/kafka_server.py).
"""

import os
import shutil
import signal

import pytest
from hypothesis import HealthCheck, Verbosity, settings

from tests.tapes_fixture import replay as replay  # noqa: PLC0414 - a fixture is found by its name here

# A failure must be repeatable from its printed text alone. CI never draws at random: the same commit gives the same run.
settings.register_profile("local", print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, deadline=None, database=None)
settings.register_profile("search", settings.get_profile("local"), max_examples=2_000, deadline=None, verbosity=Verbosity.normal)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") == "true" else "local"))

NEEDED_FOR_KAFKA = ("java", "mvn")


def pytest_configure() -> None:
    """Take a request to end like Ctrl-C: what tests have started, a Kafka for example, is ended with them."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a real Kafka where none can run, except where it must."""
    missing = [name for name in NEEDED_FOR_KAFKA if shutil.which(name) is None]
    if not missing or os.environ.get("CI") == "true":
        return
    skip = pytest.mark.skip(
        reason=f"real Kafka needs {' and '.join(missing)} (Debian: apt install openjdk-17-jre-headless maven)"
    )
    for item in items:
        if item.get_closest_marker("kafka"):
            item.add_marker(skip)
