"""The way in from behind the exchange, under /sim/: accounts, money, faults, prices, time, and its books.

    POST /sim/accounts     {"account": "a1", "key": "…", "secret": "…", "balances": {"USDT": "10000"}, "permissions": {"enableWithdrawals": true}}
    POST /sim/transfer     {"account": "a1", "asset": "USDT", "amount": "-5"}
    POST /sim/permissions  {"account": "a1", "permissions": {"enableFutures": false}}      of all its keys
    POST /sim/listen-keys/expire  {"account": "a1"}
    PUT  /sim/faults       a plan in YAML (fault_rules); its prices begin now, too         GET: how often each fault struck
    POST /sim/prices       YAML with `prices:` (price_script), times counting from now
    POST /sim/clock        {"by_ms": 1000} or {"to_ms": …}, where the time is moved by hand
    GET  /sim/books        everything of all accounts (truth)
    GET  /sim/state        how it is

Decides: what can be done from here; what is wrong is answered with 400 and {"error": …}. Leaves to others: doing it. There is no proof asked for:
it listens on this machine only, and the money is not real.
"""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.exchange.simulator import truth
from connectors.exchange.simulator.clocks import ManualClock
from connectors.exchange.simulator.fault_rules import read_rules
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.journal import Journal
from connectors.exchange.simulator.plan_file import BadPlan
from connectors.exchange.simulator.price_script import ScriptedPrices, read_script
from connectors.exchange.simulator.records import Refused
from connectors.exchange.simulator.signing import PERMISSIONS, Key
from connectors.exchange.simulator.user_events import UserEvents

MOVE_MS_MAX = 30 * 86_400_000
"""A month at once is more than any test needs, and some minutes of computing."""


class BadRequest(ValueError):
    """What was sent cannot be used."""


class Admin:
    """Does what is asked from behind."""

    def __init__(
        self, house: House, events: UserEvents, journal: Journal, script: ScriptedPrices | None, tick: Callable[[], None]
    ) -> None:
        """Begin; without `script` prices are somebody else's."""
        self._house, self._events, self._journal, self._script, self._tick = house, events, journal, script, tick
        self._deeds: dict[tuple[str, str], Callable[[str], object]] = {
            ("POST", "/sim/accounts"): self._open,
            ("POST", "/sim/transfer"): self._transfer,
            ("POST", "/sim/permissions"): self._permit,
            ("POST", "/sim/listen-keys/expire"): self._expire,
            ("PUT", "/sim/faults"): self._set_faults,
            ("GET", "/sim/faults"): lambda _body: dict(self._house.faults.tallies),
            ("POST", "/sim/prices"): self._add_prices,
            ("POST", "/sim/clock"): self._move_clock,
            ("GET", "/sim/books"): lambda _body: truth.books(self._house),
            ("GET", "/sim/state"): lambda _body: truth.state(self._house),
        }

    def take(self, method: str, path: str, body: str) -> tuple[int, object]:
        """Do what is asked; gives the status and the answer."""
        deed = self._deeds.get((method, path))
        if deed is None:
            return 404, {"error": f"there is no {method} {path}"}
        if method != "GET":
            self._journal.write(
                self._house.clock.now_ms(), "admin", "", {"method": method, "path": path, "body": _readable(body)}
            )
        try:
            return 200, deed(body)
        except (BadRequest, BadPlan, Refused) as refused:
            return 400, {"error": str(refused)}

    def _open(self, body: str) -> object:
        told = _told(body)
        account, key, secret = (_text(told, name) for name in ("account", "key", "secret"))
        balances = {str(asset): _money(amount) for asset, amount in _table(told, "balances").items()}
        made = Key(account, key, secret, self._house.clock.now_ms(), {**PERMISSIONS, **_permissions(told)})
        try:
            self._house.open(made, balances)
        except ValueError as taken:
            raise BadRequest(str(taken)) from taken
        return {"account": account}

    def _transfer(self, body: str) -> object:
        told, now_ms = _told(body), self._house.clock.now_ms()
        self._house.engine.transfer(_text(told, "account"), _text(told, "asset"), _money(told.get("amount")), now_ms)
        self._events.flush(now_ms)
        return {}

    def _permit(self, body: str) -> object:
        told = _told(body)
        for key in self._house.keys.of(_text(told, "account")):
            key.permissions |= _permissions(told)
        return {}

    def _expire(self, body: str) -> object:
        self._events.end_key(_text(_told(body), "account"), self._house.clock.now_ms())
        return {}

    def _set_faults(self, body: str) -> object:
        rules = read_rules("faults", body)
        read_script("faults", body)
        self._house.faults.replace(rules, self._house.clock.now_ms())
        return {"rules": len(rules), **self._add_prices(body)}

    def _add_prices(self, body: str) -> dict[str, object]:
        events = read_script("prices", body)
        if events and self._script is None:
            raise BadRequest("the prices of this exchange cannot be moved from here")
        for event in events:
            assert self._script is not None, "looked at above"
            try:
                self._script.add(event._replace(at_ms=event.at_ms + self._house.clock.now_ms() - self._house.started_ms))
            except ValueError as wrong:
                raise BadRequest(str(wrong)) from wrong
        return {"events": len(events)}

    def _move_clock(self, body: str) -> object:
        clock, told = self._house.clock, _told(body)
        if not isinstance(clock, ManualClock):
            raise BadRequest("the time goes by itself; start with --clock manual to move it")
        by_ms, now_ms = told.get("by_ms"), clock.now_ms()
        to_ms = now_ms + by_ms if isinstance(by_ms, int) else told.get("to_ms")
        if not isinstance(to_ms, int) or not now_ms <= to_ms <= now_ms + MOVE_MS_MAX:
            raise BadRequest(f"by_ms or to_ms is wanted, at most {MOVE_MS_MAX} ms ahead")
        clock.move_to(to_ms)
        self._tick()
        return {"now_ms": to_ms}


def _told(body: str) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError as wrong:
        raise BadRequest(f"no JSON: {wrong}") from wrong
    if not isinstance(told, dict):
        raise BadRequest("an object is wanted")
    return told


def _readable(body: str) -> object:
    """Give a body as the journal may keep it: without what is secret in it."""
    try:
        return json.loads(body)
    except ValueError:
        return body[:2_000]


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"{name} is wanted, a text")
    return value


def _table(told: dict[str, Any], name: str) -> dict[str, Any]:
    value = told.get(name, {})
    if not isinstance(value, dict):
        raise BadRequest(f"{name} is to be an object")
    return value


def _permissions(told: dict[str, Any]) -> dict[str, bool]:
    found = _table(told, "permissions")
    for name, value in found.items():
        if name not in PERMISSIONS or not isinstance(value, bool):
            raise BadRequest(f"permissions: {name} is not known, or neither true nor false; known are {', '.join(PERMISSIONS)}")
    return found


def _money(value: object) -> Decimal:
    try:
        amount = Decimal(value) if isinstance(value, str) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise BadRequest(f"{value!r} is no amount; amounts are text")
    return amount
