"""The policy as it would be published from here: the phase files with the environment in them.

Decides: the order — files, then environment, then the check, then the hash. Leaves to others: each of these, and the store.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from streams.desk.policy import Policy
from streams.desk.policy_check import canonical, check_policy, document_hash
from streams.services.phases import Document, load_phases
from streams.services.policy_environment import Change, EnvironmentProblem, apply_environment, environment_problems
from streams.services.strict_yaml import Problem

PHASES_FOLDER = Path(__file__).resolve().parents[2] / "infra" / "phases"
"""Where a checkout keeps its phases."""


class Effective(NamedTuple):
    """A checked policy, the document it was read from, and what the environment changed in it."""

    policy: Policy
    document: Document
    changes: tuple[Change, ...]


Complaint = Problem | EnvironmentProblem


def effective_policy(folder: Path, environ: Mapping[str, str], version: int = 1) -> Effective | list[Complaint]:
    """Read a folder of phases and an environment: a policy, or everything that is wrong with both."""
    document = load_phases(folder)
    if isinstance(document, list):
        return [*document, *environment_problems(environ)]
    applied = apply_environment(document, environ)
    if isinstance(applied, list):
        return list(applied)
    policy = check_policy(version, applied.document, document_hash(canonical(applied.document)))
    assert isinstance(policy, Policy)  # apply_environment has checked this very document
    return Effective(policy, applied.document, applied.changes)
