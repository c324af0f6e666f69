"""`./qts schemas`: check that old tapes stay readable, list what has been published, publish what is new.

Decides: how schemas and their problems are shown, and that nothing is published that would break a tape. Leaves to others: the rules
(schemas.compatibility), the files (schemas.bundled, schemas.publishing).
"""

from importlib.resources import files
from pathlib import Path

import click
from rich.table import Table

from schemas.bundled import Bundle, load_bundle
from schemas.compatibility import Problem
from schemas.compatibility import check as problems_of
from schemas.errors import RegistryRefused
from schemas.publishing import publish as publish_new
from streams.cli.command import group
from streams.cli.output import NEGATIVE, Answer, BadInput, Output

command = group("schemas", "Check that old tapes stay readable.", example="./qts schemas check")

UNPUBLISHED = "UNPUBLISHED"
_folder = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with avro/ and history/; without it our own.",
)


@command.add("check", example="./qts schemas check\n./qts schemas check --folder schemas --json")
@_folder
def check(out: Output, folder: Path | None) -> Answer:
    """Refuse a change that would make a published record unreadable.

    Every schema has to read every version that was ever published (BACKWARD_TRANSITIVE), and to be published itself. All problems are
    told; the exit code is 1 where there is one.
    """
    bundle = _bundle(folder)
    problems = problems_of(bundle)
    for problem in problems:
        out.console.print(_line(problem), soft_wrap=True)
    said = "all readable" if not problems else f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}"
    out.console.print(f"{len(bundle.current)} schemas against {len(bundle.history)} published versions: {said}")
    if any(problem.rule == UNPUBLISHED for problem in problems):
        out.console.print("./qts schemas publish publishes what is new")
    data = {
        "ok": not problems, "schemas": len(bundle.current), "versions": len(bundle.history),
        "problems": [problem._asdict() for problem in problems],
    }  # fmt: skip
    return Answer(data, exit_code=NEGATIVE if problems else 0)


@command.add("list", example="./qts schemas list")
@_folder
def list_(out: Output, folder: Path | None) -> Answer:
    """List all schemas with their published versions and the ids of these."""
    bundle = _bundle(folder)
    table = Table("schema", "newest", "id", "all versions (id)", box=None, padding=(0, 2, 0, 0))
    rows: list[dict[str, object]] = []
    for name in sorted({*bundle.current, *(entry.name for entry in bundle.history.values())}):
        versions = sorted(entry for entry in bundle.history.values() if entry.name == name)
        newest = bundle.newest(name)
        numbers = ", ".join(f"{entry.version} ({entry.id})" for entry in versions)
        table.add_row(name, str(newest.version) if newest else "none", str(newest.id) if newest else "", numbers)
        rows.append({"name": name, "versions": [{"version": entry.version, "id": entry.id} for entry in versions]})
    out.console.print(table)
    return Answer({"schemas": rows})


@command.add("publish", example="./qts schemas publish --folder schemas")
@_folder
def publish(out: Output, folder: Path | None) -> Answer:
    """Give what is new a version and an id, to be committed with the change.

    Refused while any other problem is there: what was published once stays published.
    """
    where = folder or Path(str(files("schemas")))
    others = [problem for problem in problems_of(_bundle(where)) if problem.rule != UNPUBLISHED]
    if others:
        raise BadInput(f"nothing published: {_line(others[0])}", problems=[problem._asdict() for problem in others])
    published = publish_new(where)
    out.console.print(f"published {', '.join(published)}" if published else "nothing is new", soft_wrap=True)
    return Answer({"published": published})


def _bundle(folder: Path | None) -> Bundle:
    try:
        return load_bundle(folder or files("schemas"))
    except (OSError, ValueError, KeyError, RegistryRefused) as error:
        raise BadInput(f"{folder or 'schemas'} is no set of schemas: {error}") from error


def _line(problem: Problem) -> str:
    version = "" if problem.version is None else f" against version {problem.version}"
    path = f" at {problem.path}" if problem.path else ""
    return f"{problem.schema}{version}{path}: {problem.rule}: {problem.detail}"
