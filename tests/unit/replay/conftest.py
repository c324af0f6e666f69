"""One short tape for all tests of this folder: read, never written to."""

from pathlib import Path

import pytest

from tests.tape_kit import small_tape


@pytest.fixture(scope="session")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_tape(tmp_path_factory.mktemp("tapes") / "small.tape")
