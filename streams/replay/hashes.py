"""One hash for all decisions of a state: each account's chain, in the order of the accounts."""

import hashlib

from streams.desk.messages import EVERY_ACCOUNT
from streams.desk.state import State


def decisions_hash(state: State) -> str:
    """Combine the chains of all accounts, and of the partition as a whole."""
    chains = {EVERY_ACCOUNT: state.chain, **{name: account.chain for name, account in state.accounts.items()}}
    together = hashlib.blake2b(digest_size=16)
    for name in sorted(chains):
        together.update(f"{name}={chains[name]}\n".encode())
    return together.hexdigest()
