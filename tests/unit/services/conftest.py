"""The phases of this repository: as a document, and as files to spoil."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from streams.services.phases import load_phases
from streams.services.policy_source import PHASES_FOLDER


@pytest.fixture
def document() -> dict[str, Any]:
    """Read the document of the committed phases."""
    loaded = load_phases(PHASES_FOLDER)
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture
def phases(tmp_path: Path) -> Path:
    """Make a copy of the committed phases that a test may change."""
    return Path(shutil.copytree(PHASES_FOLDER, tmp_path / "phases"))
