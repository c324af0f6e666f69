"""A desk's state as plain records, to compare and to start again from.

Decides: which parts of the state a refused input may change. Leaves to others: bytes (the codec's own tests).
"""

from __future__ import annotations

from typing import Any

from streams.desk.snapshot import account_record, load_state, shared_record, sources_record, volumes_record
from streams.desk.state import State

ACCOUNT_MEMORY = ("signals_seen", "inputs_seen", "chain", "unshown", "drops")
"""What any decided input may leave in an account: that it was seen, and that something was said of it."""
SHARED_MEMORY = ("now_ms", "chain", "seen", "unshown")
"""What any decided input may leave in what the accounts share: the same, and that time went on."""


def records(state: State) -> dict[str, Any]:
    """Write the whole state down."""
    return {
        "shared": shared_record(state),
        "volumes": volumes_record(state),
        "accounts": {name: account_record(account) for name, account in sorted(state.accounts.items())},
        "sources": sources_record(state),
    }


def substance(state: State, *also_without: str) -> dict[str, Any]:
    """Write down what a refused input may not change."""
    shared = {key: value for key, value in shared_record(state).items() if key not in (*SHARED_MEMORY, *also_without)}
    accounts = {
        name: {key: value for key, value in account_record(account).items() if key not in (*ACCOUNT_MEMORY, *also_without)}
        for name, account in sorted(state.accounts.items())
    }
    return {"shared": shared, "accounts": accounts}


def restored(state: State) -> State:
    """Make the state again from its records."""
    marker = {
        "epoch": state.epoch, "partition": state.partition, "partitions": state.partitions, "offset": state.offset,
        "sources": sources_record(state),
    }  # fmt: skip
    return load_state(
        marker, shared_record(state), [account_record(account) for account in state.accounts.values()], volumes_record(state)
    )
