"""What goes wrong at the simulated exchange: a plan of faults, and its decisions.

    plan = FaultPlan(read_rules("rough.yaml", text), seed=7, start_ms=now_ms)
    decision = plan.for_request("POST", "/fapi/v1/order", account, now_ms)

Decides: what happens to a request, when events are delivered, by how much the clock is wrong. Pure and seeded: the n-th request of an account that
a rule is about meets the same fate in every run, whatever other accounts do meanwhile. Of several rules the first that strikes ends a request,
delays add up. Leaves to others: doing it (server), reading a rule (fault_rules).
"""

from collections import Counter
from collections.abc import Sequence
from enum import Enum
from hashlib import blake2b
from typing import NamedTuple

from connectors.exchange.simulator.fault_rules import Rule

ODDS_ONE = 1 << 64
"""Odds are counted in these parts, so that no float decides."""
COPIES_MAX = 8
"""How often one event is delivered at most, however many rules strike at once."""


class Outcome(Enum):
    """What becomes of a request after its delay."""

    PASS = "pass"  # noqa: S105 - no password
    """It is answered as it should be."""
    REJECT = "reject"
    """Refused with a code; nothing was done."""
    STATUS = "status"
    """A status of 500 and up instead of an answer; see `accepted`."""
    MAINTENANCE = "maintenance"
    """503, nothing was done."""
    TIMEOUT_BEFORE = "timeout_before"
    """-1007, and nothing was done."""
    TIMEOUT_AFTER = "timeout_after"
    """-1007, and it was done."""
    DROP_BEFORE = "drop_before"
    """The connection is closed; nothing was done."""
    DROP_AFTER = "drop_after"
    """It was done, and the connection is closed instead of an answer."""
    SILENT_AFTER = "silent_after"
    """It was done, and no answer ever comes; the connection stays open."""
    BAN = "ban"
    """429 or 418 with Retry-After; nothing was done."""


class Decision(NamedTuple):
    """What to do with a request: wait `delay_ms`, do it where `accepted`, then answer as `outcome` says."""

    delay_ms: int
    outcome: Outcome = Outcome.PASS
    accepted: bool = True
    status: int = 200
    code: int = 0
    words: str = ""
    retry_after_s: int = 0


_ENDS = {
    "reject": (Outcome.REJECT, False),
    "server_error": (Outcome.STATUS, False),
    "server_error_after": (Outcome.STATUS, True),
    "maintenance": (Outcome.MAINTENANCE, False),
    "timeout_before": (Outcome.TIMEOUT_BEFORE, False),
    "timeout_after": (Outcome.TIMEOUT_AFTER, True),
    "drop_before": (Outcome.DROP_BEFORE, False),
    "drop_after": (Outcome.DROP_AFTER, True),
    "silent_after": (Outcome.SILENT_AFTER, True),
    "rate_limited": (Outcome.BAN, False),
    "banned": (Outcome.BAN, False),
}
"""How a request ends by the fault that struck, and whether it was done."""
_BAN_WORDS = {
    429: "Too many requests; please use the websocket for live updates to avoid polling the API.",
    418: "Way too many requests; IP is banned until the time Retry-After tells.",
}


class FaultPlan:
    """The faults of a run. Times never go back."""

    def __init__(self, rules: Sequence[Rule], seed: int, start_ms: int) -> None:
        """Begin; `from_s` and `until_s` of the rules count from now."""
        self._seed = seed
        self.tallies: Counter[str] = Counter()
        """How often each fault struck, `requests` and `events` asked about, and `asked_while_paused`: requests sent during a Retry-After."""
        self.replace(rules, start_ms)

    def replace(self, rules: Sequence[Rule], now_ms: int) -> None:
        """Go on with other rules, whose time begins now. The tallies stay, a pause that runs ends."""
        self._rules, self._start_ms = tuple(rules), now_ms
        self._struck = [0] * len(self._rules)
        self._asked: Counter[tuple[int, str]] = Counter()
        self._paused_until_ms, self._paused_status = now_ms, 429

    def for_request(self, method: str, path: str, account: str, now_ms: int) -> Decision:
        """Decide what happens to a request."""
        self.tallies["requests"] += 1
        if now_ms < self._paused_until_ms:
            self.tallies["asked_while_paused"] += 1
            return self._ban(0, self._paused_status, -(-(self._paused_until_ms - now_ms) // 1_000))
        delay_ms, end = 0, None
        for index, rule in enumerate(self._rules):
            if rule.about != "request" or not rule.meets_request(method, path, account) or not rule.runs(now_ms - self._start_ms):
                continue
            drawn = self._draw(index, account)
            if (end is not None and rule.fault in _ENDS) or not self._strikes(index, drawn):
                continue
            delay_ms += _within(rule.ms, rule.up_to_ms, drawn)
            if rule.fault in _ENDS:
                end = rule
        return Decision(delay_ms) if end is None else self._ended(end, delay_ms, now_ms)

    def for_event(self, account: str, kind: str, now_ms: int) -> list[int]:
        """Decide when an event of an account reaches its stream: after so many ms each time. Nothing: it is lost."""
        self.tallies["events"] += 1
        if self.user_stream_dead(account, now_ms):
            self.tallies["user_stream_dead"] += 1
            return []
        late_ms, copies = 0, []
        for index, rule in enumerate(self._rules):
            if rule.about != "event" or not rule.meets_event(kind, account) or not rule.runs(now_ms - self._start_ms):
                continue
            drawn = self._draw(index, account)
            if not self._strikes(index, drawn):
                continue
            if rule.fault == "event_lost":
                return []
            if rule.fault == "event_twice":
                copies.append(_within(rule.ms, rule.up_to_ms, drawn))
            else:
                late_ms += _within(rule.ms, rule.up_to_ms, drawn)
        return [late_ms, *(late_ms + copy_ms for copy_ms in copies)][:COPIES_MAX]

    def clock_skew_ms(self, now_ms: int) -> int:
        """Tell by how much the exchange's clock is ahead of the true one; negative: behind."""
        return sum(rule.ms for rule in self._rules if rule.fault == "clock_skew" and rule.runs(now_ms - self._start_ms))

    def user_stream_dead(self, account: str, now_ms: int) -> bool:
        """Tell whether nothing reaches the user stream of an account, without an error and without an end."""
        return any(
            rule.fault == "user_stream_dead" and rule.meets_account(account) and rule.runs(now_ms - self._start_ms)
            for rule in self._rules
        )

    def market_streams_dead(self, now_ms: int) -> bool:
        """Tell whether no market data reaches any stream, without an error and without an end."""
        return any(rule.fault == "market_streams_dead" and rule.runs(now_ms - self._start_ms) for rule in self._rules)

    def _draw(self, index: int, account: str) -> tuple[int, int]:
        """Draw twice for the next occasion of a rule and an account: whether it strikes, and how hard."""
        self._asked[index, account] += 1
        text = f"{self._seed}/{index}/{account}/{self._asked[index, account]}"
        digest = blake2b(text.encode(), digest_size=16).digest()
        return int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")

    def _strikes(self, index: int, drawn: tuple[int, int]) -> bool:
        rule = self._rules[index]
        if (rule.times is not None and self._struck[index] >= rule.times) or drawn[0] >= int(rule.odds * ODDS_ONE):
            return False
        self._struck[index] += 1
        self.tallies[rule.fault] += 1
        return True

    def _ended(self, rule: Rule, delay_ms: int, now_ms: int) -> Decision:
        outcome, accepted = _ENDS[rule.fault]
        if outcome is Outcome.BAN:
            self._paused_until_ms, self._paused_status = now_ms + rule.retry_after_s * 1_000, rule.status
            return self._ban(delay_ms, rule.status, rule.retry_after_s)
        return Decision(delay_ms, outcome, accepted, rule.status, rule.code, rule.words)

    def _ban(self, delay_ms: int, status: int, retry_after_s: int) -> Decision:
        return Decision(delay_ms, Outcome.BAN, False, status, -1003, _BAN_WORDS[status], retry_after_s)


def _within(low: int, high: int, drawn: tuple[int, int]) -> int:
    """Choose a whole number from low to high, both included."""
    return low + (drawn[1] * (high - low + 1) >> 64)
