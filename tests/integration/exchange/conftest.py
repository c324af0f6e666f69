"""One simulated exchange for the tests of a file, in a process of its own, whose prices stand still unless they are moved."""

from collections.abc import Iterator

import pytest

from connectors.exchange.simulator.process import SimulatorProcess, running
from connectors.exchange.simulator.setting_up import Options
from tests.integration.exchange.kit import marks_file


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with running(Options(seed=7, markets=6, prices_file=marks_file(tmp_path_factory.mktemp("prices")))) as started:
        yield started
