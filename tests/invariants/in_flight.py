"""Invariants 3, 6 and 7: what is in flight stays within every limit, nothing adds risk after a trip, and REDUCING only reduces.

Decides: by a mirror of the open orders, made of what the desk said and what the exchange answered, what could still happen at each approval.
"""

from decimal import Decimal
from fractions import Fraction

from streams.desk import portfolio
from streams.desk.desk import Outcome
from streams.desk.messages import AccountEvent, Control, Fill, OrderEvent, TapeEvent
from streams.desk.modes import mode_of
from streams.desk.outputs import Cancel, Decision, Fate, Order
from streams.desk.state import Account, State
from streams.desk.values import ZERO, exact
from tests.reference_books import NEAR
from tests.rough_market import Observer

ENDS = ("REJECTED", "CANCELLED", "EXPIRED")
RATE_WINDOW_MS = 10_000


class OrdersInFlight(Observer):
    """Mirrors open orders; judges every approval by them."""

    def __init__(self) -> None:
        self.open: dict[str, Order] = {}
        self.rest: dict[str, Decimal] = {}
        self.cancelled: set[str] = set()
        self.sent_ms: dict[str, list[int]] = {}
        self.matched: Order | None = None
        """The order the last fill belongs to, where it was open and no more was traded than was left of it."""

    def after(self, event: TapeEvent, outcome: Outcome) -> None:
        """Follow the exchange's word, then the desk's."""
        state, body = outcome.state, event.body
        if isinstance(body, Fill) and outcome.fate is Fate.APPLIED:
            self._fill(body)
        elif isinstance(body, OrderEvent) and outcome.fate is Fate.APPLIED and body.kind in ENDS:
            self._end(body.order_id)
        approved = [output for output in outcome.outputs if isinstance(output, Order)]
        for order in approved:
            self.open[order.order_id], self.rest[order.order_id] = order, order.quantity
            self.sent_ms.setdefault(order.account, []).append(order.ts)
        self.cancelled |= {output.order_id for output in outcome.outputs if isinstance(output, Cancel)}
        for name, account in state.accounts.items():
            mirrored = {order_id: self.rest[order_id] for order_id, order in self.open.items() if order.account == name}
            assert {order.order_id: order.rest for order in account.orders.values()} == mirrored, (
                f"{name} at offset {event.offset}"
            )
        with exact():
            for order in approved:
                self._judge(state, state.accounts[order.account], order)

    def _fill(self, fill: Fill) -> None:
        order = self.open.get(fill.order_id)
        self.matched = None
        if order is not None and (order.account, order.symbol, order.side) == (fill.account, fill.symbol, fill.side):
            self.matched = order if self.rest[fill.order_id] >= fill.quantity else None
            with exact():
                self.rest[fill.order_id] -= fill.quantity
            if self.rest[fill.order_id] <= 0:
                self._end(fill.order_id)

    def _end(self, order_id: str) -> None:
        del self.open[order_id], self.rest[order_id]

    def sums(self, account: Account, symbol: str) -> tuple[Decimal, Decimal, Decimal]:
        """Give what open orders of a symbol may still buy, sell, and reduce."""
        buys = sells = reduces = ZERO
        held = account.positions[symbol].quantity if symbol in account.positions else ZERO
        for order_id, order in self.open.items():
            if (order.account, order.symbol) == (account.account, symbol):
                if order.reduce_only:
                    reduces += self.rest[order_id] if (order.side == "SELL") == (held > 0) else ZERO
                elif order.side == "BUY":
                    buys += self.rest[order_id]
                else:
                    sells += self.rest[order_id]
        return buys, sells, reduces

    def reach(self, account: Account, symbol: str) -> tuple[Decimal, Decimal]:
        """Give the longest and the shortest a symbol can come to be."""
        held = account.positions[symbol].quantity if symbol in account.positions else ZERO
        buys, sells, _ = self.sums(account, symbol)
        return max(ZERO, held + buys), min(ZERO, held - sells)

    def _judge(self, state: State, account: Account, order: Order) -> None:
        where = f"{order.order_id} at offset {order.offset}"
        if order.reduce_only:
            quantity = account.positions[order.symbol].quantity
            assert (order.side == "SELL") == (quantity > 0), f"{where} does not reduce {quantity}"
            assert self.sums(account, order.symbol)[2] <= abs(quantity), f"{where} reduces more than {quantity}"
            return
        phase = state.phase_of(account)
        assert phase is not None, where
        # Dust cannot be sold and is worth less than the smallest order: it takes nobody's place.
        held = {symbol for symbol, position in account.positions.items() if not position.dust}
        used = held | {one.symbol for one in self.open.values() if one.account == account.account and not one.reduce_only}
        symbols = used | {order.symbol}
        assert state.now_ms - state.policy_ms <= phase.age.policy_s_max * 1000, f"{where}: on a stale policy"
        assert all(state.now_ms - state.mark_ms[symbol] <= phase.age.mark_s_max * 1000 for symbol in symbols), (
            f"{where}: on stale prices"
        )
        assert all((state.enabled, account.enabled, account.in_service)), f"{where}: while switched off"
        assert not any((account.doubt, account.adjustments, account.fees_owed)), f"{where}: while in doubt"
        values = {}
        for symbol in used:
            longest, shortest = self.reach(account, symbol)
            values[symbol] = max(longest, -shortest) * state.marks[symbol].mark
        worth, total = portfolio.equity(state, account), sum(values.values(), ZERO)
        assert worth is not None, where
        assert len(used) <= phase.size.positions_max, where
        assert values[order.symbol] <= phase.size.max_position_usd, where
        assert total <= phase.size.max_exposure_usd, where
        assert total <= min(phase.size.leverage_max, account.leverage) * worth, where
        assert len(account.orders) <= min(phase.orders.open_max, state.instruments[order.symbol].max_open_orders), where
        recent = [ms for ms in self.sent_ms[account.account] if ms > order.ts - RATE_WINDOW_MS]
        assert len(recent) <= phase.orders.per_10s_max, where
        self.sent_ms[account.account] = recent


class StopHolds(Observer):
    """Follows trips and resets by what the desk says of them; between the two nothing adds risk."""

    def __init__(self, orders: OrdersInFlight) -> None:
        self.orders = orders
        self.tripped: set[str] = set()

    def after(self, event: TapeEvent, outcome: Outcome) -> None:
        """Go through the outputs in their order."""
        for output in outcome.outputs:
            if (
                isinstance(output, Decision)
                and output.verdict == "APPLIED"
                and output.code == ("TRIPPED" if output.kind == "ESS" else "RESET")
            ):
                if output.kind == "ESS":
                    self.tripped.add(output.account)
                elif output.kind == "COMMAND":
                    self.tripped.discard(output.account)
                    assert isinstance(event.body, Control), "re-armed without a command"
                    assert event.body.user, "re-armed by nobody"
                    assert event.body.reason, "re-armed for no reason"
                    if output.account != "*":
                        self._assert_rebased(outcome.state, outcome.state.accounts[output.account])
            elif isinstance(output, Order) and not output.reduce_only:
                assert not self.tripped & {output.account, "*"}, f"{output.order_id} adds risk after a trip"
        self._assert_remembered(outcome.state)

    def _assert_rebased(self, state: State, account: Account) -> None:
        stop = account.stop
        with exact():
            assert account.high_water == portfolio.equity(state, account), "a reset starts from what the account is worth"
        assert (stop.trip_ms, stop.trip_reason, stop.cooldown_start_ms) == (None, "", None)

    def _assert_remembered(self, state: State) -> None:
        assert state.stop.armed == ("*" not in self.tripped)
        for name, account in state.accounts.items():
            assert account.stop.armed == (name not in self.tripped), name
        for order_id, order in self.orders.open.items():
            if self.tripped & {order.account, "*"} and not order.reduce_only:
                assert order_id in self.orders.cancelled, f"{order_id} was left open at a trip"


class DrawdownIsWatched(Observer):
    """No account whose stop is armed is worth more than its high-water mark, nor has it fallen to its limit, at any moment.

    A transfer changes neither: the mark moves in proportion.
    """

    def __init__(self) -> None:
        self.share: dict[str, tuple[Decimal, Decimal]] = {}

    def before(self, state: State) -> None:
        """Note what share of its high-water mark each account is worth."""
        with exact():
            worths = {name: portfolio.equity(state, account) for name, account in state.accounts.items()}
        self.share = {
            name: (worth, state.accounts[name].high_water) for name, worth in worths.items() if worth is not None and worth > 0
        }

    def after(self, event: TapeEvent, outcome: Outcome) -> None:
        """Value every account exactly, whoever the desk has looked at."""
        state = outcome.state
        if isinstance(event.body, AccountEvent) and outcome.fate is Fate.APPLIED and event.body.kind in ("DEPOSIT", "WITHDRAWAL"):
            self._assert_in_proportion(state, state.accounts[event.body.account])
        with exact():
            for account in state.accounts.values():
                worth, phase = portfolio.equity(state, account), state.phase_of(account)
                if worth is None or phase is None or not account.stop.armed:
                    continue
                where = f"{account.account} at offset {event.offset}"
                assert worth <= account.high_water, f"{where}: a new high was missed"
                fallen = (account.high_water - worth) * 100 >= phase.ess.drawdown_pct * account.high_water
                assert not fallen or not (account.high_water or account.positions), f"{where}: it has fallen to its limit"

    def _assert_in_proportion(self, state: State, account: Account) -> None:
        with exact():
            worth = portfolio.equity(state, account)
        if account.account in self.share and worth is not None and worth > 0:
            worth_before, high_before = self.share[account.account]
            difference = Fraction(account.high_water) - Fraction(high_before) * Fraction(worth) / Fraction(worth_before)
            assert abs(difference) <= NEAR, f"{account.account}: a transfer changed the drawdown"


class ReducingOnlyReduces(Observer):
    """While an account may only reduce, what it holds and may come to hold never grows by anything the desk has ordered, nor changes sign."""

    def __init__(self, orders: OrdersInFlight) -> None:
        self.orders = orders
        self.reach: dict[tuple[str, str], tuple[Decimal, Decimal]] = {}

    def before(self, state: State) -> None:
        """Note who may only reduce, and how far each symbol reaches. Orders must come first among the observers."""
        self.reach = {
            (name, symbol): self.orders.reach(account, symbol)
            for name, account in state.accounts.items()
            if mode_of(state, account) != "NORMAL"
            for symbol in state.instruments
        }

    def after(self, event: TapeEvent, outcome: Outcome) -> None:
        """Compare, but for what the desk has not ordered: trades of others, trades too large, fees in the coin itself, corrections."""
        state, body = outcome.state, event.body
        for (name, symbol), (longest, shortest) in self.reach.items():
            account = state.accounts[name]
            if mode_of(state, account) == "NORMAL" or (
                isinstance(body, Fill | AccountEvent) and not self._as_ordered(state, body)
            ):
                continue
            now_longest, now_shortest = self.orders.reach(account, symbol)
            assert now_longest <= longest, f"{name} {symbol} reaches {now_longest} from {longest} at offset {event.offset}"
            assert now_shortest >= shortest, f"{name} {symbol} reaches {now_shortest} from {shortest} at offset {event.offset}"

    def _as_ordered(self, state: State, body: Fill | AccountEvent) -> bool:
        order = self.orders.matched
        if not isinstance(body, Fill) or order is None or body.fee_currency == state.instruments[body.symbol].base:
            return False
        account = state.accounts[body.account]
        held = account.positions[body.symbol].quantity if body.symbol in account.positions else ZERO
        # A reduce-only order that trades more than is left to reduce is the exchange's doing: it was given when there was enough. And where
        # somebody else's trade turned a position against an open entry, closing it meets the entry on the same side.
        buys, sells, _ = self.orders.sums(account, body.symbol)
        alone = not (buys if body.side == "BUY" else sells)
        return not order.reduce_only or (alone and (held == 0 or (held < 0) == (body.side == "BUY")))
