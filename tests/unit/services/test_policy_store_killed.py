"""The policy store, killed at every moment of a save, with and without the power."""

import json
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from streams.services.durable_files import Disk
from streams.services.policy_store import BACKUPS_MAX, PolicyStore, PolicyStoreError


class Killed(BaseException):
    """The process is gone: no handler of the store may run, so it is no Exception."""


class MortalDisk(Disk):
    """A disk on which the process dies at the given step. A write dies with a share of its bytes written.

    With the power gone too, files that were not synced are empty, and names put in place since the folder was synced are undone.
    """

    def __init__(self, dies_at: int, share: float = 0.5) -> None:
        """Count steps from 0."""
        self.dies_at, self.share, self.steps = dies_at, share, 0
        self.unsynced_names: list[tuple[Path, Path, bytes | None]] = []

    def _step(self) -> bool:
        self.steps += 1
        return self.steps - 1 == self.dies_at

    def write(self, path: Path, content: bytes) -> None:
        """Write, or die having written a part."""
        if self._step():
            path.write_bytes(content[: int(len(content) * self.share)])
            raise Killed
        super().write(path, content)

    def rename(self, source: Path, target: Path) -> None:
        """Rename, or die before."""
        if self._step():
            raise Killed
        self.unsynced_names.append((source, target, target.read_bytes() if target.exists() else None))
        super().rename(source, target)

    def sync_folder(self, folder: Path) -> None:
        """Sync, or die before."""
        if self._step():
            raise Killed
        super().sync_folder(folder)
        self.unsynced_names = [names for names in self.unsynced_names if names[1].parent != folder]

    def remove(self, path: Path) -> None:
        """Remove, or die before."""
        if self._step():
            raise Killed
        super().remove(path)

    def lose_power(self) -> None:
        """Undo what was not on the disk."""
        for source, target, before in reversed(self.unsynced_names):
            source.write_bytes(target.read_bytes())
            if before is None:
                target.unlink()
            else:
                target.write_bytes(before)


def changed(document: dict[str, Any], queue_max: int) -> dict[str, Any]:
    other = deepcopy(document)
    other["phases"]["phase1"]["throttle"]["queue_max"] = str(queue_max)
    return other


def steps_of_a_save(folder: Path, document: dict[str, Any]) -> int:
    disk = MortalDisk(-1)
    PolicyStore(folder, disk).save(changed(document, 999), "ana", "the last", 0)
    return disk.steps


@pytest.mark.parametrize("power_lost", [False, True], ids=["killed", "power lost"])
@pytest.mark.parametrize("versions", [1, 3, BACKUPS_MAX + 1])
def test_a_save_killed_at_any_step_leaves_the_old_version_or_the_new_one(
    tmp_path: Path, document: dict[str, Any], versions: int, power_lost: bool
) -> None:
    for version in range(versions):
        PolicyStore(tmp_path / "before").save(changed(document, version + 1), "ana", "before", version)
    steps = steps_of_a_save(Path(shutil.copytree(tmp_path / "before", tmp_path / "whole")), document)
    assert steps >= 6
    seen = set()
    for step in range(steps):
        for share in (0.0, 0.5, 1.0):
            folder = Path(shutil.copytree(tmp_path / "before", tmp_path / f"at-{step}-{share}"))
            disk = MortalDisk(step, share)
            with pytest.raises(Killed):
                PolicyStore(folder, disk).save(changed(document, 999), "ana", "the last", 0)
            if power_lost:
                disk.lose_power()
            stored = PolicyStore(folder).read()
            seen.add(stored.record.version)
            assert stored.record.version in (versions, versions + 1)
            assert stored.alert is None or stored.alert.code == "POLICY_UNFINISHED"
            again = PolicyStore(folder).save(changed(document, 1000), "ana", "again", 0)
            assert again.record.version > versions
            assert PolicyStore(folder).read() == (again.record, None)
            assert [entry[0] for entry in PolicyStore(folder).history()] == sorted(
                {entry[0] for entry in PolicyStore(folder).history()}, reverse=True
            )
    assert seen == {versions, versions + 1} or power_lost


def test_the_first_save_killed_at_any_step_leaves_nothing_or_the_version(tmp_path: Path, document: dict[str, Any]) -> None:
    for step in range(steps_of_a_save(tmp_path / "whole", document)):
        folder = tmp_path / f"at-{step}"
        with pytest.raises(Killed):
            PolicyStore(folder, MortalDisk(step)).save(document, "ana", "first", 0)
        try:
            assert PolicyStore(folder).read().record.version == 1
        except PolicyStoreError as error:
            assert "no policy was ever saved" in str(error)  # noqa: PT017  # either end is right here
        saved = PolicyStore(folder).save(document, "ana", "again", 0)
        assert PolicyStore(folder).read() == (saved.record, None)


def test_a_version_that_was_begun_and_never_put_in_force_is_no_part_of_the_history(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    PolicyStore(tmp_path).save(changed(document, 1), "ana", "first", 0)
    with pytest.raises(Killed):
        PolicyStore(tmp_path, MortalDisk(4)).save(changed(document, 2), "ana", "lost", 0)
    PolicyStore(tmp_path).save(changed(document, 3), "ana", "third", 0)
    assert [(entry[0], entry[4]) for entry in PolicyStore(tmp_path).history() if len(entry) > 2] == [(3, "third"), (1, "first")]


SAVING_FOR_EVER = """
import json, sys
from pathlib import Path
from streams.services.policy_store import PolicyStore
document = json.loads(sys.argv[2])
store, number = PolicyStore(Path(sys.argv[1])), 0
while True:
    number += 1
    document["phases"]["phase1"]["throttle"]["queue_max"] = str(number % 90_000 + 1)
    print(store.save(document, "ana", "for ever", number).record.version, flush=True)
"""


def test_a_process_killed_while_saving_leaves_what_it_said_it_saved(tmp_path: Path, document: dict[str, Any]) -> None:
    said = 0
    for _ in range(5):
        child = subprocess.Popen(
            [sys.executable, "-c", SAVING_FOR_EVER, str(tmp_path), json.dumps(document)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(10):
            said = int(child.stdout.readline())
        child.kill()
        said = max([said, *(int(line) for line in child.stdout.read().split())])
        child.wait()
        child.stdout.close()
        stored = PolicyStore(tmp_path).read()
        assert stored.record.version in (said, said + 1)
        assert stored.alert is None or stored.alert.code == "POLICY_UNFINISHED"
        said = stored.record.version
