"""Records of the spool on their way to the broker.

Decides: how they are sent: straight from the bytes of a segment, and with care from the first one on that needs it: after trouble, where its
topic is not known, or where librdkafka or the broker does not take it. What becomes of a record that is never taken. Leaves to others: when
(sender.py), sending what needs no care (block_sending.py), reading (spool.py).
"""

from collections import deque
from functools import partial

from confluent_kafka import KafkaException

from connectors.kafka.block_sending import Routes, sent
from connectors.kafka.broker_link import Link, never_taken
from connectors.kafka.lanes import Clock
from connectors.kafka.outbox import AGAIN_MS, UNITS_MAX, Outbox
from connectors.kafka.set_aside import Entry
from connectors.kafka.spool import Spool
from connectors.kafka.spool_format import Item
from connectors.kafka.under_way import Block, Group, content_of

CHUNK, CHUNKS = 512, 8
"""How many records are read at once, and how often, before what is published meanwhile gets its turn."""
MISSING_MS = 120_000
"""The broker answers for so long that a topic does not exist: then its records are set aside, so that a mistyped name does not hold up all
others for ever. Long enough for `./qts topics create` after a broker was set up anew."""


class Draining(Outbox):
    """Sends what the spool holds, in its order. One thread calls all of this."""

    def __init__(self, spool: Spool, link: Link, clock: Clock) -> None:
        """Begin with nothing under way."""
        super().__init__(spool, link, clock)
        self.blocked = ""
        self.missing: dict[str, int] = {}
        """The topics the broker does not have, and since when it says so."""
        self._again: deque[Group] = deque()
        """What was under way on an earlier link, or needs care."""
        self._routes = Routes(self.lanes)
        self._lonely = False
        self._drain_at = clock.ticking_ms()

    def send_chunk(self, now: int) -> bool | None:
        """Send the next records. False where they must wait, None when all is on its way."""
        if self.trouble or self.window_units >= UNITS_MAX or (self._lonely and self.window):
            return False
        self._lonely = False
        try:
            if not self._again and self._send_block():
                return not self.trouble
            if not self._again:
                chunk = self.spool.read(CHUNK)
                if chunk is None:
                    return None
                self._again.append(Group(self, chunk.items, spooled=True, after=chunk.after))
        except OSError as error:
            self.blocked, self._drain_at = f"the spool cannot be read on: {error}", now + AGAIN_MS
            return False
        return self._send_again(self._again[0], now)

    def set_aside_refused(self) -> None:
        """Set aside what the broker refused by itself, so that nothing else can be the reason."""
        head = self.window[0] if self.window else None
        if head is None or not (head.alone and head.reported and head.failed):
            return
        left = [(one, why) for one, why in head.left() if isinstance(one, Item)]
        if any(why is None for _, why in left):
            return
        try:
            self.spool.set_aside.add(*(_entry(one, f"refused by the broker: {why}") for one, why in left))
        except OSError as error:
            self.in_trouble(f"a refused record cannot be set aside: {error}")
            return
        head.failed.clear()

    def _send_block(self) -> bool:
        """Send records that need no care. False where there are none."""
        group = Group(self, spooled=True)
        take = partial(sent, count=CHUNK, produce=self.link.produce, routes=self._routes, tail=group.begin())
        shown = self.spool.pass_on(take)
        del take  # it holds the tail
        if shown is None or not shown.records:
            return False
        group.block, group.after = Block(*shown[:5]), shown.after
        group.units = shown.records + (shown.after.at - shown.offset - shown.at >> 10)
        self.blocked = ""
        with self.lock:
            self.add(group)
        return True

    def _send_again(self, group: Group, now: int) -> bool:
        """Send with care. False where that must wait."""
        if not self._topics_known(group, now) or (group.suspect and not self._apart(group)):
            return False
        items = group.items
        produce, lanes, tail, produced = self.link.produce, self.lanes, group.begin(), 0
        try:
            for _, ts_ms, topic, key, value, headers, partition in items:
                to = lanes[topic][key] if partition is None else partition
                if headers:
                    produce(topic, value, key, to, tail, None, ts_ms, list(headers))
                else:
                    produce(topic, value, key, to, tail, None, ts_ms)
                produced += 1
        except (BufferError, KafkaException) as error:
            self._not_produced(group, items, produced, error)
        # Trouble or not: the whole group counts as under way, and what was not produced is found when the link is given up.
        group.units = len(items) + (sum(len(one.value) for one in items) >> 10)
        with self.lock:
            self._again.popleft()
            self.add(group)
        return not self.trouble

    def _topics_known(self, group: Group, now: int) -> bool:
        """Ask for topics that are not known. Takes records out whose topic has been missing for too long. False where that may still end."""
        given_up = set()
        for topic in {one.topic for one in group.items} - self.lanes.keys():
            count = self.learn(topic)
            if count:
                self.missing.pop(topic, None)
                continue
            if count is None:
                self.missing.pop(topic, None)
            if count is None or now - self.missing.setdefault(topic, now) < MISSING_MS:
                said = "has no" if count == 0 else "tells nothing about"
                self.blocked, self._drain_at = f"the broker {said} topic {topic}, for which records wait", now + AGAIN_MS
                return False
            given_up.add(topic)
        if given_up:
            aside = [one for one in group.items if one.topic in given_up]
            try:
                self.spool.set_aside.add(*(_entry(one, f"the broker has no topic {one.topic}") for one in aside))
            except OSError as error:
                self.blocked, self._drain_at = f"records cannot be set aside: {error}", now + AGAIN_MS
                return False
            group[:] = [one for one in group.items if one.topic not in given_up]
        self.blocked = ""
        return True

    def _apart(self, group: Group) -> bool:
        """Take a group apart in which something was refused, so that each is sent by itself. Gives whether one may be sent now."""
        if len(group) > 1:
            self._again.popleft()
            parts = [Group(self, [one], spooled=True, after=group.after if one is group[-1] else None) for one in group.items]
            for part in parts:
                part.suspect = True
            self._again.extendleft(reversed(parts))
        self._lonely = True
        return len(group) <= 1 and not self.window

    def _not_produced(self, group: Group, items: list[Item], produced: int, error: BufferError | KafkaException) -> None:
        """Deal with a record librdkafka does not take: everything from it on is left for later, unless it was by itself."""
        never = never_taken(error)
        if never is not None and group.alone:
            group.failed.append((content_of(items[produced]), never))
            return
        group.suspect = group.suspect or never is not None
        group.unsent = len(items) - produced
        self.in_trouble(f"librdkafka does not take a record of the spool: {error}")


def again(group: Group) -> Group:
    """Give what of a group of the spool did not arrive."""
    left = group.left()
    rest = Group(group.desk, [one for one, _ in left], spooled=True, after=group.after)
    rest.suspect = group.suspect or any(why is not None for _, why in left)
    return rest


def _entry(one: Item, reason: str) -> Entry:
    return Entry(one.seq, 1, reason, one.value, one.topic, one.key)
