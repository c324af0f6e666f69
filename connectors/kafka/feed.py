"""Feeds a program with everything that is on some topics, from a thread of its own, for as long as the program lives: past every group.

    feed = Feed(settings, Wanted({"control": "beginning"}, partitions), take, broken, "qts-control", Ends(boottime_s, read_up_to))
    feed.start()

Decides: that a broker that is away is waited for while a topic that is missing is told of; and when everything has been taken that was there at some
moment: the ends of all partitions are asked for twice a second, beside the reading, because an answer may take long. Leaves to others: what records
mean. Everything given is called in the feed's thread; while `take` does not come back nothing more is read.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from connectors.kafka.following import Follower
from connectors.kafka.reading import BrokerAway, ReadRefused, Seen, TopicReader
from connectors.kafka.settings import KafkaSettings

LOGGER = logging.getLogger(__name__)

POLL_S: Final = 0.02
"""How long records are gathered for: a stop that is on its topic is heard of so much later at most."""
ASK_EVERY_S: Final = 0.5
AGAIN_S: Final = 1.0
"""After a broker did not answer."""

Place = tuple[str, int]


class TopicMissing(OSError):
    """The broker has no such topic, or another count of its partitions."""


class Wanted(NamedTuple):
    """What is followed."""

    topics: Mapping[str, Literal["beginning", "end"]]
    """And where each begins: with all there is, or with what comes from now on."""
    partitions: int


class Ends(NamedTuple):
    """Who wants to know up to when everything was taken."""

    clock: Callable[[], float]
    read_up_to: Callable[[float], None]
    """Is told of a moment before which everything that was there has been taken."""


class Feed:
    """Follows topics."""

    def __init__(
        self,
        settings: KafkaSettings,
        wanted: Wanted,
        take: Callable[[list[Seen]], None],
        broken: Callable[[BaseException], None],
        client_id: str,
        ends: Ends | None = None,
    ) -> None:
        """Be ready to start. `broken` is told of what ends it."""
        self._settings, self._wanted, self._take, self._broken, self._ends = settings, wanted, take, broken, ends
        self._client_id = client_id
        self._asked: tuple[float, Mapping[Place, int]] | None = None
        """A moment and the ends at it, until all before them is taken."""
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._guarded, args=(self._follow,), name=client_id, daemon=True)]
        if ends is not None:
            asks = threading.Thread(target=self._guarded, args=(self._ask, ends), name=f"{client_id}-ends", daemon=True)
            self._threads.append(asks)

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End soon; whoever waits in `take` has to be let go."""
        self._stop.set()

    def join(self, wait_s: float) -> bool:
        """Wait until it has ended; tell whether it has."""
        for thread in self._threads:
            thread.join(wait_s)
        return not any(thread.is_alive() for thread in self._threads)

    def _guarded(self, doing: Callable[..., None], *words: object) -> None:
        try:
            doing(*words)
        except Exception as error:
            self._broken(error)
            raise

    def _follow(self) -> None:
        starts = self._starts()
        if starts is None:
            return
        with Follower(self._settings, starts, self._client_id) as follower:
            while not self._stop.is_set():
                seen = follower.poll(POLL_S)
                if seen:
                    self._take(seen)
                self._tell(follower.next_offsets)

    def _starts(self) -> Mapping[Place, int] | None:
        """Give where to begin; nothing where it was stopped before that was known."""
        wanted = self._wanted
        with TopicReader(self._settings, f"{self._client_id}-starts") as reader:
            while not self._stop.is_set():
                try:
                    found = reader.topics()
                    for topic in wanted.topics:
                        if found.get(topic) != wanted.partitions:
                            raise TopicMissing(
                                f"topic {topic} has {found.get(topic, 0)} partitions instead of {wanted.partitions}: ./qts topics create"
                            )
                    return {
                        (topic, partition): place.low if start == "beginning" else place.high
                        for topic, start in wanted.topics.items()
                        for partition, place in reader.bounds(topic, wanted.partitions).items()
                    }
                except BrokerAway as away:
                    LOGGER.warning("%s waits: %s", self._client_id, away)
                    self._stop.wait(AGAIN_S)
        return None

    def _ask(self, ends: Ends) -> None:
        """Ask for the ends, for ever; not again while they were not reached."""
        with TopicReader(self._settings, f"{self._client_id}-ends") as reader:
            while not self._stop.wait(ASK_EVERY_S):
                if self._asked is not None:
                    continue
                asked_s = ends.clock()
                try:
                    self._asked = asked_s, self._high(reader)
                except (BrokerAway, ReadRefused) as silent:
                    LOGGER.warning("where %s ends is not known: %s", ", ".join(self._wanted.topics), silent)

    def _high(self, reader: TopicReader) -> Mapping[Place, int]:
        return {
            (topic, partition): place.high
            for topic in self._wanted.topics
            for partition, place in reader.bounds(topic, self._wanted.partitions).items()
        }

    def _tell(self, next_offsets: Mapping[Place, int]) -> None:
        asked, ends = self._asked, self._ends
        if asked is None or ends is None:
            return
        if all(next_offsets[place] >= end for place, end in asked[1].items()):
            ends.read_up_to(asked[0])
            self._asked = None
