"""Snapshots: the state as plain records, and back.

Decides: which fields of the state are written (the record `Snapshot` of the schemas: the shared state, volumes where any are known, then each
account, then a marker) and how the state is made from them again. Derived indexes are not written but rebuilt. Leaves to
others: bytes, hashes, where they are (streams.pipeline).
"""

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from streams.desk.emergency_stop import Stop, StopState
from streams.desk.memory import Entry, Memory
from streams.desk.messages import EquityReport, Instrument, Mark, Signal
from streams.desk.policy import Policy
from streams.desk.policy_check import parse_policy
from streams.desk.reindex import reindex
from streams.desk.state import Account, Adjustment, ClosedOrder, CrashWindow, OpenOrder, Plan, Position, State, Total
from streams.desk.throttle import SignalQueue, Waiting

Record = dict[str, Any]

_ACCOUNT_AS_IS = (
    "account", "venue", "credentials", "leverage", "cash", "opening", "high_water", "day_start", "in_service", "enabled", "phase",
    "phase_since_ms", "realised", "fees", "funding", "transfers", "adjusted", "doubt", "budget_second", "budget_used", "control_position", "chain",
    "unshown",
)  # fmt: skip
_SHARED_AS_IS = (
    "now_ms", "second", "version", "next_version", "policy_document", "policy_ms", "policy_stale", "phase", "phase_since_ms", "enabled",
    "control_position", "chain", "unshown",
)  # fmt: skip
_MARK_AS_IS = tuple(name for name in Mark._fields if name != "volume_24h")
_POSITION_AS_IS = ("symbol", "quantity", "cost", "realised", "opened_ms", "exiting", "exit_after_ms", "dust")
_PLAN = (
    "regime",
    "stop",
    "take_profit",
    "take_profit_share_pct",
    "trail",
    "trail_step",
    "best",
    "hold_ms",
    "deadline_ms",
    "taken",
    "trailed",
)
_ORDER_AS_IS = (
    "order_id", "symbol", "side", "type", "quantity", "limit_price", "reduce_only", "purpose", "expires_ms", "filled", "status",
    "cancel_due_ms",
)  # fmt: skip
_CLOSED_AS_IS = ("symbol", "side", "quantity", "filled", "how")
_ADJUSTMENT = ("symbol", "quantity", "price", "amount")
_STOP_AS_IS = ("trip_ms", "trip_reason", "cooldown_start_ms", "reset_count", "reset_by", "reset_reason")


def account_record(account: Account) -> Record:
    """Write an account down."""
    return {
        **_fields(account, _ACCOUNT_AS_IS),
        "positions": [{**_fields(held, _POSITION_AS_IS), "plan": _plan_record(held.plan)} for held in account.positions.values()],
        "orders": [{**_fields(order, _ORDER_AS_IS), "plan": _plan_record(order.plan)} for order in account.orders.values()],
        "closed_orders": [
            {"order_id": name, **_fields(closed, _CLOSED_AS_IS), "plan": _plan_record(closed.plan)}
            for name, closed in account.closed_orders.items()
        ],
        "adjustments": [{"event_id": name, **_fields(one, _ADJUSTMENT)} for name, one in account.adjustments.items()],
        "fees_owed": [{"priced_in": symbol, "quantity": quantity} for symbol, quantity in account.fees_owed.items()],
        "stop": _stop_record(account.stop),
        "waiting": [_waiting_record(entry) for entry in account.queue.waiting()],
        "arrivals": account.queue.arrivals,
        "drops": [{"code": code, "count": count} for code, count in sorted(account.drops.items())],
        "order_times": list(account.order_times),
        "signals_seen": _memory_record(account.signals_seen),
        "inputs_seen": _memory_record(account.inputs_seen),
    }


def shared_record(state: State) -> Record:
    """Write down what the accounts share."""
    total = state.total
    return {
        **_fields(state, _SHARED_AS_IS),
        "policy_version": state.policy.version if state.policy else 0,
        "marks": [
            {**_fields(mark, _MARK_AS_IS), "seen_ms": state.mark_ms[symbol]} for symbol, mark in sorted(state.marks.items())
        ],
        "windows": [
            {"symbol": symbol, "highs": [{"second": second, "high": high} for second, high in window.highs]}
            for symbol, window in sorted(state.windows.items())
        ],
        "instruments": [instrument._asdict() for _, instrument in sorted(state.instruments.items())],
        "stop": _stop_record(state.stop),
        "stages": [{"source": source, "stage": stage} for source, stage in sorted(state.stages.items())],
        "seen": _memory_record(state.seen),
        "total": {
            "reports": [{**said._asdict(), "heard_ms": heard_ms} for _, (heard_ms, said) in sorted(total.reports.items())],
            "high_water": total.high_water,
            "transfers": total.transfers,
            "incomplete_since_ms": total.incomplete_since_ms,
            "asked": total.asked,
        },
    }


def volumes_record(state: State) -> Record | None:
    """Write down what marks came with that they did not always have; nothing where none did: the hash of an old tape's state stays what it was."""
    volumes = [
        {"symbol": symbol, "volume_24h": mark.volume_24h}
        for symbol, mark in sorted(state.marks.items())
        if mark.volume_24h is not None
    ]
    return {"volumes": volumes} if volumes else None


def sources_record(state: State) -> list[Record]:
    """Write down how far every source has been applied."""
    return [
        {"topic": topic, "partition": partition, "offset": offset} for (topic, partition), offset in sorted(state.sources.items())
    ]


def load_state(
    marker: Mapping[str, Any],
    shared: Mapping[str, Any],
    accounts: Iterable[Mapping[str, Any]],
    volumes: Mapping[str, Any] | None = None,
) -> State:
    """Make the state from its records."""
    state = State(marker["epoch"], marker["partition"], marker["partitions"], marker["offset"])
    state.sources = {(row["topic"], row["partition"]): row["offset"] for row in marker["sources"]}
    for name in _SHARED_AS_IS:
        setattr(state, name, shared[name])
    volume_of = {row["symbol"]: row["volume_24h"] for row in (volumes or {"volumes": ()})["volumes"]}
    for row in shared["marks"]:
        state.marks[row["symbol"]] = Mark(**{name: row[name] for name in _MARK_AS_IS}, volume_24h=volume_of.get(row["symbol"]))
        state.mark_ms[row["symbol"]] = row["seen_ms"]
    state.windows = {
        row["symbol"]: CrashWindow(deque((high["second"], high["high"]) for high in row["highs"])) for row in shared["windows"]
    }
    state.instruments = {row["symbol"]: Instrument(*[row[name] for name in Instrument._fields]) for row in shared["instruments"]}
    state.policy = _policy(shared)
    if state.policy is None and shared["policy_document"]:
        state.policy_stale = False  # so that its absence is said, whatever was said of it before
    state.stop = _stop(shared["stop"])
    state.stages = {row["source"]: row["stage"] for row in shared["stages"]}
    state.seen = _memory(shared["seen"])
    state.total = _total(shared["total"])
    for record in accounts:
        account = _account(record)
        state.accounts[account.account] = account
    reindex(state)
    return state


def _policy(shared: Mapping[str, Any]) -> Policy | None:
    """Read the policy again. One that this version's vocabulary no longer takes is none: no new risk until one is published that it does."""
    if not shared["policy_document"]:
        return None
    parsed = parse_policy(shared["policy_version"], shared["policy_document"])
    return parsed if isinstance(parsed, Policy) else None


def _total(record: Mapping[str, Any]) -> Total:
    reports = {
        row["partition"]: (row["heard_ms"], EquityReport(*[row[name] for name in EquityReport._fields]))
        for row in record["reports"]
    }
    return Total(reports, record["high_water"], record["transfers"], record["incomplete_since_ms"], record["asked"])


def _account(record: Mapping[str, Any]) -> Account:
    account = Account(**{name: record[name] for name in _ACCOUNT_AS_IS})
    for row in record["positions"]:
        account.positions[row["symbol"]] = Position(
            account.account, **{name: row[name] for name in _POSITION_AS_IS}, plan=_plan(row["plan"])
        )
    for row in record["orders"]:
        account.orders[row["order_id"]] = OpenOrder(**{name: row[name] for name in _ORDER_AS_IS}, plan=_plan(row["plan"]))
    for row in record["closed_orders"]:
        account.closed_orders[row["order_id"]] = ClosedOrder(
            **{name: row[name] for name in _CLOSED_AS_IS}, plan=_plan(row["plan"])
        )
    account.adjustments = {row["event_id"]: Adjustment(*[row[name] for name in _ADJUSTMENT]) for row in record["adjustments"]}
    account.fees_owed = {row["priced_in"]: row["quantity"] for row in record["fees_owed"]}
    account.stop = _stop(record["stop"])
    account.queue = SignalQueue([_waiting(row, account.account) for row in record["waiting"]], record["arrivals"])
    account.drops = {row["code"]: row["count"] for row in record["drops"]}
    account.order_times = deque(record["order_times"])
    account.signals_seen = _memory(record["signals_seen"])
    account.inputs_seen = _memory(record["inputs_seen"])
    return account


def _fields(holder: object, names: tuple[str, ...]) -> Record:
    return {name: getattr(holder, name) for name in names}


def _plan_record(plan: Plan | None) -> Record | None:
    return None if plan is None else _fields(plan, _PLAN)


def _plan(record: Mapping[str, Any] | None) -> Plan | None:
    return None if record is None else Plan(*[record[name] for name in _PLAN])


def _stop_record(stop: Stop) -> Record:
    return {"state": stop.state.value, **_fields(stop, _STOP_AS_IS)}


def _stop(record: Mapping[str, Any]) -> Stop:
    return Stop(StopState(record["state"]), *[record[name] for name in _STOP_AS_IS])


def _memory_record(memory: Memory) -> Record:
    return {"entries": [{"key": key, **entry._asdict()} for key, entry in memory.entries.items()], "floor_ts": memory.floor_ts}


def _memory(record: Mapping[str, Any]) -> Memory:
    return Memory(
        {row["key"]: Entry(row["heard_ms"], row["ts"], row["content"]) for row in record["entries"]}, record["floor_ts"]
    )


def _waiting_record(entry: Waiting) -> Record:
    signal = entry.signal._asdict()
    del signal["account"]
    signal["confidence"], signal["model_agreement"] = float(entry.signal.confidence), float(entry.signal.model_agreement)
    signal["model_scores"] = [{"model": model, "score": score} for model, score in entry.signal.model_scores.items()]
    return {"arrival": entry.arrival, "expires_ms": entry.expires_ms, **signal}


def _waiting(row: Mapping[str, Any], account: str) -> Waiting:
    signal = {name: row[name] for name in Signal._fields if name != "account"}
    signal["confidence"], signal["model_agreement"] = Decimal(repr(row["confidence"])), Decimal(repr(row["model_agreement"]))
    signal["model_scores"] = {score["model"]: score["score"] for score in row["model_scores"]}
    return Waiting(row["arrival"], row["expires_ms"], Signal(account=account, **signal))
