"""The policy worker: asks the policy publisher once a second whether anything is due, and tells how it is.

Decides: what is put in force in a store that was never used (the phases of the checkout, with the environment in them), and when the worker
counts as ready. Leaves to others: what is published and when (policy_publisher), Kafka (the publish port), pages (who asks).
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from streams.services.policy_publisher import Alert, Outcome, PolicyPublisher
from streams.services.policy_source import effective_policy
from streams.services.policy_store import PolicyStore, StoreEmpty

LOGGER = logging.getLogger(__name__)

POLL_S = 1.0
SEEDED_BY = "first start"
SEEDED_WHY = "nothing was saved before: the phases of the checkout"


class BadPhases(ValueError):
    """The phases cannot be used."""


class PolicyHealth(NamedTuple):
    """How the publisher is."""

    ready: bool
    version: int
    said: str


def seed(store: PolicyStore, phases: Path, environ: Mapping[str, str], now_ms: int) -> bool:
    """Put the phases in force where nothing was ever saved; tells whether it did."""
    try:
        store.read()
    except StoreEmpty:
        effective = effective_policy(phases, environ)
        if isinstance(effective, list):
            raise BadPhases("; ".join(map(str, effective))) from None
        store.save(effective.document, SEEDED_BY, SEEDED_WHY, now_ms)
        return True
    return False


class PolicyWorker:
    """Runs a publisher until it is told to stop."""

    def __init__(self, publisher: PolicyPublisher, stopped: Callable[[float], bool]) -> None:
        """Take a publisher, and what waits so long for the word to stop."""
        self._publisher, self._stopped = publisher, stopped
        self._health = PolicyHealth(False, 0, "nothing published yet")

    @property
    def health(self) -> PolicyHealth:
        """Tell how it is."""
        return self._health

    def run(self) -> None:
        """Ask once a second."""
        while True:
            self._take(self._publisher.poll())
            if self._stopped(POLL_S):
                return

    def _take(self, outcome: Outcome) -> None:
        if outcome.kind == "PUBLISHED" and outcome.control is not None:
            version = getattr(outcome.control.command, "version", 0)
            if version != self._health.version:
                LOGGER.info("policy version %d is published", version)
            self._health = PolicyHealth(True, version, outcome.text)
        else:
            waits = outcome.kind == "WAITING"  # published within the last minute
            self._health = self._health._replace(ready=waits, said=outcome.text)


def log_alert(alert: Alert) -> None:
    """Have an alert in the log, where somebody looks."""
    LOGGER.error("%s: %s", alert.code, alert.text)
