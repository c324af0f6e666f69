"""The plan of a generated day: everything that is chosen before it begins.

Decides: the vocabulary of such a plan and its usual figures. Leaves to others: the running of it (world).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from streams.desk.messages import Body, PolicyUpdate
from streams.simulation.market import FUNDING_INTERVAL_S, MARKETS, Market
from streams.simulation.policies import PHASE, generated_policy
from streams.simulation.prices import Trouble
from streams.simulation.venue import ORDINARY, FeeCurrency, Odds

START_MS = 1_740_963_600_000
"""2025-03-03 01:00:00 UTC: a Monday, an hour after a funding time."""


class Flood(NamedTuple):
    """A burst of signals: per_s of them every second for for_ms, to one account (to all in turn where None)."""

    at_ms: int
    for_ms: int
    per_s: int
    account: str | None = None


class Happening(NamedTuple):
    """A scripted input at a time of the day."""

    at_ms: int
    body: Body


@dataclass(frozen=True, slots=True)
class Plan:
    """A generated day. Times are milliseconds since its start unless they say otherwise."""

    seed: int
    accounts: int = 3
    markets: Sequence[Market] = MARKETS
    start_ms: int = START_MS
    """Epoch time the day starts at."""
    epoch: int = 1
    mark_every_ms: int = 100
    signal_every_ms: int = 2_000
    opening_balances: Sequence[Decimal] = (Decimal(50_000), Decimal(20_000), Decimal(10_000), Decimal(3_000))
    """Dealt to the accounts in turn."""
    fee_currencies: Sequence[FeeCurrency] = ("USDT",)
    """Dealt to the accounts in turn."""
    policy: PolicyUpdate | None = None
    """None: the generated policy over all markets."""
    phase: str = PHASE
    policy_every_ms: int = 60_000
    odds: Odds = ORDINARY
    troubles: Sequence[Trouble] = ()
    """With epoch times."""
    floods: Sequence[Flood] = ()
    script: Sequence[Happening] = ()
    operator_every_ms: int = 120_000
    """About how often an operator does something; 0: only resets after trips."""
    reset_after_s: int = 930
    """How long after a trip an operator resets it; 0: never."""
    next_funding_ms: int = FUNDING_INTERVAL_S * 1_000 - 3_600_000
    repeats: int = 5
    """How many in 10,000 inputs are forwarded twice."""
    garbage: int = 1
    """How many in 10,000 inputs are followed by a record nobody can read."""

    def account_names(self) -> list[str]:
        """Name the accounts."""
        return [f"acc{number:05d}" for number in range(self.accounts)]

    def publication(self) -> PolicyUpdate:
        """Give the policy this day runs under."""
        return self.policy or generated_policy([market.symbol for market in self.markets])
