"""The stop over all accounts: a drawdown of everything together.

Decides: on the one partition that hosts the pseudo-account `*`, whether the sum of what all partitions report has fallen too far. The
answer is a command, which travels to every partition like an operator's. What is missing is not zero: a partition that falls silent, or
cannot value what it holds, trips the stop too. Leaves to others: what a trip does (desk.stopping).
"""

from decimal import Decimal

from streams.desk import portfolio
from streams.desk.account_events import rebased
from streams.desk.messages import EVERY_ACCOUNT, Control, EquityReport, Trip
from streams.desk.outputs import Fate
from streams.desk.request import listed
from streams.desk.state import State, Total
from streams.desk.turn import Turn
from streams.desk.validation import wrong
from streams.desk.values import HUNDRED, ZERO


def report(turn: Turn) -> None:
    """Say what this partition's accounts are worth together."""
    state = turn.state
    worth, complete = portfolio.partition_equity(state)
    name = f"{state.epoch}-{state.partition}-{state.second}"
    turn.outputs.append(
        EquityReport(
            name,
            state.partition,
            state.partitions,
            state.second,
            worth,
            state.index.transfers,
            len(state.accounts),
            complete,
            turn.now_ms,
        )
    )


def on_report(turn: Turn, said: EquityReport) -> None:
    """Take in what a partition's accounts are worth together."""
    mistake = wrong(said, turn.now_ms)
    if not mistake and said.partitions != turn.state.partitions:
        mistake = listed(field="partitions", value=said.partitions)
    if mistake:
        turn.bury("REPORT_INVALID", mistake)
        return
    total = turn.state.total
    before = total.reports.get(said.partition)
    if before is not None and said.second <= before[1].second:
        turn.fate = Fate.DUPLICATE
        return
    total.reports[said.partition] = (turn.now_ms, said)
    watch(turn)


def watch(turn: Turn) -> None:
    """Hold the sum against its high-water mark, once every partition has reported."""
    state, total = turn.state, turn.state.total
    if state.policy is None or not total.reports or not state.stop.armed or total.asked:
        return
    rule = state.policy.total
    oldest_ms = min(heard for heard, _ in total.reports.values())
    if turn.now_ms - oldest_ms > rule.report_s_max * 1000:
        ask(turn, "REPORT_STALE " + listed(age_ms=turn.now_ms - oldest_ms, age_s_max=rule.report_s_max))
        return
    if len(total.reports) < state.partitions or not all(said.complete for _, said in total.reports.values()):
        since_ms = total.incomplete_since_ms = turn.now_ms if total.incomplete_since_ms is None else total.incomplete_since_ms
        if turn.now_ms - since_ms > rule.report_s_max * 1000:
            ask(
                turn,
                "REPORT_INCOMPLETE "
                + listed(reports=len(total.reports), partitions=state.partitions, age_ms=turn.now_ms - since_ms),
            )
        return
    total.incomplete_since_ms = None
    worth = _take(total)
    assert total.high_water is not None
    floor = total.high_water * (HUNDRED - rule.drawdown_pct) / HUNDRED
    if worth <= floor and total.high_water > ZERO:
        ask(turn, "TOTAL_DRAWDOWN " + listed(equity=worth, floor=floor, high_water=total.high_water, limit_pct=rule.drawdown_pct))


def _take(total: Total) -> Decimal:
    """Sum the reports, moving the high-water mark with new highs and with transfers."""
    worth = sum((said.equity for _, said in total.reports.values()), ZERO)
    transfers = sum((said.transfers for _, said in total.reports.values()), ZERO)
    moved = transfers - total.transfers
    if total.high_water is not None and moved:
        total.high_water = rebased(total.high_water, worth - moved, moved)
    total.transfers = transfers
    total.high_water = worth if total.high_water is None else max(total.high_water, worth)
    return worth


def ask(turn: Turn, cause: str) -> None:
    """Ask for a trip of the stop over all accounts, once until it has come."""
    state = turn.state
    state.total.asked = cause
    turn.decide(None, "ESS", EVERY_ACCOUNT, "APPLIED", f"TRIP_ASKED cause={cause}")
    name = f"desk-{state.epoch}-{state.partition}-{turn.event.offset}"
    turn.outputs.append(Control(name, EVERY_ACCOUNT, "desk", cause, turn.now_ms, Trip()))


def rearmed(state: State) -> None:
    """Start over after a reset: the sum as it stands is the new high-water mark."""
    state.total.asked = ""
    state.total.incomplete_since_ms = None
    if state.total.reports:
        state.total.high_water = sum((said.equity for _, said in state.total.reports.values()), ZERO)
