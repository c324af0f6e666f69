"""kill -9 of a process that publishes with no broker there: every record it was told is acknowledged is in the spool."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.kafka.spool import Spool
from tests.publishing_child import KEYS

ROOT = Path(__file__).parent.parent.parent
ROUNDS = 3


def killed_after(folder: Path, lines: int, first: int) -> list[int]:
    """Run a publisher with no broker, kill it once it has told so many, and give what it told."""
    asked = [sys.executable, "-m", "tests.publishing_child", str(folder), "127.0.0.1:1", "t", str(first), "none"]
    told: list[int] = []
    with subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                told.append(int(line))
                if len(told) == lines:
                    child.kill()
        finally:
            child.kill()
    return told


@pytest.mark.parametrize("seed", range(2))
def test_every_receipt_of_a_killed_publisher_is_in_the_spool(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    told: list[int] = []
    for number in range(ROUNDS):
        told += killed_after(tmp_path, chance.randint(1, 2_000), first=number * 1_000_000)

    with Spool(tmp_path, 1 << 30) as spool:
        found: list[tuple[str, int]] = []
        while chunk := spool.read(500):
            found += [(item.key, int(item.value)) for item in chunk.items]
        assert spool.set_aside.records == 0

    assert len(told) >= ROUNDS, f"seed {seed}"
    assert set(told) <= {value for _, value in found}, f"seed {seed}"
    for key in range(KEYS):
        values = [value for name, value in found if name == f"k{key}"]
        assert values == sorted(set(values)), f"seed {seed}: out of order, or twice"
