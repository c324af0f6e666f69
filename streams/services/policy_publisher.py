"""The publisher: puts the policy in force on `control`, again every minute, so that the desk knows somebody is in charge.

Decides: when a publication is due, what it is called, and what the environment adds to a saved policy. It says "published" only
when the port has returned; until then the publication stays due. What a store gives from a backup is published, with an alert; a
store that gives nothing is not published from memory: the desk's policy grows old, and it stops adding risk. Leaves to others:
Kafka (the publish port), the pace (`poll` once a second; one call publishes at most once), whether the desk accepts a version.
"""

import json
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

from streams.desk.messages import EVERY_ACCOUNT, Control, PolicyUpdate
from streams.services.policy_environment import EnvironmentProblem, apply_environment, environment_problems
from streams.services.policy_record import PolicyRecord
from streams.services.policy_store import PolicyStoreError, Saved, Stored

PUBLISH_EVERY_MS = 60_000
"""A tenth of the age (600 s) at which the desk stops trusting a policy: nine in a row may fail before trading stops."""
ENVIRONMENT_USER = "environment"
"""Who saved a version that only differs from a person's by the publisher's environment."""


class Alert(NamedTuple):
    """Somebody has to look."""

    code: str
    text: str
    ts: int


class Outcome(NamedTuple):
    """What one poll did."""

    kind: Literal["PUBLISHED", "WAITING", "FAILED", "NO_POLICY"]
    text: str
    control: Control | None = None


class PublishFailed(Exception):
    """The publication is not known to be on `control`. The publish port raises it; the publisher tries again."""


class EnvironmentRefused(Exception):
    """Variables of the environment cannot be used; nothing may be published with them ignored."""

    def __init__(self, problems: list[EnvironmentProblem]) -> None:
        """Name every one."""
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class Store(Protocol):
    """Where the policy in force is kept."""

    def read(self) -> Stored:
        """Give the version in force, or raise PolicyStoreError."""

    def save(self, document: Mapping[str, object], user: str, reason: str, now_ms: int) -> Saved:
        """Put a document in force, or raise PolicyStoreError."""


class PolicyPublisher:
    """Publishes the policy in force at once when it changes, and again every minute."""

    def __init__(
        self,
        store: Store,
        publish: Callable[[Control], None],
        alert: Callable[[Alert], None],
        clock_ms: Callable[[], int],
        environ: Mapping[str, str],
    ) -> None:
        """Take the ports. Raises EnvironmentRefused where a variable cannot be used."""
        if problems := environment_problems(environ):
            raise EnvironmentRefused(problems)
        self._store, self._publish, self._alert, self._clock_ms, self._environ = store, publish, alert, clock_ms, environ
        self._published: tuple[int, str] | None = None
        self._published_ms = 0
        self._examined: int | None = None
        self._raised: dict[str, Alert] = {}

    def poll(self) -> Outcome:
        """Publish if it is time to, once. Call it every second."""
        now_ms = self._clock_ms()
        try:
            record = self._in_force(now_ms)
        except (PolicyStoreError, EnvironmentRefused) as error:
            self._raise("POLICY_UNAVAILABLE", str(error), now_ms)
            return Outcome("NO_POLICY", str(error))
        self._raised.pop("POLICY_UNAVAILABLE", None)
        if not self._due(record, now_ms):
            return Outcome("WAITING", f"version {record.version} was published {(now_ms - self._published_ms) // 1000} s ago")
        return self._publish_now(record, now_ms)

    def _publish_now(self, record: PolicyRecord, now_ms: int) -> Outcome:
        control = publication(record, now_ms)
        try:
            self._publish(control)
        except PublishFailed as error:
            text = f"version {record.version} is not published: {error}; trying again"
            self._raise("POLICY_NOT_PUBLISHED", text, now_ms)
            return Outcome("FAILED", text)
        self._raised.pop("POLICY_NOT_PUBLISHED", None)
        self._published, self._published_ms = (record.version, record.hash), now_ms
        return Outcome("PUBLISHED", control.control_id, control)

    def _due(self, record: PolicyRecord, now_ms: int) -> bool:
        """Due when it changed, when a minute has passed, and when the clock went back: then nobody knows how old it is."""
        return (record.version, record.hash) != self._published or not 0 <= now_ms - self._published_ms < PUBLISH_EVERY_MS

    def _in_force(self, now_ms: int) -> PolicyRecord:
        """Read the store, and see to it that this publisher's environment is in what it gives."""
        stored = self._store.read()
        for code in _STORE_CODES:
            if stored.alert is not None and stored.alert.code == code:
                self._raise(code, stored.alert.text, now_ms)
            else:
                self._raised.pop(code, None)
        if stored.record.version == self._examined:
            return stored.record
        record = self._with_environment(stored.record, now_ms)
        self._examined = record.version
        return record

    def _with_environment(self, record: PolicyRecord, now_ms: int) -> PolicyRecord:
        applied = apply_environment(json.loads(record.document), self._environ)
        if isinstance(applied, list):
            raise EnvironmentRefused(applied)
        if not applied.changed:
            return record
        moved = ", ".join(dict.fromkeys(f"{change.variable}={self._environ[change.variable]}" for change in applied.changed))
        if record.saved_by == ENVIRONMENT_USER and self._examined is not None:
            # Another publisher with another environment: saving ours now would go back and forth for ever.
            self._raise("POLICY_ENVIRONMENTS_DIFFER", f"version {record.version} was made without {moved}", now_ms)
            return record
        return self._store.save(applied.document, ENVIRONMENT_USER, f"{moved}, on version {record.version}", now_ms).record

    def _raise(self, code: str, text: str, now_ms: int) -> None:
        """Raise an alert when it is new, and again every minute it lasts."""
        last = self._raised.get(code)
        if last is None or last.text != text or not 0 <= now_ms - last.ts < PUBLISH_EVERY_MS:
            self._raised[code] = Alert(code, text, now_ms)  # one entry a code: there are six
            self._alert(self._raised[code])


_STORE_CODES = ("POLICY_DAMAGED", "POLICY_MISSING", "POLICY_UNFINISHED")


def publication(record: PolicyRecord, now_ms: int) -> Control:
    """Make the command that publishes a record in this second.

    It is a function of the record and the second, so two publishers, or two tries in one second, make the same command with the
    same id, and the desk drops the second of them.
    """
    second = now_ms // 1_000
    update = PolicyUpdate(record.version, record.hash, record.document)
    return Control(f"policy-{record.version}-{second}", EVERY_ACCOUNT, record.saved_by, record.reason, second * 1_000, update)
