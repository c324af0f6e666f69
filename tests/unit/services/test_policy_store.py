"""The policy store: versions, backups, damage, and two who save at once."""

import errno
import logging
import resource
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from streams.desk.policy_check import canonical, document_hash
from streams.services.durable_files import Disk, locked
from streams.services.policy_record import Damaged, PolicyRecord, decode_record, encode_record
from streams.services.policy_store import (
    BACKUPS_MAX,
    PolicyStore,
    SaveFailed,
    SaveRefused,
    StoreEmpty,
    StoreLost,
)


def with_queue(document: dict[str, Any], queue_max: int) -> dict[str, Any]:
    """Make a policy that differs in one limit."""
    changed = deepcopy(document)
    changed["phases"]["phase1"]["throttle"]["queue_max"] = str(queue_max)
    return changed


def queue_of(record: PolicyRecord) -> str:
    return record.document.partition('"queue_max":"')[2].partition('"')[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path) -> PolicyStore:
    return PolicyStore(folder)


@pytest.fixture
def three(store: PolicyStore, document: dict[str, Any]) -> PolicyStore:
    """Make a store with three versions, queues of 1, 2 and 3."""
    for version in (1, 2, 3):
        store.save(with_queue(document, version), "ana", "tuning", version * 1000)
    return store


def test_what_is_saved_is_read_again(store: PolicyStore, document: dict[str, Any]) -> None:
    saved = store.save(document, " ana ", "first day", 1_700_000_000_000)
    text = canonical(document)
    assert saved.changed
    assert saved.record == PolicyRecord(1, document_hash(text), text, "ana", "first day", 1_700_000_000_000)
    assert PolicyStore(store._folder).read() == (saved.record, None)  # noqa: SLF001  # a second store on the same folder


def test_a_changed_document_raises_the_version(three: PolicyStore) -> None:
    assert three.read().record.version == 3


def test_the_same_document_keeps_the_version_and_who_saved_it(three: PolicyStore, document: dict[str, Any]) -> None:
    saved = three.save(with_queue(document, 3), "ben", "again", 9_000)
    assert not saved.changed
    assert (saved.record.version, saved.record.saved_by, saved.record.reason) == (3, "ana", "tuning")


def test_going_back_to_an_older_document_is_a_new_version(three: PolicyStore, document: dict[str, Any]) -> None:
    assert three.save(with_queue(document, 1), "ana", "back", 4_000).record.version == 4


@pytest.mark.parametrize(
    ("user", "reason"), [("", "why"), ("ana", ""), (" ", "why"), ("ana", "\n"), ("a\x00", "why"), ("ana", "x" * 501)]
)
def test_a_save_without_who_and_why_is_refused(store: PolicyStore, document: dict[str, Any], user: str, reason: str) -> None:
    with pytest.raises(SaveRefused):
        store.save(document, user, reason, 0)
    with pytest.raises(StoreEmpty):
        store.read()


def test_what_is_not_a_policy_is_not_saved(three: PolicyStore, document: dict[str, Any]) -> None:
    del document["phases"]["phase2"]["age"]["mark_s_max"]
    with pytest.raises(SaveRefused, match=r"phases\.phase2\.age\.mark_s_max is missing"):
        three.save(document, "ana", "oops", 0)
    assert three.read().record.version == 3


def test_a_store_nobody_saved_to_says_so(store: PolicyStore) -> None:
    with pytest.raises(StoreEmpty, match="no policy was ever saved"):
        store.read()


DAMAGES = {
    "empty": b"",
    "truncated": None,
    "zeros": b"\x00" * 4096,
    "not JSON": b"phases: {}\n",
    "another checksum": b'{"checksum":"' + b"0" * 32 + b'","record":{}}\n',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_gives_the_last_good_version_and_an_alert(
    three: PolicyStore, folder: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = (folder / "current.json").read_bytes()
    bad = DAMAGES[damage]
    (folder / "current.json").write_bytes(good[:-100] if bad is None else bad)
    with caplog.at_level(logging.ERROR):
        stored = three.read()
    assert stored.record == decode_record(good)
    assert stored.alert is not None
    assert (stored.alert.code, stored.alert.version) == ("POLICY_DAMAGED", 3)
    assert "current.json" in stored.alert.text
    assert stored.alert.text in caplog.text


def test_no_altered_byte_of_a_record_is_believed(store: PolicyStore, folder: Path, document: dict[str, Any]) -> None:
    store.save(document, "ana", "why", 0)
    good = (folder / "current.json").read_bytes()
    for at in range(0, len(good), 7):
        with pytest.raises(Damaged):
            decode_record(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    for length in range(0, len(good), 97):
        with pytest.raises(Damaged):
            decode_record(good[:length])
    with pytest.raises(Damaged):
        decode_record(good + b"\n")


def test_a_record_whose_document_this_software_refuses_is_not_believed(document: dict[str, Any]) -> None:
    document["phases"]["phase1"]["size"]["risk_per_trade_pct"] = "11"
    text = canonical(document)
    raw = encode_record(PolicyRecord(1, document_hash(text), text, "ana", "why", 0))
    with pytest.raises(Damaged, match="risk_per_trade_pct"):
        decode_record(raw)


def test_a_record_with_a_hash_of_something_else_is_not_believed(document: dict[str, Any]) -> None:
    with pytest.raises(Damaged, match="hash"):
        decode_record(encode_record(PolicyRecord(1, "0" * 32, canonical(document), "ana", "why", 0)))


def test_a_missing_file_gives_the_last_good_version_and_an_alert(three: PolicyStore, folder: Path) -> None:
    (folder / "current.json").unlink()
    stored = three.read()
    assert stored.record.version == 3
    assert stored.alert is not None
    assert stored.alert.code == "POLICY_MISSING"


def test_a_damaged_backup_is_passed_over_and_named(three: PolicyStore, folder: Path) -> None:
    (folder / "current.json").write_bytes(b"")
    (folder / "backups" / "00000003.json").write_bytes(b"")
    stored = three.read()
    assert queue_of(stored.record) == "2"
    assert stored.alert is not None
    assert "00000003.json is empty" in stored.alert.text
    assert "a desk that knows version 3 refuses it" in stored.alert.text


def test_a_backup_under_another_versions_name_is_not_believed(three: PolicyStore, folder: Path) -> None:
    (folder / "current.json").unlink()
    (folder / "backups" / "00000001.json").rename(folder / "backups" / "00000009.json")
    assert three.read().record.version == 3


def test_nothing_good_left_is_an_error_and_never_a_default(three: PolicyStore, folder: Path) -> None:
    for path in [folder / "current.json", *(folder / "backups").iterdir()]:
        path.write_bytes(b"{}")
    with pytest.raises(StoreLost, match=r"current\.json"):
        three.read()


def test_the_alert_is_logged_once_and_not_with_every_reading(
    three: PolicyStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "current.json").unlink()
    for _ in range(5):
        assert three.read().alert
    assert len(caplog.records) == 1


def test_a_save_after_a_fallback_still_raises_the_version(three: PolicyStore, folder: Path, document: dict[str, Any]) -> None:
    (folder / "current.json").write_bytes(b"")
    (folder / "backups" / "00000003.json").write_bytes(b"")
    assert three.read().record.version == 2
    assert three.save(with_queue(document, 2), "ana", "after the fallback", 5_000).record.version == 4
    assert three.read().alert is None


def test_saving_what_the_newest_backup_says_puts_the_current_file_right(
    three: PolicyStore, folder: Path, document: dict[str, Any]
) -> None:
    (folder / "current.json").write_bytes(b"")
    saved = three.save(with_queue(document, 3), "ana", "repair", 5_000)
    assert (saved.changed, saved.record.version) == (False, 3)
    assert three.read() == (saved.record, None)


def test_a_save_into_a_store_that_lost_everything_goes_on_counting(
    three: PolicyStore, folder: Path, document: dict[str, Any]
) -> None:
    for path in [folder / "current.json", *(folder / "backups").iterdir()]:
        path.write_bytes(b"")
    assert three.save(document, "ana", "restored", 0).record.version == 4


def test_a_store_that_lost_its_count_asks_for_the_version_published_last(
    store: PolicyStore, folder: Path, document: dict[str, Any]
) -> None:
    folder.mkdir()
    (folder / "current.json").write_bytes(b"")
    with pytest.raises(SaveRefused, match="published last"):
        store.save(document, "ana", "restored", 0)
    assert store.save(document, "ana", "restored", 0, after=41).record.version == 42


def test_the_newest_backups_are_kept_and_no_more(store: PolicyStore, folder: Path, document: dict[str, Any]) -> None:
    for version in range(1, BACKUPS_MAX + 6):
        store.save(with_queue(document, version), "ana", "tuning", version)
    kept = sorted(int(path.stem) for path in (folder / "backups").iterdir())
    assert kept == list(range(6, BACKUPS_MAX + 6))
    history = [entry.version for entry in store.history() if isinstance(entry, PolicyRecord)]
    assert history == list(range(BACKUPS_MAX + 5, 5, -1))


def test_the_last_good_backup_outlives_any_number_of_damaged_newer_ones(
    store: PolicyStore, folder: Path, document: dict[str, Any]
) -> None:
    store.save(with_queue(document, 1), "ana", "good", 1)
    (folder / "current.json").unlink()
    for version in range(2, BACKUPS_MAX + 10):
        (folder / "backups" / f"{version:08}.json").write_bytes(b"")
    with blocked_disk(0), pytest.raises(SaveFailed):
        store.save(with_queue(document, 2), "ana", "better", 2)
    assert store.read().record.version == 1


def test_the_history_names_a_damaged_version(three: PolicyStore, folder: Path) -> None:
    (folder / "backups" / "00000002.json").write_bytes(b"")
    newest, damaged, oldest = three.history()
    assert damaged == ("00000002.json", "is empty")
    assert (newest[0], oldest[0]) == (3, 1)


@contextmanager
def blocked_disk(bytes_left: int) -> Iterator[None]:
    """Let the operating system refuse to write more than this to any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("bytes_left", [0, 1, 100, 3_000])
def test_a_full_disk_is_a_clear_error_and_the_old_version_stays(
    three: PolicyStore, document: dict[str, Any], bytes_left: int
) -> None:
    before = three.read()
    with blocked_disk(bytes_left), pytest.raises(SaveFailed, match="version 3 is in force"):
        three.save(with_queue(document, 4), "ana", "too much", 4)
    assert three.read() == before
    assert three.save(with_queue(document, 4), "ana", "room again", 5).record.version == 4
    assert three.read().alert is None


def test_a_store_in_a_place_that_is_not_a_folder_is_a_clear_error(tmp_path: Path, document: dict[str, Any]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveFailed):
        PolicyStore(tmp_path / "file").save(document, "ana", "why", 0)


def test_an_older_file_put_back_by_hand_is_noticed(three: PolicyStore, folder: Path) -> None:
    (folder / "current.json").write_bytes((folder / "backups" / "00000001.json").read_bytes())
    stored = three.read()
    assert stored.record.version == 1
    assert stored.alert is not None
    assert stored.alert.code == "POLICY_UNFINISHED"


def test_a_save_under_way_raises_no_alert(three: PolicyStore, folder: Path, document: dict[str, Any]) -> None:
    text = canonical(with_queue(document, 4))
    begun = encode_record(PolicyRecord(4, document_hash(text), text, "ana", "why", 4))
    with locked(folder / "lock"):
        (folder / "backups" / "00000004.json").write_bytes(begun)
        assert three.read().alert is None
    assert three.read().alert is not None


def test_savers_at_once_each_get_a_version_of_their_own(folder: Path, document: dict[str, Any]) -> None:
    savers, each = 4, 5
    ready = threading.Barrier(savers)
    versions: list[int] = []

    def save(saver: int) -> None:
        store = PolicyStore(folder)
        ready.wait()
        queues = range(1 + saver * each, 1 + (saver + 1) * each)
        versions.extend(store.save(with_queue(document, queue), f"saver {saver}", "race", 0).record.version for queue in queues)

    threads = [threading.Thread(target=save, args=(saver,)) for saver in range(savers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == list(range(1, savers * each + 1))
    stored = PolicyStore(folder).read()
    assert (stored.record.version, stored.alert) == (savers * each, None)


class FailingDisk(Disk):
    """A disk that refuses one step, counted over writes and folder syncs."""

    def __init__(self, fails_at: int) -> None:
        self.fails_at, self.steps = fails_at, 0

    def _step(self) -> None:
        self.steps += 1
        if self.steps - 1 == self.fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write(self, path: Path, content: bytes) -> None:
        self._step()
        super().write(path, content)

    def sync_folder(self, folder: Path) -> None:
        self._step()
        super().sync_folder(folder)


@pytest.mark.parametrize(("fails_at", "in_force"), [(0, 3), (1, 3), (2, 3), (3, 4)])
def test_a_disk_that_fails_at_any_step_leaves_what_the_error_says(
    three: PolicyStore, folder: Path, document: dict[str, Any], fails_at: int, in_force: int
) -> None:
    with pytest.raises(SaveFailed, match=f"No space left on device; version {in_force} is in force"):
        PolicyStore(folder, FailingDisk(fails_at)).save(with_queue(document, 4), "ana", "too much", 4)
    stored = three.read()
    assert (stored.record.version, stored.alert) == (in_force, None)


def test_versions_go_on_where_somebody_removed_the_backups(three: PolicyStore, folder: Path, document: dict[str, Any]) -> None:
    shutil.rmtree(folder / "backups")
    assert three.read().alert is None
    assert three.save(document, "ana", "next", 5).record.version == 4


def test_a_count_that_only_a_slip_can_have_made_is_refused(store: PolicyStore, document: dict[str, Any]) -> None:
    with pytest.raises(SaveRefused, match="slip"):
        store.save(document, "ana", "first", 1, after=10**20)
    assert store.save(document, "ana", "first", 1).record.version == 1
