"""What may be asked of the simulated exchange, and what becomes of who asks for more.

Decides: weights a minute by IP, orders in 10 s and a minute by account, in windows that begin on the full minute (10 s) like the exchange's; past
them 429 and the wait until the window is over; 418 for who goes on asking all the same, each ban twice as long as the one before. Leaves to others:
what each request weighs (routes), answering (server), refusals that a fault plan orders (faults).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

MINUTE_MS, ORDER_MS = 60_000, 10_000
BAN_MS_MAX = 3 * 86_400_000
"""Three days, the longest ban the exchange tells of."""
_WEIGHT_WORDS = (
    "Too many requests; current limit of IP({}) is {} requests per minute. Please use the websocket to avoid polling the API."
)
_BAN_WORDS = "Way too many requests; IP({}) banned until {}. Please use the websocket for live updates to avoid bans."
_ORDER_WORDS = "Too many new orders; current limit is {} orders per {}."


class Limits(NamedTuple):
    """What may be asked."""

    weight_1m: int = 2_400
    orders_1m: int = 1_200
    orders_10s: int = 300
    refusals_max: int = 10
    """So many 429 in a window are taken for answers that crossed on the way; with the next one the IP is banned."""
    ban_ms: int = 120_000
    """The first ban: two minutes, the shortest the exchange tells of."""


class Verdict(NamedTuple):
    """Whether a request may go on (status 200), and the headers of its answer."""

    status: int
    headers: dict[str, str]
    code: int = 0
    words: str = ""


@dataclass(slots=True)
class _Window:
    """A count that begins anew with each window."""

    length_ms: int
    number: int = -1
    used: int = 0

    def add(self, amount: int, now_ms: int) -> int:
        if now_ms // self.length_ms != self.number:
            self.number, self.used = now_ms // self.length_ms, 0
        self.used += amount
        return self.used

    def left_s(self, now_ms: int) -> int:
        """Give the whole seconds until the next window, at least one."""
        return -(-(self.length_ms - now_ms % self.length_ms) // 1_000)


@dataclass(slots=True)
class _Address:
    weight: _Window = field(default_factory=lambda: _Window(MINUTE_MS))
    refusals: _Window = field(default_factory=lambda: _Window(MINUTE_MS))
    banned_until_ms: int = 0
    bans: int = 0


@dataclass(slots=True)
class _Orders:
    ten_seconds: _Window = field(default_factory=lambda: _Window(ORDER_MS))
    minute: _Window = field(default_factory=lambda: _Window(MINUTE_MS))


class Meter:
    """Counts what was asked."""

    def __init__(self, limits: Limits) -> None:
        """Begin with nothing used."""
        self.limits = limits
        self._addresses: dict[str, _Address] = {}
        self._orders: dict[str, _Orders] = {}
        self.tallies: dict[str, Counter[str]] = {}
        """By account, "" for who gave no key: requests, weight, orders, refused_429, refused_418, bans."""

    def take(self, ip: str, account: str, weight: int, orders: int, now_ms: int) -> Verdict:
        """Count a request and say whether it may go on. What is refused has been counted, too."""
        address = self._addresses.setdefault(ip, _Address())
        tally = self.tallies.setdefault(account, Counter())
        tally["requests"] += 1
        tally["weight"] += weight
        tally["orders"] += orders
        if now_ms < address.banned_until_ms:
            tally["refused_418"] += 1
            return self._banned(ip, address, now_ms)
        used = address.weight.add(weight, now_ms)
        headers = {"X-MBX-USED-WEIGHT-1M": str(used)}
        if used > self.limits.weight_1m:
            words = _WEIGHT_WORDS.format(ip, self.limits.weight_1m)
            return self._refused(ip, tally, now_ms, Verdict(429, self._after(headers, address.weight, now_ms), -1003, words))
        if not orders:
            return Verdict(200, headers)
        counts = self._orders.setdefault(account, _Orders())
        ten_seconds, minute = counts.ten_seconds.add(orders, now_ms), counts.minute.add(orders, now_ms)
        headers |= {"X-MBX-ORDER-COUNT-10S": str(ten_seconds), "X-MBX-ORDER-COUNT-1M": str(minute)}
        for found, limit, window, length in (
            (minute, self.limits.orders_1m, counts.minute, "MINUTE"),
            (ten_seconds, self.limits.orders_10s, counts.ten_seconds, "TEN_SECONDS"),
        ):
            if found > limit:
                verdict = Verdict(429, self._after(headers, window, now_ms), -1015, _ORDER_WORDS.format(limit, length))
                return self._refused(ip, tally, now_ms, verdict)
        return Verdict(200, headers)

    def bans(self) -> dict[str, int]:
        """Give how often each IP was banned."""
        return {ip: address.bans for ip, address in self._addresses.items() if address.bans}

    def _refused(self, ip: str, tally: Counter[str], now_ms: int, verdict: Verdict) -> Verdict:
        address = self._addresses[ip]
        if address.refusals.add(1, now_ms) <= self.limits.refusals_max:
            tally["refused_429"] += 1
            return verdict
        address.banned_until_ms = now_ms + min(self.limits.ban_ms << min(address.bans, 20), BAN_MS_MAX)
        address.bans += 1
        tally["bans"] += 1
        tally["refused_418"] += 1
        return self._banned(ip, address, now_ms)

    @staticmethod
    def _after(headers: dict[str, str], window: _Window, now_ms: int) -> dict[str, str]:
        return {**headers, "Retry-After": str(window.left_s(now_ms))}

    @staticmethod
    def _banned(ip: str, address: _Address, now_ms: int) -> Verdict:
        left_s = -(-(address.banned_until_ms - now_ms) // 1_000)
        return Verdict(418, {"Retry-After": str(left_s)}, -1003, _BAN_WORDS.format(ip, address.banned_until_ms))
