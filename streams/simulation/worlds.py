"""Live worlds beside each other: one market, and accounts and people by the hundred, each world with its own.

Decides: what is said once though every world has it (prices, instruments, the limits), and whose business an answer of the desk is. Leaves to others:
what happens in a world (live), sending what is said, reading the answers.
"""

from collections.abc import Iterator, Sequence

from streams.desk.messages import EVERY_ACCOUNT, Body, Control, Instrument, Mark
from streams.desk.outputs import Cancel, Decision, Order
from streams.simulation.live import LiveWorld
from streams.simulation.policies import generated_policy

POLICY_EVERY_MS = 30_000


class Worlds:
    """Everything outside the desk. `advance` gives what happens; `hear` takes what the desk says."""

    def __init__(self, worlds: Sequence[LiveWorld]) -> None:
        """Put worlds beside each other. The market is the first one's; the others have the same prices, and accounts of their own."""
        self._first, self._worlds = worlds[0], worlds
        self._of = {account: world for world in worlds for account in world.accounts} | {EVERY_ACCOUNT: worlds[0]}
        self._policy_ms = 0

    def advance(self, now_ms: int) -> Iterator[Body]:
        """Give everything due up to now."""
        if now_ms - self._policy_ms >= POLICY_EVERY_MS:
            self._policy_ms = now_ms
            update = generated_policy([market.symbol for market in self._first.markets])
            yield Control(f"policy-{now_ms}", EVERY_ACCOUNT, "risk-desk", "limits said again", now_ms, update)
        for world in self._worlds:
            for body in world.advance(now_ms):
                if world is self._first or not isinstance(body, Mark | Instrument):
                    yield body

    def hear(self, said: Order | Cancel | Decision, now_ms: int) -> None:
        """Have a world do what an answer of the desk calls for: fill, cancel, or send somebody. What concerns all accounts is the first one's."""
        world = self._of.get(said.account or EVERY_ACCOUNT)
        if world is None:
            return  # somebody else's account
        if isinstance(said, Order):
            world.on_order(said, now_ms)
        elif isinstance(said, Cancel):
            world.on_cancel(said, now_ms)
        else:
            world.on_decision(said, now_ms)
