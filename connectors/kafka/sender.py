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
from collections import deque
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException

from connectors.kafka.broker_link import Link, refusal
from connectors.kafka.lanes import Clock, lanes_of
from connectors.kafka.outbox import AGAIN_MS, AWAY, BYTES_MAX, DIRECT, DRAINING, RECORDS_MAX, Outbox
from connectors.kafka.receipts import (
    FAILED,
    IN_SPOOL,
    OVERHEAD_BYTES,
    BadPartition,
    Drained,
    Group,
    Receipt,
    Refused,
    UnknownTopic,
)
from connectors.kafka.set_aside import Entry
from connectors.kafka.spool import Spool
from connectors.kafka.spool_format import packed_bytes

STALL_MS = 2_000
"""The oldest record under way is not acknowledged for so long: the broker is away. A broker under load acknowledges in tens of
milliseconds; a longer stall than necessary only delays receipts, a shorter one only writes to the disk."""
AT_START_MS = 2_000
"""A broker gets this long to answer at the start before records go to the disk."""
NOTE_MS = 200
"""How often the read position is synced while draining: a crash sends again what came after it."""
CHUNK, CHUNKS = 512, 8
"""How many records are read at once, and how often, before what is published meanwhile gets its turn."""
_CLOSING = "the publisher is closing"

log = logging.getLogger(__name__)


class Sender(Outbox):
    """Gets what is in the outbox to the broker or to the disk. One thread calls all of this."""

    def __init__(self, spool: Spool, new_link: Callable[[], Link], clock: Clock) -> None:
        """Begin as if the broker were away; its first answer changes that."""
        super().__init__(spool, new_link(), clock)
        self._new_link = new_link
        self.blocked = ""
        self.spooling: list[Receipt] = []
        self._again: deque[Group] = deque()
        now = clock.ticking_ms()
        self._hold_until, self._meet_at, self._drain_at, self._note_at = now + AT_START_MS, now, now, now
        self._lonely = False
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
        if self.spool.records and now >= self._note_at:
            self._note(now)
        return busy

    def serve(self, timeout_s: float) -> None:
        """Serve delivery reports, and finish what they brought."""
        self.link.poll(timeout_s)
        self.finish()

    def finish(self) -> None:
        """Deal with refusals, and call back who wants to know."""
        while self._refused:
            self._take_back(*self._refused.popleft())
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
            left = [(group, [one for one in group if not one.state]) for group in self.window]
            direct = [one for _, rest in left for one in rest if isinstance(one, Receipt)]
            again = [Group(rest, spooled=True, after=group.after) for group, rest in left if group.spooled]
            self._again.extendleft(reversed(again))
            self.pending.extendleft(reversed(direct))
            for one in direct:
                one.ts_ms = self._clock.wall_ms()
                self.pending_bytes += packed_bytes(one.item())
            self.window.clear()
            self.window_records = self.window_bytes = 0
            self.trouble, self._hold_until = "", self._clock.ticking_ms()

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
        if self.spool.records:
            log.info("the broker answers: sending %d records of the spool first", self.spool.records)

    def _drain(self, now: int) -> bool:
        """Send what the spool holds, in its order. Gives whether there is more."""
        for _ in range(CHUNKS):
            if self.trouble or self.window_records >= RECORDS_MAX or self.window_bytes >= BYTES_MAX:
                return False
            if self._lonely and self.window:
                return False
            self._lonely = False
            if not self._again:
                try:
                    chunk = self.spool.read(CHUNK)
                except OSError as error:
                    self.blocked, self._drain_at = f"the spool cannot be read on: {error}", now + AGAIN_MS
                    return False
                if chunk is None:
                    self._go_direct()
                    return False
                self._again.append(Group((Drained(self, item) for item in chunk.items), spooled=True, after=chunk.after))
            if not self._send_again(self._again[0], now):
                return False
            self.serve(0)
        return True

    def _send_again(self, group: Group, now: int) -> bool:
        """Send what was read. False where that must wait."""
        records = [one for one in group if isinstance(one, Drained)]
        for topic in {one.item.topic for one in records}:
            if topic not in self.lanes and not self.learn(topic):
                self.blocked, self._drain_at = f"the broker has no topic {topic}, for which records wait", now + AGAIN_MS
                return False
        self.blocked = ""
        if any(one.alone for one in records) and not self._apart(group):
            return False
        produce, lanes, size = self.link.produce, self.lanes, 0
        one = records[0] if records else None
        try:
            for one in records:
                _, ts_ms, topic, key, value, headers, partition = one.item
                size += len(value)
                if partition is None:
                    partition = lanes[topic][key]
                if headers:
                    produce(topic, value, key, partition, one.delivered, None, ts_ms, list(headers))
                else:
                    produce(topic, value, key, partition, one.delivered, None, ts_ms)
        except (BufferError, KafkaException) as error:
            assert one is not None
            self._not_taken(one, error)
            self.in_trouble(f"librdkafka does not take a record of the spool: {error}")
        # Trouble or not: the whole group counts as under way, and what was not produced is found unsettled when the link is given up.
        group.bytes_held = size + len(group) * OVERHEAD_BYTES
        with self.lock:
            self._again.popleft()
            self.add(group)
        return not self.trouble

    def _apart(self, group: Group) -> bool:
        """Take a group apart in which something was refused, so that each is sent by itself. Gives whether one may be sent now."""
        if len(group) > 1:
            self._again.popleft()
            parts = [Group([one], spooled=True, after=group.after if one is group[-1] else None) for one in group]
            self._again.extendleft(reversed(parts))
        self._lonely = True
        return len(group) == 1 and not self.window

    def _not_taken(self, one: Drained, error: BufferError | KafkaException) -> None:
        about = error.args[0]
        never = refusal(about) if isinstance(about, KafkaError) else None
        if never is not None:
            one.alone = True
            self._refused.append((one, never))

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

    def _take_back(self, one: Receipt | Drained, why: str) -> None:
        """Deal with a record the broker never takes. One of the spool is tried once more by itself: it may only have been in bad company."""
        if isinstance(one, Receipt):
            one.settle(FAILED, Refused(f"the broker refuses a record to {one.topic}: {why}"))
        elif not one.alone:
            one.alone = True
            self.in_trouble(f"a record of the spool was refused: {why}")
        else:
            item = one.item
            try:
                self.spool.set_aside.add(Entry(item.seq, 1, f"refused by the broker: {why}", item.value, item.topic, item.key))
            except OSError as error:
                self.in_trouble(f"a refused record cannot be set aside: {error}")
                return
            one.settle()

    def _note(self, now: int) -> None:
        """Have on the disk up to where the spool was acknowledged."""
        with self.lock:
            over = self.mode == DIRECT and not self._again and not any(group.spooled for group in self.window)
        reached = self.spool.cursor if over else self._reached
        if reached is None or reached == self.spool.position:
            return
        try:
            self.spool.note(reached)
            self._reached = None
        except OSError as error:
            log.error("the spool's position cannot be noted, records would be sent again after a crash: %s", error)  # noqa: TRY400 - no defect of ours
        self._note_at, self.spool_bytes = now + NOTE_MS, self.spool.bytes_used
