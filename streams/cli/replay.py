"""`./qts replay`: a recorded tape through the same desk, without a broker.

Decides: which policy takes the tape's place, how a difference is told, and the exit codes: 0 identical or nothing compared, 1 different, 2 a tape
that cannot be replayed. Leaves to others: the replay (replay.replay), what differs and why (replay.diff, replay.explain).
"""

import json
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from streams.cli.command import single
from streams.cli.files import read_from
from streams.cli.output import NEGATIVE, Answer, BadInput, Output
from streams.cli.records import registry
from streams.desk.policy_check import PolicyError, canonical, parse_policy
from streams.replay.explain import Explanation
from streams.replay.replay import Replay, Replayed
from streams.replay.tape_file import TapeReader
from streams.services.phases import load_phases


@single(
    "replay",
    example="""./qts replay tests/tapes/flash-crash.tape
    ./qts replay FILE --diff
    ./qts replay FILE --explain
    ./qts replay FILE --explain --policy infra/phases""",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--policy", type=click.Path(exists=True, path_type=Path), help="A folder of phases or a JSON document, instead of the tape's."
)
@click.option("--until", type=click.IntRange(0), help="The last offset to replay.")
@click.option("--diff", is_flag=True, help="Compare with the recorded decisions, up to the first difference.")
@click.option("--explain", is_flag=True, help="Compare with all recorded decisions and tell what changed and why.")
@click.option(
    "--limit", type=click.IntRange(0, 1_000), default=20, show_default=True, help="Differences told one by one by --explain."
)
def command(out: Output, file: Path, policy: Path | None, until: int | None, diff: bool, explain: bool, limit: int) -> Answer:
    """Replay a tape through the desk.

    With --diff the exit code is 0 where every decision is the recorded one, 1 where one differs: the first is told with its offset, field
    and both values. --explain goes on to the end and tells every decision that is another now, without those that only follow from it.
    """
    if diff and explain:
        raise BadInput("--diff stops at the first difference, --explain tells all of them: one of the two")
    document = None if policy is None else read_policy(policy)
    with read_from(file), TapeReader(file) as tape, registry() as schemas, out.progress("replaying", tape.events) as advance:
        replay = Replay(tape, schemas, document)
        started_s = time.perf_counter()
        result = replay.run(until, diff, explain, advance)
        passed_s = time.perf_counter() - started_s
    data = _data(result, passed_s)
    _print(out.console, result, data)
    if diff:
        return _compared(out.console, result, data)
    if explain:
        return _explained(out.console, replay.explainer.found, data, limit)
    return Answer(data)


def read_policy(path: Path) -> str:
    """Read a policy as the canonical document: from a folder of phases, or from a file that holds one."""
    if path.is_dir():
        document = load_phases(path)
        if isinstance(document, list):
            raise BadInput(f"{document[0]}{_more(len(document))}", errors=[str(problem) for problem in document])
        return canonical(document)
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error
    parsed = parse_policy(1, text)
    if isinstance(parsed, list) and parsed[0].problem.startswith("not JSON"):
        raise BadInput(f"{path} is neither a folder of phases nor a JSON document: {parsed[0].problem}")
    if isinstance(parsed, list):
        raise BadInput(f"{path}: {_worded(parsed[0])}{_more(len(parsed))}", errors=[_worded(error) for error in parsed])
    return canonical(json.loads(text))


def _worded(error: PolicyError) -> str:
    return f"{'.'.join(error.path)} {error.problem}".strip()


def _more(count: int) -> str:
    return f" (and {count - 1} more)" if count > 1 else ""


def _data(result: Replayed, passed_s: float) -> dict[str, object]:
    return {
        "events": result.events,
        "last_offset": result.state.offset,
        "decisions": result.decisions,
        "orders": result.orders,
        "decisions_hash": result.decisions_hash,
        "state_hash": result.state_hash,
        "events_per_s": round(result.events / passed_s) if passed_s > 0 else 0,
        "fates": dict(sorted(result.fates.items())),
        "verdicts": dict(sorted(result.verdicts.items())),
        "refused": dict(result.refused.most_common()),
    }


def _print(console: Console, result: Replayed, data: dict[str, object]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("events", f"{result.events:,}, to offset {result.state.offset:,}: {_listed(data['fates'])}")
    table.add_row("decisions", f"{result.decisions:,}: {_listed(data['verdicts'])}")
    table.add_row("orders", f"{result.orders:,}")
    table.add_row("refused", _listed(data["refused"]))
    table.add_row("decisions_hash", result.decisions_hash)
    table.add_row("state_hash", result.state_hash)
    table.add_row("events/s", f"{data['events_per_s']:,}")
    console.print(table)


def _listed(counts: object) -> str:
    assert isinstance(counts, dict)
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _compared(console: Console, result: Replayed, data: dict[str, object]) -> Answer:
    found = result.divergence
    if found is None:
        console.print(f"identical: {result.recorded_decisions:,} recorded decisions, all the same now")
        return Answer({**data, "identical": True, "divergence": None, "recorded_decisions": result.recorded_decisions})
    where = f"offset {found.offset}" + ("" if found.n is None else f", n {found.n}")
    console.print(
        f"different first at {where}, field {found.field}:\n  recorded  {found.recorded}\n  now       {found.replayed}",
        soft_wrap=True,
    )
    console.print("--explain tells all differences")
    return Answer({**data, "identical": False, "divergence": found._asdict()}, exit_code=NEGATIVE)


def _explained(console: Console, found: Explanation, data: dict[str, object], limit: int) -> Answer:
    same = not found.changed and not found.chain_since
    if same:
        console.print(f"identical: {found.compared:,} decisions, all the same now")
    for change in found.changes[:limit]:
        console.print(f"offset {change.offset}  {change.account}  {change.kind} {change.subject}", style="bold", soft_wrap=True)
        console.print(f"  before  {change.before}\n  now     {change.after}", soft_wrap=True)
        for figure in change.figures:
            console.print(f"    {figure}", soft_wrap=True)
    if found.changed > min(limit, len(found.changes)):
        console.print(f"and {found.changed - min(limit, len(found.changes)):,} more")
    if found.by_code:
        table = Table("count", "before", "now", box=None, padding=(0, 2, 0, 0))
        for (before, after), count in found.by_code.most_common(limit):
            table.add_row(f"{count:,}", before, after)
        console.print(table)
    for account, offset in sorted(found.state_since.items()):
        console.print(f"{account}: the state behind the decisions differs from offset {offset} on", soft_wrap=True)
    if not same:
        console.print(
            f"{found.changed:,} of {found.compared:,} decisions say something else; {found.following:,} only follow from earlier ones"
        )
    told = {
        "identical": same, "compared": found.compared, "changed": found.changed, "following": found.following,
        "changes": [change._asdict() for change in found.changes[:limit]],
        "by_code": [{"before": before, "after": after, "count": count} for (before, after), count in found.by_code.most_common()],
        "state_since": dict(sorted(found.state_since.items())), "chain_since": dict(sorted(found.chain_since.items())),
    }  # fmt: skip
    return Answer({**data, **told}, exit_code=0 if same else NEGATIVE)
