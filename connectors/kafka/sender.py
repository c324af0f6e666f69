"""The sender: gets records to the broker, past the disk when it is away, in the order they were published.

Decides: when a broker counts as away, what goes to the disk, what is sent first when it is back, and when records may go straight to it
again. Leaves to others: threads and the caller's side (publisher.py), the connection (broker_link.py), the disk (spool.py).

    AWAY ──the broker answers──▶ DRAINING ──everything of the spool is on its way──▶ DIRECT
      ▲                             │                                                  │
      └─────────────── a record fails, or the oldest stands still ─────────────────────┘

The order holds because each change takes place under the lock, and what is under way at a trouble is never left behind: the link is given
up as a whole, records of the spool that are not acknowledged are sent again before anything else of it, and direct ones go to the spool
before all that was published later.
"""

import logging
from collections.abc import Callable

from connectors.kafka.block_sending import Routes
from connectors.kafka.broker_link import Link
from connectors.kafka.draining import CHUNKS, Draining, again
from connectors.kafka.lanes import Clock, lanes_of
from connectors.kafka.outbox import AGAIN_MS, AWAY, DIRECT, DRAINING, RECORDS_MAX, refused
from connectors.kafka.receipts import AT_BROKER, FAILED, IN_SPOOL, BadPartition, Receipt, Refused, UnknownTopic
from connectors.kafka.spool import Spool
from connectors.kafka.spool_format import packed_bytes
from connectors.kafka.under_way import Group

STALL_MS = 2_000
"""The oldest record under way is not acknowledged for so long: the broker is away. A broker under load acknowledges in tens of
milliseconds; a longer stall than necessary only delays receipts, a shorter one only writes to the disk."""
AT_START_MS = 2_000
"""A broker gets this long to answer at the start before records go to the disk."""
NOTE_MS = 200
"""How often the read position is synced while draining: a crash sends again what came after it."""
_CLOSING = "the publisher is closing"

log = logging.getLogger(__name__)


class Sender(Draining):
    """Gets what is in the outbox to the broker or to the disk. One thread calls all of this."""

    def __init__(self, spool: Spool, new_link: Callable[[], Link], clock: Clock) -> None:
        """Begin as if the broker were away; its first answer changes that."""
        super().__init__(spool, new_link(), clock)
        self._new_link = new_link
        self.spooling: list[Receipt] = []
        now = clock.ticking_ms()
        self._hold_until, self._meet_at, self._note_at = now + AT_START_MS, now, now
        self._head: Group | None = None
        self._head_since = now

    def step(self) -> bool:
        """Do what is to be done now, once. Gives whether there is more to do at once."""
        now, busy = self._clock.ticking_ms(), False
        self._look(now)
        if self.mode != DIRECT:
            if self.pending and (now >= self._hold_until or len(self.pending) > RECORDS_MAX // 2):
                self._to_spool()
                busy = True
            if self.mode == AWAY:
                self._meet(now)
            elif now >= self._drain_at:
                busy = self._drain(now) or busy
        if self.spool.records:
            with self.lock:
                due = now >= self._note_at or self._over()
            if due:
                self._note(now)
        if self.window:
            self.trim()  # what was closed above may have arrived long ago
        return busy

    def serve(self, timeout_s: float) -> None:
        """Serve delivery reports, and finish what they brought."""
        self.link.poll(timeout_s)
        self.finish()

    def finish(self) -> None:
        """Deal with refusals, and call back who wants to know."""
        self.set_aside_refused()
        self.trim()
        while self._called:
            receipt = self._called.popleft()
            calls, receipt.callbacks = receipt.callbacks, None
            for call in calls or ():
                call(receipt)

    def end(self) -> None:
        """Give up the link, and bring to the disk what is not acknowledged. What does not fit there fails."""
        self._give_up(_CLOSING)
        self._to_spool()
        self._note(self._clock.ticking_ms())
        self.finish()

    def _look(self, now: int) -> None:
        """See whether the broker has gone: a record failed, or the oldest stands still."""
        with self.lock:
            self.close_group()
            head = self.window[0] if self.window else None
        if self.link.fatal and self.mode != AWAY:
            self.in_trouble(self.link.fatal)
        if head is not self._head:
            self._head, self._head_since = head, now
        if head is not None and now - self._head_since >= STALL_MS and not self.trouble:
            self.in_trouble(f"no acknowledgement for {STALL_MS / 1000:.0f} s")
        if self.trouble and self.mode != AWAY:
            self._give_up(self.trouble)
            self._meet_at = now + AGAIN_MS
            self.link = self._new_link()

    def _give_up(self, reason: str) -> None:
        """Change to AWAY, and put what was under way where its order demands."""
        with self.lock:
            self.mode, self.reason = AWAY, reason
            self.close_group()
            self.see_room()
        if self.window_records or reason != _CLOSING:  # an end with nothing under way is nobody's concern
            log.warning("no broker (%s): %d records were under way", reason, self.window_records)
        self.link.give_up()
        self.finish()
        with self.lock:
            direct: list[Receipt] = []
            spooled: list[Group] = []
            for group in self.window:
                group.given_up = True
                if group.spooled:
                    spooled.append(again(group))
                else:
                    direct += self._not_arrived(group)
            self._again.extendleft(reversed(spooled))
            self.pending.extendleft(reversed(direct))
            for one in direct:
                one.ts_ms = self._clock.wall_ms()
                self.pending_bytes += packed_bytes(one.item())
            self.window.clear()
            self.window_units = self.window_records = 0
            self.trouble, self._hold_until = "", self._clock.ticking_ms()

    def _not_arrived(self, group: Group) -> list[Receipt]:
        """Give the receipts of a group whose records must be brought to the broker by another way; settle the others."""
        left = {id(one): why for one, why in group.left()}
        found = []
        for one in group:
            if not isinstance(one, Receipt):
                continue
            why = left.get(id(one))
            if why is not None:
                one.settle(FAILED, refused(one, why))
            elif id(one) in left:
                found.append(one)
            else:
                one.settle(AT_BROKER)
                self.acknowledged += 1
        return found

    def _to_spool(self) -> None:
        """Bring what waits to the disk, as one group."""
        with self.lock:
            group = [one for one in self.pending if not one.state]
            self.pending.clear()
            self.pending_bytes = 0
            self.spooling = group
        done, problem = self.spool.append([one.item() for one in group])
        self.spool_bytes = self.spool.bytes_used
        for one in group[:done]:
            one.settle(IN_SPOOL)
        for one in group[done:]:
            one.settle(FAILED, problem)
        if problem is not None and str(problem) != str(self.problem):
            log.error("%s", problem)
        if group:
            self.problem, self.problem_until = problem, self._clock.ticking_ms() + AGAIN_MS
        self.finish()

    def _meet(self, now: int) -> None:
        """See whether the broker is back."""
        topics = self.link.topics()
        if topics is None or now < self._meet_at:
            return
        with self.lock:
            self.lanes, self.mode = lanes_of(self.lanes, topics), DRAINING
            self._routes = Routes(self.lanes)
            self.missing.clear()
        if self.spool.records:
            log.info("the broker answers: sending %d records of the spool first", self.spool.records)

    def _drain(self, now: int) -> bool:
        """Send what the spool holds, in its order. Gives whether there is more."""
        for _ in range(CHUNKS):
            more = self.send_chunk(now)
            if more is None:
                self._go_direct()
            if not more:
                return False
            self.serve(0)
        return True

    def _go_direct(self) -> None:
        """Everything of the spool is on its way: let what waits follow it, and what is published from now on."""
        for topic in {one.topic for one in tuple(self.pending)}:
            if topic not in self.lanes and self.learn(topic) == 0:
                for one in tuple(self.pending):
                    if one.topic == topic:
                        one.settle(FAILED, UnknownTopic(f"the broker has no topic {topic}: ./qts topics create"))
        with self.lock:
            while self.pending:
                one = self.pending[0]
                try:
                    if not one.state and not self.send(one):
                        return
                except (BadPartition, Refused) as wrong:
                    one.settle(FAILED, wrong)
                except KeyError:
                    return  # a topic that came meanwhile: next time
                self.pending.popleft()
            self.pending_bytes = 0
            self.mode, self.reason, self.problem = DIRECT, "", None
            self.see_room()

    def _over(self) -> bool:
        """Tell whether all of the spool was acknowledged. Hold the lock."""
        return self.mode == DIRECT and not self._again and not any(group.spooled for group in self.window)

    def _note(self, now: int) -> None:
        """Have on the disk up to where the spool was acknowledged."""
        with self.lock:
            over = self._over()
        reached = self.spool.cursor if over else self._reached
        if reached is None or reached == self.spool.position:
            return
        try:
            self.spool.note(reached)
            self._reached = None
        except OSError as error:
            log.error("the spool's position cannot be noted, records would be sent again after a crash: %s", error)  # noqa: TRY400 - no defect of ours
        self._note_at, self.spool_bytes = now + NOTE_MS, self.spool.bytes_used
