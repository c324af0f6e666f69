"""Dead letters as they lie on their topic: found, counted, matched with where they came from.

Decides: that a dead letter is known by tape partition, tape offset and n, and counts once however often it was written. Leaves to others: how
they are shown and sent again (`./qts dlq`), reading (connectors.kafka.reading).
"""

from collections import Counter
from collections.abc import Iterator
from heapq import nlargest
from typing import NamedTuple

from connectors.kafka.publisher import Outgoing
from connectors.kafka.reading import Seen, TopicReader
from streams.cli.kafka_options import partitions_of
from streams.cli.output import BadInput
from streams.cli.topics_reading import Decoder
from streams.desk.outputs import DeadLetter

TOPIC = "dead-letters"


class Id(NamedTuple):
    """What a dead letter is known by. The desk writes it to the partition of its tape."""

    partition: int
    offset: int
    n: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}/{self.n}"


class Found(NamedTuple):
    """A dead letter, and where it lies on its own topic."""

    id: Id
    letter: DeadLetter
    seen: Seen


class Survey(NamedTuple):
    """What lies there: counts of all, and where each is."""

    codes: Counter[str]
    topics: Counter[str]
    newest: list[Found]
    places: dict[Id, int]
    """The offset of each on the topic of dead letters."""
    unreadable: int


def parse_id(text: str) -> Id:
    """Read an id as it is shown."""
    try:
        partition, offset, n = map(int, text.split("/"))
    except ValueError as bad:
        raise BadInput(f"{text} is no id of a dead letter: they look like 2/1234/0 (./qts dlq list)") from bad
    return Id(partition, offset, n)


class DeadLetters:
    """The dead letters there are when this is made."""

    def __init__(self, opened: TopicReader, decoder: Decoder) -> None:
        """Note where their topic begins and ends."""
        self._reader, self._decoder = opened, decoder
        self._bounds = opened.bounds(TOPIC, partitions_of(opened, TOPIC))
        self._unreadable = 0

    def survey(self, newest: int, code: str | None = None) -> Survey:
        """Look at all of them, keeping the newest few."""
        codes: Counter[str] = Counter()
        topics: Counter[str] = Counter()
        places: dict[Id, int] = {}

        def new() -> Iterator[Found]:
            for found in self._all():
                if found.id not in places and code in (None, found.letter.error):
                    places[found.id] = found.seen.offset
                    codes[found.letter.error] += 1
                    topics[found.letter.topic] += 1
                    yield found

        # Asked for none, nlargest would not look at any.
        kept = nlargest(max(newest, 1), new(), key=lambda found: (found.letter.ts, found.id))
        return Survey(codes, topics, kept[:newest], places, self._unreadable)

    def get(self, wanted: Id, place: int) -> Found:
        """Read one again, which a survey has found."""
        partition = wanted.partition
        for seen in self._reader.from_to(TOPIC, {partition: place}, {partition: place + 1}):
            message = self._decoder.decode(seen).message
            if isinstance(message, DeadLetter):
                return Found(wanted, message, seen)
        raise BadInput(f"the dead letter {wanted} is gone: retention took it meanwhile")

    def outgoing(self, found: Found, known: dict[str, int]) -> Outgoing:
        """Give its bytes as they came, for the partition they came from, with the key they had.

        The key is that of the record, where it still lies there; else its account or symbol, where it can be read; else there is none.
        """
        letter = found.letter
        key = self._key(letter, known) or self._own_key(letter)
        return Outgoing(letter.topic, key, letter.raw, partition=letter.partition)

    def _key(self, letter: DeadLetter, known: dict[str, int]) -> str:
        if letter.partition >= known.get(letter.topic, 0):
            return ""
        start = {letter.partition: letter.source_offset}
        for seen in self._reader.from_to(letter.topic, start, {letter.partition: letter.source_offset + 1}):
            # Another record in its place is of a topic that was made anew.
            if seen.value == letter.raw and seen.key is not None:
                return seen.key.decode(errors="replace")
        return ""

    def _own_key(self, letter: DeadLetter) -> str:
        seen = Seen(letter.topic, letter.partition, letter.source_offset, letter.ts, None, letter.raw)
        message = self._decoder.decode(seen).message
        return str(getattr(message, "account", None) or getattr(message, "symbol", ""))

    def _all(self) -> Iterator[Found]:
        self._unreadable = 0
        lows = {partition: found.low for partition, found in self._bounds.items()}
        highs = {partition: found.high for partition, found in self._bounds.items()}
        for seen in self._reader.from_to(TOPIC, lows, highs):
            message = self._decoder.decode(seen).message
            if isinstance(message, DeadLetter):
                yield Found(Id(seen.partition, message.offset, message.n), message, seen)
            else:
                self._unreadable += 1
