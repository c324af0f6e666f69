"""Checking a policy: from a document to limits, or to everything that is wrong with it.

Decides: that no limit is missing, unknown, infinite or out of range, and that limits do not contradict each other. Every error is told with its
path. Leaves to others: the vocabulary (desk.policy), lines of files (streams.services).
"""

import hashlib
import json
from collections.abc import Mapping, Set
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar

from streams.desk.policy import CrashRule, Phase, Policy, TotalRule
from streams.desk.policy_fields import OPTIONAL


class PolicyError(NamedTuple):
    """What is wrong with a document, and where: ("phases", "phase1", "ess", "drawdown_pct")."""

    path: tuple[str, ...]
    problem: str


def document_hash(document: str) -> str:
    """Hash a canonical document."""
    return hashlib.blake2b(document.encode(), digest_size=16).hexdigest()


def canonical(document: Mapping[str, Any]) -> str:
    """Write a document the one way it is hashed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parse_policy(version: int, document: str) -> Policy | list[PolicyError]:
    """Read a canonical document: a policy, or everything that is wrong with it."""
    try:
        raw = json.loads(document)
    except (ValueError, RecursionError) as error:
        return [PolicyError((), f"not JSON: {error}")]
    return check_policy(version, raw, document_hash(document))


def check_policy(version: int, raw: Any, digest: str) -> Policy | list[PolicyError]:
    """Check an already read document: {"crash": …, "total": …, "phases": {name: …}}."""
    errors: list[PolicyError] = []
    top = _keys(raw, ("crash", "total", "phases"), (), errors)
    crash = _record(CrashRule, top["crash"], ("crash",), errors) if "crash" in top else None
    total = _record(TotalRule, top["total"], ("total",), errors) if "total" in top else None
    listed = top.get("phases", {})
    if not isinstance(listed, dict) or ("phases" in top and not listed):
        errors.append(PolicyError(("phases",), "is not a table of phases"))
        listed = {}
    phases = {name: _record(Phase, body, ("phases", name), errors) for name, body in sorted(listed.items())}
    for name, phase in phases.items():
        errors += [] if phase is None else _contradictions(("phases", name), phase)
    if errors or crash is None or total is None:
        return errors
    return Policy(version, digest, crash, total, {name: phase for name, phase in phases.items() if phase is not None})


def _contradictions(path: tuple[str, ...], phase: Phase) -> list[PolicyError]:
    found = []
    if phase.size.max_position_usd > phase.size.max_exposure_usd:
        found.append(PolicyError((*path, "size", "max_position_usd"), "is above max_exposure_usd"))
    if phase.ess.stale_mark_s < phase.age.mark_s_max:
        found.append(
            PolicyError((*path, "ess", "stale_mark_s"), "is below age.mark_s_max: it would trip before a signal is refused")
        )
    return found


T = TypeVar("T")


def _record(kind: type[T], raw: Any, path: tuple[str, ...], errors: list[PolicyError]) -> T | None:
    slots = fields(kind)  # type: ignore[arg-type]  # every kind passed here is a dataclass of desk.policy
    optional = {slot.name for slot in slots if slot.metadata.get(OPTIONAL)}
    table = _keys(raw, tuple(slot.name for slot in slots), path, errors, optional)
    values: dict[str, Any] = {}
    for slot in slots:
        if slot.name not in table:
            continue
        inner = (*path, slot.name)
        if "parse" not in slot.metadata:
            assert isinstance(slot.type, type)
            values[slot.name] = _record(slot.type, table[slot.name], inner, errors)
            continue
        try:
            values[slot.name] = slot.metadata["parse"](table[slot.name])
        except ValueError as error:
            errors.append(PolicyError(inner, str(error)))
    complete = len(values.keys() | optional) == len(slots) and all(
        value is not None or name == "min_days" for name, value in values.items()
    )
    return kind(**values) if complete else None


def _keys(
    raw: Any, wanted: tuple[str, ...], path: tuple[str, ...], errors: list[PolicyError], optional: Set[str] = frozenset()
) -> dict[str, Any]:
    if not isinstance(raw, dict):
        errors.append(PolicyError(path, "is not a table"))
        return {}
    errors.extend(PolicyError((*path, key), "is missing") for key in wanted if key not in raw and key not in optional)
    errors.extend(PolicyError((*path, str(key)), "is not known") for key in raw if key not in wanted)
    return {key: value for key, value in raw.items() if key in wanted}
