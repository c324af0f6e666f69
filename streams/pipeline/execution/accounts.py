"""The accounts of a partition: each is checked, listened to, and compared with the exchange again and again.

Decides: when an account may trade (checked, its symbol set up, reconciled), what halts it and until when (its keys are refused, until they are not,
or until it is opened again with others), what becomes of each event of its stream, and when it is compared: when the stream begins, again after each
break, and every so often. Leaves to others: what is compared (reconciling), what a report means for an order (settling).
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from streams.exchange.errors import ExchangeError, Fatal
from streams.exchange.port import AccountRef, Connected, Lost, OrderReport, Payment, StopReport, Trade, UserEvent
from streams.pipeline.execution.asking import Backoff
from streams.pipeline.execution.gate import Standing
from streams.pipeline.execution.means import Means
from streams.pipeline.execution.protecting import Protecting
from streams.pipeline.execution.reconciling import Reconciling
from streams.pipeline.execution.tasks import Tasks
from streams.pipeline.execution.trades import Trades
from streams.pipeline.execution.watch import Watch

STREAM_S = 2.0
"""How long the first comparison waits for the stream: what happens before that runs would have to be compared again."""
LOOK_S = 0.2
"""How often it is looked whether there are new accounts, and whether one is due to be compared."""


class Accounts:
    """Serves accounts."""

    def __init__(
        self,
        means: Means,
        tasks: Tasks,
        standing: Standing,
        trades: Trades,
        reconciling: Reconciling,
        protecting: Protecting,
        watch_of: Callable[[str], Watch | None],
    ) -> None:
        """Serve with these. `watch_of` finds who follows an attempt, by its client id."""
        self._means, self._tasks, self._standing, self._trades = means, tasks, standing, trades
        self._reconciling, self._protecting = reconciling, protecting
        self._watch_of = watch_of
        self._served: dict[str, AccountRef] = {}
        self._serving: dict[str, list[asyncio.Task[None]]] = {}
        self._heard: set[str] = set()
        self._setting_up: dict[str, set[str]] = {}
        self._introduced: set[str] = set()
        self._deaf: set[str] = set()
        """Accounts that are halted because their stream is refused."""

    @property
    def served(self) -> Iterable[str]:
        """Give who is served."""
        return self._served

    def hears(self, account: str) -> bool:
        """Tell whether the stream of an account runs."""
        return account in self._heard

    async def introduced(self, account: str) -> None:
        """Wait until the exchange has heard of an account: before, it answers nothing that is asked for it."""
        while account not in self._introduced:
            await self._means.sleep(LOOK_S)

    async def serve(self, is_mine: Callable[[str], bool]) -> None:
        """Begin with each account as soon as it is known, once all of `control` was read: its last opening counts."""
        brakes, seen = self._means.brakes, -1
        while True:
            if brakes.was_read and brakes.openings != seen:
                seen = brakes.openings
                for ref in brakes.accounts.values():
                    if is_mine(ref.account) and self._served.get(ref.account) != ref:
                        self.begin(ref)
            await self._means.sleep(LOOK_S)

    def begin(self, ref: AccountRef) -> None:
        """Serve an account from now on; one that was served already is checked anew, and whatever halted it is over."""
        account = ref.account
        for task in self._serving.pop(account, ()):
            task.cancel()
        self._served[account] = ref
        for names in (self._standing.reconciled, self._introduced, self._heard, self._deaf):
            names.discard(account)
        self._standing.halted.pop(account, None)
        self._standing.openings[account] += 1
        self._spawn(account, self._serve(ref))
        for symbol in self._setting_up.get(account, ()):
            self._standing.ready.discard((account, symbol))
            self._spawn(account, self._set_up(account, symbol))

    def _spawn(self, account: str, what: Coroutine[Any, Any, None]) -> None:
        """Begin something that ends when the account is served anew."""
        self._serving.setdefault(account, []).append(self._tasks.spawn(what))

    def set_up(self, account: str, symbol: str) -> None:
        """Have a symbol set up for an account, once, as soon as that account is served."""
        if symbol not in self._setting_up.setdefault(account, set()):
            self._setting_up[account].add(symbol)
            self._spawn(account, self._set_up(account, symbol))

    async def _set_up(self, account: str, symbol: str) -> None:
        while account not in self._introduced or not self._reconciling.begun(account):
            await self._means.sleep(LOOK_S)
        await self._checked(self._served[account], (symbol,))
        self._standing.ready.add((account, symbol))

    async def _serve(self, ref: AccountRef) -> None:
        account = ref.account
        await self._checked(ref, ())
        await self._reconciling.begin(account)
        self._reconciling.due(account, STREAM_S)
        self._spawn(account, self._compared(account))
        backoff = Backoff(self._means, f"stream of account {account}")
        while True:
            try:
                async for event in self._means.exchange.events(account):
                    self._hear(account, event)
            except Fatal as fatal:  # the keys are refused: this account's trouble, and no other's
                self._heard.discard(account)
                if account not in self._standing.halted:
                    self._deaf.add(account)
                    self._halt(account, fatal)
                await backoff.wait(fatal)

    def _hear(self, account: str, event: UserEvent) -> None:
        if isinstance(event, Connected):
            self._heard.add(account)
            if account in self._deaf:
                self._deaf.remove(account)
                self._standing.halted.pop(account, None)
            self._reconciling.due(account)
        elif isinstance(event, Lost):
            self._heard.discard(account)
            self._means.alert(f"account {account}: its stream was lost: {event.reason}")
        else:
            self._take(account, event)

    def _halt(self, account: str, fatal: Fatal) -> None:
        self._standing.halted[account] = str(fatal)
        self._means.alert(f"account {account} is halted: {fatal}")

    async def _checked(self, ref: AccountRef, symbols: tuple[str, ...]) -> None:
        backoff, halts = Backoff(self._means, f"check of account {ref.account}"), False
        while True:
            try:
                await self._introduce(ref, symbols)
            except Fatal as fatal:
                if ref.account not in self._standing.halted:
                    halts = True
                    self._halt(ref.account, fatal)
                await backoff.wait(fatal)
            except ExchangeError as error:
                await backoff.wait(error)
            else:
                if halts:  # what somebody else has halted waits for a person
                    del self._standing.halted[ref.account]
                return

    async def _introduce(self, ref: AccountRef, symbols: tuple[str, ...]) -> None:
        try:
            await self._means.exchange.check(ref, symbols)
        except ExchangeError:  # it has said something; not so where this ends because there are other keys now
            self._introduced.add(ref.account)
            raise
        self._introduced.add(ref.account)

    async def _compared(self, account: str) -> None:
        """Compare for ever, whenever it is due."""
        backoff = Backoff(self._means, f"comparing account {account}")
        while True:
            if not self._reconciling.is_due(account):
                await self._means.sleep(LOOK_S)
                continue
            try:
                await self._reconciling.sweep(account)
            except ExchangeError as error:
                await backoff.wait(error)
            else:
                backoff = Backoff(self._means, f"comparing account {account}")
                if account not in self._reconciling.unexplained:
                    self._standing.reconciled.add(account)

    def _take(self, account: str, event: UserEvent) -> None:
        if isinstance(event, OrderReport):
            watch = self._watch_of(event.client_id)
            if watch is not None:
                watch.put(event)
            else:
                self._reconciling.foreign(account, event)
        elif isinstance(event, Trade):
            self._tasks.spawn(self._trade(account, event))
        elif isinstance(event, Payment):
            self._tasks.spawn(self._reconciling.pay(account, event))
        elif isinstance(event, StopReport) and self._protecting.stop_report(account, event):
            self._reconciling.due(account)

    async def _trade(self, account: str, trade: Trade) -> None:
        await self._trades.say(account, trade, trade.client_id)
        watch = self._watch_of(trade.client_id)
        if watch is not None:
            watch.stir()
