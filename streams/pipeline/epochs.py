"""A new epoch of the tape: the same accounts, positions and limits, on a tape that begins anew.

Decides: what of a state is carried over. Sources that are still the same topics keep their positions, so that nothing is applied again; those
that were made anew begin anew. Leaves to others: when an epoch begins (`./qts tape new-epoch`), the topics.
"""

from collections.abc import Collection

from streams.desk.state import State

TICKS, TAPE, CONTROL = "ticks", "tape", "control"


def carried_over(state: State, epoch: int, kept_topics: Collection[str]) -> State:
    """Make the state a new epoch begins with of the last one of the epoch before."""
    if epoch <= state.epoch:
        raise ValueError(f"epoch {epoch} does not come after {state.epoch}")
    state.epoch, state.offset = epoch, -1
    state.sources = {
        (topic, partition): offset
        for (topic, partition), offset in state.sources.items()
        if topic == TICKS or topic in kept_topics
    }
    if CONTROL not in kept_topics:
        state.control_position = -1
        for account in state.accounts.values():
            account.control_position = -1
            account.version += 1  # its bytes have to be written anew
    return state
