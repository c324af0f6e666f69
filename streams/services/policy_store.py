"""The policy's file store: the version in force, and the ones before it.

Decides: which version is in force, and what is done when its file is damaged: the last good backup and an alert, never a default
that nobody chose. A save writes the backup first and then the file in force, each at once and synced, so a kill at any moment
leaves the old version or the new one. Leaves to others: what a policy may say (desk.policy), publishing it (policy_publisher).

    FOLDER/current.json             the version in force
    FOLDER/backups/00000007.json    the same bytes, and those of the versions before it
    FOLDER/lock                     held while saving
"""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from streams.desk.policy import Policy
from streams.desk.policy_check import canonical, check_policy, document_hash
from streams.services.durable_files import Disk, locked, replace_file
from streams.services.policy_record import Damaged, PolicyRecord, decode_record, describe, encode_record

log = logging.getLogger(__name__)

VERSION_MAX = 10**12
"""No count of saved policies comes near: a version beyond it would fit neither a backup's name nor, much beyond, the wire."""
BACKUPS_MAX = 20
"""Versions kept. Policies change a few times a week: 20 reach back a month, in 100 kB. When full, the oldest goes, never the one
in force; every version ever published stays on the tape."""
TEXT_CHARS_MAX = 500
"""Of a user or a reason. It travels with every publication."""
_BACKUP = re.compile(r"(\d{8,15})\.json")


class StoreAlert(NamedTuple):
    """The store gave a version, but somebody has to look."""

    code: Literal["POLICY_DAMAGED", "POLICY_MISSING", "POLICY_UNFINISHED"]
    text: str
    version: int


class Stored(NamedTuple):
    """The version in force, and what was wrong on the way to it."""

    record: PolicyRecord
    alert: StoreAlert | None


class Saved(NamedTuple):
    """The version in force after a save; changed is False where it said the same before."""

    record: PolicyRecord
    changed: bool


class PolicyStoreError(Exception):
    """The store cannot do what was asked.

    PolicyStoreError
     ├─ StoreEmpty    nothing was ever saved: save a policy
     ├─ StoreLost     nothing that can be believed is left: save a policy again
     ├─ SaveRefused   this cannot be saved: mend what was given
     └─ SaveFailed    the disk did not take it: what was in force stays, save again
    """


class StoreEmpty(PolicyStoreError):
    """Nothing was ever saved."""


class StoreLost(PolicyStoreError):
    """Something was saved, and nothing of it can be believed."""


class SaveRefused(PolicyStoreError):
    """What should be saved is not a policy, or lacks who and why."""


class SaveFailed(PolicyStoreError):
    """The disk did not take it."""


class PolicyStore:
    """Versions of the policy in a folder."""

    def __init__(self, folder: Path, disk: Disk | None = None) -> None:
        """Take a folder; it is made by the first save."""
        self._folder, self._disk = folder, disk or Disk()
        self._current, self._backups, self._lock = folder / "current.json", folder / "backups", folder / "lock"
        self._logged: StoreAlert | None = None

    def read(self) -> Stored:
        """Give the version in force; an alert with it where it is not simply the current file."""
        stored = self._judge()
        if stored.alert and stored.alert.code != "POLICY_DAMAGED":
            stored = self._judge_at_rest(stored)
        if stored.alert and stored.alert != self._logged:
            log.error("%s", stored.alert.text, extra={"code": stored.alert.code, "policy_version": stored.alert.version})
        self._logged = stored.alert
        return stored

    def history(self) -> list[PolicyRecord | tuple[str, str]]:
        """Give the kept versions, newest first; a damaged one as its file name and what is wrong with it."""
        tried = ((path.name, self._try(path, version)) for version, path in self._kept())
        return [(name, tried_one) if isinstance(tried_one, str) else tried_one for name, tried_one in tried]

    def save(self, document: Mapping[str, Any], user: str, reason: str, now_ms: int, after: int = 0) -> Saved:
        """Put a document in force; a new version only where it says something new.

        `after` is a version known to have been published, for a store that has lost its own count.
        """
        _refuse_without_name(user, reason)
        checked = check_policy(1, document, "")
        if not isinstance(checked, Policy):
            raise SaveRefused(f"not a policy: {describe(checked)}")
        try:
            self._disk.make_folder(self._backups)
            with locked(self._lock):
                return self._save(canonical(document), user.strip(), reason.strip(), now_ms, after)
        except OSError as error:
            raise SaveFailed(f"{self._folder}: {error.strerror or error}; {self._in_force()}") from error

    def _save(self, document: str, user: str, reason: str, now_ms: int, after: int) -> Saved:
        found = self._found(after)
        highest = max([after, found.record.version if found else 0, *(version for version, _ in self._kept())])
        if found and found.record.document == document and found.record.version == highest:
            if found.alert:  # the newest backup says just this: put the current file right
                replace_file(self._disk, self._current, encode_record(found.record))
            return Saved(found.record, changed=False)
        if highest >= VERSION_MAX:
            raise SaveRefused(f"version {highest} is past {VERSION_MAX}: a slip of somebody's keyboard, not a count")
        record = PolicyRecord(highest + 1, document_hash(document), document, user, reason, now_ms)
        self._prune(found.record.version if found else None)
        self._put_in_force(record)
        if found and found.alert and found.alert.code == "POLICY_UNFINISHED":
            for version, path in self._kept():
                if found.record.version < version < record.version:
                    self._disk.remove(path)  # it never was in force: no part of the history
        return Saved(record, changed=True)

    def _found(self, after: int) -> Stored | None:
        try:
            return self._judge()
        except StoreEmpty:
            return None
        except StoreLost as lost:
            if after == 0 and not self._kept():  # a number too low would be refused by every desk
                raise SaveRefused(f"{lost}; its count is lost too: name the version that was published last") from lost
            return None

    def _put_in_force(self, record: PolicyRecord) -> None:
        content, backup = encode_record(record), self._backups / f"{record.version:08}.json"
        try:
            replace_file(self._disk, backup, content)
            replace_file(self._disk, self._current, content)
        except OSError:
            if self._try(self._current) != record:  # refused: leave nothing that could be taken for a version
                self._disk.remove(backup)
            raise

    def _prune(self, in_force: int | None) -> None:
        """Make room for one more backup, before anything is written: a full disk then has it too."""
        for version, path in self._kept()[BACKUPS_MAX - 1 :]:
            if version != in_force:
                self._disk.remove(path)

    def _judge_at_rest(self, seen: Stored) -> Stored:
        """Look again while nobody saves: a save under way looks like one that never ended."""
        try:
            with locked(self._lock, wait=False) as held:
                return self._judge() if held else Stored(seen.record, None)
        except OSError as error:  # a folder we may only read: nobody can say whether a save is under way
            log.warning("the lock of the policy store cannot be had: %s", error)
            return seen

    def _judge(self) -> Stored:
        kept = self._kept()
        current = self._try(self._current)
        if isinstance(current, PolicyRecord):
            begun = kept[0][0] if kept else 0
            if begun <= current.version:
                return Stored(current, None)
            text = f"version {begun} was begun and never put in force; version {current.version} stays: save again"
            return Stored(current, StoreAlert("POLICY_UNFINISHED", text, current.version))
        problems = [f"{self._current.name} {current}"]
        for version, path in kept:
            backup = self._try(path, version)
            if isinstance(backup, PolicyRecord):
                code: Literal["POLICY_MISSING", "POLICY_DAMAGED"] = "POLICY_MISSING" if current == _MISSING else "POLICY_DAMAGED"
                text = f"{'; '.join(problems)}: version {version} from its backup"
                if version < kept[0][0]:  # nothing is reverted behind anybody's back
                    text += f"; a desk that knows version {kept[0][0]} refuses it and reduces once that is old: save again"
                return Stored(backup, StoreAlert(code, text, version))
            problems.append(f"{path.name} {backup}")
        if current == _MISSING and not kept:
            raise StoreEmpty(f"{self._folder}: no policy was ever saved")
        raise StoreLost(f"{self._folder}: {'; '.join(problems)}")

    def _kept(self) -> list[tuple[int, Path]]:
        """List the backups, newest first."""
        try:
            matches = [_BACKUP.fullmatch(name) for name in self._disk.names(self._backups)]
        except OSError as error:
            raise StoreLost(f"{self._backups}: cannot be listed: {error.strerror}") from error
        return sorted(((int(match[1]), self._backups / match[0]) for match in matches if match), reverse=True)

    def _try(self, path: Path, version: int | None = None) -> PolicyRecord | str:
        """Read one file: the record, or why it cannot be believed."""
        try:
            raw = self._disk.read(path)
            record = decode_record(raw) if raw is not None else None
        except (OSError, Damaged) as error:
            return str(error)
        if record is None:
            return _MISSING
        return record if version in (None, record.version) else f"holds version {record.version}"

    def _in_force(self) -> str:
        try:
            return f"version {self._judge().record.version} is in force"
        except PolicyStoreError as error:
            return str(error)


_MISSING = "is missing"


def _refuse_without_name(user: str, reason: str) -> None:
    for name, text in (("user", user), ("reason", reason)):
        if not text.strip() or len(text) > TEXT_CHARS_MAX or not text.isprintable():
            raise SaveRefused(f"a policy is saved with a {name}: printable, 1 to {TEXT_CHARS_MAX} characters")
