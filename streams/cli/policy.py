"""`./qts policy`: look at the limits, check them, put them in force.

Decides: how a policy and its errors are shown. Leaves to others: the limits and their checks (desk.policy, services.phases,
services.policy_environment), what is kept (services.policy_store), publishing (services.policy_publisher).
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from streams.cli.command import group
from streams.cli.output import BAD_INPUT, Answer, BadInput, Output, Unavailable
from streams.services.policy_environment import Change, EnvironmentProblem
from streams.services.policy_record import PolicyRecord
from streams.services.policy_source import PHASES_FOLDER, Complaint, Effective, effective_policy
from streams.services.policy_store import VERSION_MAX, PolicyStore, PolicyStoreError, SaveFailed

STORE_FOLDER = Path("data/policy")

command = group("policy", "Look at the limits, check them, put them in force.", example="./qts policy check\n./qts policy show")

_folder = click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=PHASES_FOLDER, required=False)
_store = click.option(
    "--store",
    type=click.Path(file_okay=False, path_type=Path),
    default=STORE_FOLDER,
    show_default=True,
    help="The folder of the policy store.",
)


@command.add("check", example="./qts policy check\n./qts policy check infra/phases --json")
@_folder
def check(out: Output, folder: Path) -> Answer:
    """Check phases and QT_* variables.

    Every error is named, with its file and line or its variable; the exit code is 2 where there is one.
    """
    effective = effective_policy(folder, os.environ)
    if isinstance(effective, list):
        for complaint in effective:
            out.console.print(str(complaint), soft_wrap=True)
        out.console.print(f"{len(effective)} {'error' if len(effective) == 1 else 'errors'}")
        return Answer({"ok": False, "errors": [_complaint_data(complaint) for complaint in effective]}, exit_code=BAD_INPUT)
    phases = list(effective.policy.phases)
    out.console.print(f"{folder}: good. {', '.join(phases)}; hash {effective.policy.hash}", soft_wrap=True)
    return Answer({"ok": True, "errors": [], "phases": phases, "hash": effective.policy.hash})


@command.add("show", example="./qts policy show\nQT_RISK_PER_TRADE_PCT=2 ./qts policy show --json\n./qts policy show --saved")
@_folder
@click.option("--saved", is_flag=True, help="Show the version in force in the store instead of the files.")
@_store
def show(out: Output, folder: Path, saved: bool, store: Path) -> Answer:
    """Show every limit by phase.

    The QT_* variables are in it, and what each of them changed is told, with the hash that the desk will name.
    """
    if saved:
        record, alert = _read(PolicyStore(store))
        head = f"version {record.version}, saved by {record.saved_by}: {record.reason}"
        return _shown(
            out, json.loads(record.document), record.hash, (), f"{head}\n{alert}" if alert else head, {"version": record.version}
        )
    effective = _effective(folder)
    return _shown(out, effective.document, effective.policy.hash, effective.changes, str(folder), {})


@command.add("save", example='./qts policy save --user ana --reason "first day of phase 1"')
@_folder
@click.option("--user", required=True, help="Who changes the policy.")
@click.option("--reason", required=True, help="Why.")
@click.option(
    "--after",
    type=click.IntRange(0, VERSION_MAX - 1),
    default=0,
    help="The version published last, for a store that lost its count.",
)
@_store
def save(out: Output, folder: Path, user: str, reason: str, after: int, store: Path) -> Answer:
    """Put a folder of phases in force.

    With the QT_* variables in them. A running publisher sends them to every account within a second or two. The version is raised
    only where a limit has changed.
    """
    effective = _effective(folder)
    try:
        kept = PolicyStore(store).save(effective.document, user, reason, time.time_ns() // 1_000_000, after)
    except SaveFailed as error:
        raise Unavailable(str(error)) from error
    except PolicyStoreError as error:
        raise BadInput(str(error)) from error
    record = kept.record
    said = "is in force" if kept.changed else f"says the same and stays in force, saved by {record.saved_by}"
    _print_changes(out, effective.changes)
    out.console.print(f"version {record.version} {said}; hash {record.hash}", soft_wrap=True)
    return Answer({"version": record.version, "hash": record.hash, "changed": kept.changed, "store": store})


@command.add("history", example="./qts policy history --store data/policy")
@_store
def history(out: Output, store: Path) -> Answer:
    """List the versions kept: who, when, why."""
    policies = PolicyStore(store)
    in_force, alert = _read(policies)
    table = Table("version", "saved", "by", "reason", "hash", box=None)
    rows: list[dict[str, object]] = []
    for entry in policies.history():
        if isinstance(entry, PolicyRecord):
            at = datetime.fromtimestamp(entry.saved_ms / 1000, UTC)
            mark = "* " if entry.version == in_force.version else "  "
            table.add_row(f"{mark}{entry.version}", f"{at:%Y-%m-%d %H:%M:%S}", entry.saved_by, entry.reason, entry.hash)
            rows.append({"version": entry.version, "hash": entry.hash, "saved_ms": entry.saved_ms, "user": entry.saved_by,
                         "reason": entry.reason})  # fmt: skip
        else:
            table.add_row(f"  {entry[0]}", "", "", entry[1], "")
            rows.append({"file": entry[0], "damage": entry[1]})
    out.console.print(table)
    if alert:
        out.console.print(alert, soft_wrap=True)
    return Answer({"in_force": in_force.version, "alert": alert, "versions": rows})


def _effective(folder: Path) -> Effective:
    effective = effective_policy(folder, os.environ)
    if isinstance(effective, list):
        errors = [_complaint_data(complaint) for complaint in effective]
        more = f" (and {len(effective) - 1} more: ./qts policy check {folder})" if len(effective) > 1 else ""
        raise BadInput(f"{effective[0]}{more}", errors=errors)
    return effective


def _read(store: PolicyStore) -> tuple[PolicyRecord, str | None]:
    try:
        stored = store.read()
    except PolicyStoreError as error:
        raise BadInput(str(error)) from error
    return stored.record, stored.alert.text if stored.alert else None


def _shown(
    out: Output, document: Mapping[str, Any], digest: str, changes: tuple[Change, ...], head: str, more: Mapping[str, object]
) -> Answer:
    out.console.print(head, soft_wrap=True)
    _print_changes(out, changes)
    names = sorted(document["phases"])
    table = Table("limit", *names, box=None)
    columns = [dict(_limits(document["phases"][name])) for name in names]
    for path in columns[0]:
        table.add_row(path, *(column.get(path, "") for column in columns))
    for path, value in _limits({key: document[key] for key in ("crash", "total")}):
        table.add_row(path, *([value] * len(names)))
    out.console.print(table)
    out.console.print(f"hash {digest}")
    told = [change._asdict() | {"path": ".".join(change.path)} for change in changes]
    return Answer({"hash": digest, **more, "document": document, "environment": told})


def _print_changes(out: Output, changes: tuple[Change, ...]) -> None:
    for change in changes:
        said = f"{change.before} → {change.after}" if change.before != change.after else f"stays {change.after}, as tight already"
        out.console.print(f"{change.variable}: {'.'.join(change.path)} {said}", soft_wrap=True)


def _limits(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _limits(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", "\n".join(value) if isinstance(value, list) else str(value)


def _complaint_data(complaint: Complaint) -> dict[str, object]:
    if isinstance(complaint, EnvironmentProblem):
        return {"variable": complaint.variable, "problem": complaint.problem}
    return {"file": complaint.file, "line": complaint.line, "path": ".".join(complaint.path), "problem": complaint.problem}
