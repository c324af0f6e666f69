"""The rules of a fault plan, and how they are read.

    faults:
      - fault: timeout_after        # one of FAULTS
        methods: [POST]             # of all where left out
        paths: [/fapi/v1/order, /fapi/v1/algo*]
        accounts: [a1]
        odds: 0.05                  # share of the requests that it strikes
        from_s: 10                  # counted from the start of the run
        until_s: 600
        every_s: 60                 # of each 60 s only the first 5
        for_s: 5
        times: 20                   # at most so often
        ms: 100                     # parameters of the fault, see FAULTS
        up_to_ms: 900

Decides: which faults there are, what each may be told and its defaults; an unknown key is refused. Leaves to others: what they do (faults).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from connectors.exchange.simulator.plan_file import Entry, read_all

About = Literal["request", "event", "state"]

DELAY_MS_MAX = 600_000
"""Ten minutes: nobody waits longer for an answer, and nothing is held longer in memory."""
_WHEN = ("from_s", "until_s", "every_s", "for_s", "accounts")
_CHANCE = ("odds", "times")
_DELAY = ("ms", "up_to_ms")
_KEYS: dict[About, tuple[str, ...]] = {
    "request": (*_WHEN, *_CHANCE, *_DELAY, "paths", "methods"),
    "event": (*_WHEN, *_CHANCE, *_DELAY, "kinds"),
    "state": _WHEN,
}
_TIMEOUT = {
    "status": "408",
    "code": "-1007",
    "words": "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
}
_UNKNOWN = {"status": "503", "code": "-1000", "words": "Unknown error, please check your request or try again later."}
_FAILED = {"status": "503", "code": "-1001", "words": "Internal error; unable to process your request. Please try again."}
_UPKEEP = {"status": "503", "code": "-1016", "words": "System is under maintenance."}
_REJECT = {"status": "400", "code": "-2010", "words": "NEW_ORDER_REJECTED"}


class Fault(NamedTuple):
    """A kind of trouble: what it happens to, and what it may be told beside the keys of its kind, with defaults."""

    about: About
    told: dict[str, str]


FAULTS: dict[str, Fault] = {
    "latency": Fault("request", {"ms": "200", "up_to_ms": "200"}),
    "reject": Fault("request", _REJECT),
    "server_error": Fault("request", _FAILED),
    "server_error_after": Fault("request", _UNKNOWN),
    "maintenance": Fault("request", _UPKEEP),
    "timeout_before": Fault("request", _TIMEOUT),
    "timeout_after": Fault("request", _TIMEOUT),
    "drop_before": Fault("request", {}),
    "drop_after": Fault("request", {}),
    "silent_after": Fault("request", {}),
    "rate_limited": Fault("request", {"retry_after_s": "2"}),
    "banned": Fault("request", {"retry_after_s": "120"}),
    "event_late": Fault("event", {"ms": "500", "up_to_ms": "500"}),
    "event_twice": Fault("event", {"ms": "300", "up_to_ms": "300"}),
    "event_out_of_order": Fault("event", {"ms": "0", "up_to_ms": "1500"}),
    "event_lost": Fault("event", {}),
    "user_stream_dead": Fault("state", {}),
    "market_streams_dead": Fault("state", {}),
    "clock_skew": Fault("state", {"ms": "800"}),
}
"""Every fault by its name."""
BAN_STATUS = {"rate_limited": 429, "banned": 418}
"""What the faults with a Retry-After answer."""


class Rule(NamedTuple):
    """One fault: whom it may strike, when, how often, how hard."""

    fault: str
    about: About
    paths: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    odds: Decimal = Decimal(1)
    times: int | None = None
    from_ms: int = 0
    until_ms: int | None = None
    every_ms: int = 0
    for_ms: int = 0
    ms: int = 0
    up_to_ms: int = 0
    status: int = 200
    code: int = 0
    words: str = ""
    retry_after_s: int = 0

    def runs(self, at_ms: int) -> bool:
        """Tell whether it may strike so long after the start."""
        if at_ms < self.from_ms or (self.until_ms is not None and at_ms >= self.until_ms):
            return False
        return not self.every_ms or (at_ms - self.from_ms) % self.every_ms < self.for_ms

    def meets_account(self, account: str) -> bool:
        """Tell whether it is about an account."""
        return not self.accounts or account in self.accounts

    def meets_request(self, method: str, path: str, account: str) -> bool:
        """Tell whether it is about a request."""
        return (
            self.meets_account(account)
            and (not self.methods or method in self.methods)
            and (not self.paths or any(_is_of(path, pattern) for pattern in self.paths))
        )

    def meets_event(self, kind: str, account: str) -> bool:
        """Tell whether it is about an event."""
        return self.meets_account(account) and (not self.kinds or kind in self.kinds)


def read_rules(file: str, text: str) -> Sequence[Rule]:
    """Read the `faults` of a plan. Raises BadPlan."""
    return read_all(file, text, "faults", _read)


def rule(fault: str, **told: object) -> Rule:
    """Make a rule in code, under the keys and checks of a plan: `rule("timeout_after", odds="0.1", paths="/fapi/v1/order")`."""
    lines = [f"- fault: {fault}", *(f"  {key}: {_written(value)}" for key, value in told.items())]
    return read_rules("rule", "faults:\n" + "\n".join(lines))[0]


def _read(entry: Entry) -> Rule:
    name = entry.text("fault")
    if name not in FAULTS:
        raise entry.refuse(f"there is no {name!r}; known are {', '.join(FAULTS)}", "fault")
    about, told = FAULTS[name]
    ms, up_to_ms = _delay(entry, name)
    read = Rule(
        fault=name,
        about=about,
        paths=entry.texts("paths") if about == "request" else (),
        methods=entry.texts("methods") if about == "request" else (),
        accounts=entry.texts("accounts"),
        kinds=entry.texts("kinds") if about == "event" else (),
        odds=entry.number("odds", "1", 0, 1) if about != "state" else Decimal(1),
        times=entry.whole("times", None, 0, 1_000_000_000) if about != "state" and entry.has("times") else None,
        from_ms=entry.seconds_ms("from_s", "0"),
        until_ms=entry.seconds_ms("until_s", None) if entry.has("until_s") else None,
        every_ms=entry.seconds_ms("every_s", "0"),
        for_ms=entry.seconds_ms("for_s", "0"),
        ms=ms,
        up_to_ms=up_to_ms,
        status=entry.whole("status", told["status"], 400, 599) if "status" in told else BAN_STATUS.get(name, 200),
        code=entry.whole("code", told["code"], -99_999, -1) if "code" in told else 0,
        words=entry.text("words", told["words"]) if "words" in told else "",
        retry_after_s=entry.whole("retry_after_s", told["retry_after_s"], 1, 3 * 86_400) if name in BAN_STATUS else 0,
    )
    entry.done({"fault", *_KEYS[about], *told})
    _check(entry, read)
    return read


def _delay(entry: Entry, name: str) -> tuple[int, int]:
    """Take the shortest and the longest delay; where only `ms` is written, it is always that."""
    about, told = FAULTS[name]
    if about == "state":
        ms = entry.whole("ms", told["ms"], -DELAY_MS_MAX, DELAY_MS_MAX) if "ms" in told else 0
        return ms, ms
    ms = entry.whole("ms", told.get("ms", "0"), 0, DELAY_MS_MAX)
    longest = str(ms) if entry.has("ms") else told.get("up_to_ms", str(ms))
    return ms, entry.whole("up_to_ms", longest, ms, DELAY_MS_MAX)


def _check(entry: Entry, read: Rule) -> None:
    if read.until_ms is not None and read.until_ms <= read.from_ms:
        raise entry.refuse("is not after from_s", "until_s")
    if bool(read.every_ms) != bool(read.for_ms) or read.for_ms > read.every_ms:
        raise entry.refuse("every_s and for_s belong together, and for_s is the shorter one", "every_s")
    if any(method not in {"GET", "POST", "PUT", "DELETE"} for method in read.methods):
        raise entry.refuse("has something else than GET, POST, PUT, DELETE", "methods")
    if any(not path.startswith("/") for path in read.paths):
        raise entry.refuse("a path begins with /", "paths")


def _is_of(path: str, pattern: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def _written(value: object) -> str:
    """Write a value as a plan would have it."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_written(one) for one in value) + "]"
    return "'" + str(value).replace("'", "''") + "'"
