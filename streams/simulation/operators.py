"""The people of a generated day: who opens accounts, switches trading on, publishes the policy, and comes after a trip.

Decides: which commands and transfers are given and when. Leaves to others: their effect (the desk), their delivery (world).
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Literal

from streams.desk.messages import (
    EVERY_ACCOUNT,
    AccountEvent,
    ClosePosition,
    Command,
    Control,
    Disable,
    Enable,
    ManualOrder,
    OpenAccount,
    PhaseChange,
    Promotion,
    Reset,
    Trip,
)  # fmt: skip
from streams.simulation.market import below
from streams.simulation.plan import Plan
from streams.simulation.signals import SHADOW_SOURCE, SOURCE, Watched
from streams.simulation.venue import VENUE

_LEVERAGE = Decimal(5)
_BACK_ON_MS = 30_000
"""How long an account stays switched off after an operator's Disable, or in doubt after an adjustment."""

Said = tuple[int, Control | AccountEvent]
"""When something is said, and what."""


class Operators:
    """Gives commands, each with an id of its own, a user and a reason."""

    def __init__(self, plan: Plan, accounts: Sequence[str], prices: Watched) -> None:
        """Take over this day."""
        self._plan = plan
        self._accounts = accounts
        self._prices = prices
        self._chance = Random(f"{plan.seed}/operators")
        self._publication = plan.publication()
        self._said = 0
        self._awaited: dict[str, int] = {}
        """When whoever comes after a stop has settled is there, by account."""

    def command(self, account: str, command: Command, ts: int, user: str = "ops", reason: str = "generated day") -> Control:
        """Give one command."""
        self._said += 1
        return Control(f"c{self._said}", account, user, reason, ts, command)

    def opening(self, ts: int) -> Iterator[Control]:
        """Open the day: accounts, limits, sources, switches."""
        balances = self._plan.opening_balances
        for number, account in enumerate(self._accounts):
            opened = OpenAccount(VENUE, f"keys-{account}", _LEVERAGE, balances[number % len(balances)])
            yield self.command(account, opened, ts)
        yield self.publish(ts)
        yield self.command(EVERY_ACCOUNT, PhaseChange(self._plan.phase, True), ts)
        yield self.command(EVERY_ACCOUNT, Promotion(SOURCE, "LIVE"), ts)
        yield self.command(EVERY_ACCOUNT, Promotion(SHADOW_SOURCE, "SHADOW"), ts)
        yield self.command(EVERY_ACCOUNT, Enable(), ts)
        for account in self._accounts:
            yield self.command(account, Enable(), ts)

    def publish(self, ts: int) -> Control:
        """Publish the policy again, so that it stays fresh."""
        return self.command(EVERY_ACCOUNT, self._publication, ts, "policy-publisher", "every minute")

    def after_trip(self, account: str, now_ms: int) -> list[Said]:
        """Come after a trip: one hasty try, then a reset that names who and why."""
        if not self._plan.reset_after_s:
            return []
        said: list[Said] = []
        if self._chance.getrandbits(2) == 0:
            hasty_ms = now_ms + 20_000 + below(self._chance, 60_000)
            said.append(
                (
                    hasty_ms,
                    self.command(account, Reset(False), hasty_ms, "ops", "" if self._chance.getrandbits(1) else "too early"),
                )
            )
        reset_ms = now_ms + self._plan.reset_after_s * 1_000 + below(self._chance, 60_000)
        said.append((reset_ms, self.command(account, Reset(False), reset_ms, "risk-desk", "positions reviewed")))
        return said

    def after_settling(self, account: str, now_ms: int, after_ms: int) -> list[Said]:
        """Come once a stop has settled, and re-arm it in spite of its cooldown. Once: the stop over all accounts settles on every partition."""
        if self._awaited.get(account, 0) > now_ms:
            return []
        reset_ms = self._awaited[account] = now_ms + after_ms + below(self._chance, after_ms // 2 + 1)
        return [(reset_ms, self.command(account, Reset(True), reset_ms, "risk-desk", "positions reviewed, cooldown cut short"))]

    def something(self, now_ms: int) -> list[Said]:
        """Do one of the things operators do on an ordinary day."""
        account = self._accounts[below(self._chance, len(self._accounts))]
        deeds = (
            self._switch, self._transfer, self._transfer, self._adjust, self._manual, self._manual, self._manual, self._close, self._close,
            self._trip,
        )  # fmt: skip
        return deeds[below(self._chance, len(deeds))](account, now_ms)

    def _switch(self, account: str, now_ms: int) -> list[Said]:
        back_ms = now_ms + _BACK_ON_MS
        return [(now_ms, self.command(account, Disable(), now_ms)), (back_ms, self.command(account, Enable(), back_ms))]

    def _transfer(self, account: str, now_ms: int) -> list[Said]:
        self._said += 1
        amount = Decimal(100 + below(self._chance, 2_000_00)).scaleb(-2) + 50
        kind: Literal["DEPOSIT", "WITHDRAWAL"] = "DEPOSIT" if self._chance.getrandbits(2) else "WITHDRAWAL"
        zero = Decimal(0)
        return [(now_ms, AccountEvent(f"t{self._said}", account, kind, None, amount, zero, zero, None, "transfer", now_ms))]

    def _adjust(self, account: str, now_ms: int) -> list[Said]:
        """Correct the cash by a few cents and find the trade half a minute later: the correction is reversed."""
        self._said += 1
        name, amount = f"j{self._said}", Decimal(below(self._chance, 400) + 1).scaleb(-2)
        back_ms = now_ms + _BACK_ON_MS
        first = AccountEvent(name, account, "ADJUSTMENT", None, amount, Decimal(0), Decimal(0), None, "unexplained", now_ms)
        return [
            (now_ms, first),
            (back_ms, first._replace(event_id=f"{name}r", amount=-amount, reverses=name, note="explained", ts=back_ms)),
        ]

    def _manual(self, account: str, now_ms: int) -> list[Said]:
        index = below(self._chance, len(self._prices.markets))
        mark, market = self._prices.last(index), self._prices.markets[index]
        if mark is None:
            return []
        quantity = max(1, int(Decimal(300) / mark.mark / market.step)) * market.step
        stop = mark.mark - self._prices.atr(index) * 4 if self._chance.getrandbits(2) else None
        order = ManualOrder(market.symbol, "BUY", "LIMIT", quantity, mark.ask, stop, False)
        return [(now_ms, self.command(account, order, now_ms, "trader", "by hand"))]

    def _close(self, account: str, now_ms: int) -> list[Said]:
        index = below(self._chance, len(self._prices.markets))
        symbol = self._prices.markets[index].symbol if self._chance.getrandbits(1) else None
        return [(now_ms, self.command(account, ClosePosition(symbol), now_ms, "trader", "close"))]

    def _trip(self, account: str, now_ms: int) -> list[Said]:
        return [(now_ms, self.command(account, Trip(), now_ms, "risk-desk", "drill"))]
