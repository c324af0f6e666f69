"""The checks: ruff, mypy --strict and import-linter, each as a test, so that one summary tells everything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.repository import PRODUCT, ROOT

BIN = Path(sys.executable).parent

CHECKS: dict[str, list[str | Path]] = {
    "ruff check": [BIN / "ruff", "check", "."],
    "ruff format": [BIN / "ruff", "format", "--check", "."],
    "import-linter": [BIN / "lint-imports"],
    "mypy --strict": [sys.executable, "-m", "mypy", *PRODUCT, "tests"],
}


@pytest.mark.parametrize("name", CHECKS)
def test_the_check_passes(name: str) -> None:
    environment = os.environ | {"NO_COLOR": "1", "PYTHONPATH": str(ROOT)}

    done = subprocess.run(CHECKS[name], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    if done.returncode:
        pytest.fail(f"{name} ends with {done.returncode}:\n{done.stdout}{done.stderr}", pytrace=False)
