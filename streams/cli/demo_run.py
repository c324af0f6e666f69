"""A running demo: what traders say goes to Kafka; what the market, the desk and the exchange say there comes back to them, and is counted.

Decides: which topics are followed, and what the hash of a demo's decisions is made of. Leaves to others: the traders (simulation.traders), workers
(services.supervisor), what is counted (demo_tally) and drawn (demo_view), orders (the execution worker).
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from connectors.kafka.following import Follower
from connectors.kafka.publisher import Publisher
from connectors.kafka.reading import BrokerAway, Seen, TopicReader
from connectors.kafka.settings import KafkaSettings
from schemas.codec import Codec, Undecodable
from streams.cli.demo_tally import Tally
from streams.desk.messages import Body, Control, Fill, Mark, OpenAccount
from streams.desk.outputs import DeadLetter, Decision, Order, Portfolio
from streams.flow import TAPE, TOPIC_OF
from streams.pipeline.stored_snapshots import newest
from streams.pipeline.write_pipeline import CHANGELOG
from streams.replay.hashes import decisions_hash
from streams.simulation.followed import FollowedMarket
from streams.simulation.traders import Traders
from streams.simulation.venue import VENUE

FOLLOWED = ("marks", "orders", "fills", "decisions", "portfolio", "dead-letters")


class Ends(NamedTuple):
    """Where topics stood when the demo began."""

    followed: Mapping[tuple[str, int], int]
    tape: Mapping[int, int]


def ends_now(kafka: KafkaSettings, partitions: int) -> Ends:
    """Look where the topics end."""
    with TopicReader(kafka) as reader:
        followed = {(topic, part): bounds.high for topic in FOLLOWED for part, bounds in reader.bounds(topic, partitions).items()}
        return Ends(followed, {part: bounds.high for part, bounds in reader.bounds(TAPE.name, partitions).items()})


def beginnings(partitions: int) -> Ends:
    """Begin with the first record: on a broker that nobody has used before."""
    return Ends({(topic, part): 0 for topic in FOLLOWED for part in range(partitions)}, dict.fromkeys(range(partitions), 0))


class Flow:
    """What goes between traders and Kafka."""

    def __init__(
        self, traders: Traders, market: FollowedMarket, tally: Tally, codec: Codec, publisher: Publisher, follower: Follower
    ) -> None:
        """Join these."""
        self._traders, self._market, self._tally, self._codec = traders, market, tally, codec
        self._publisher, self._follower = publisher, follower

    def advance(self, now_ms: int) -> None:
        """Publish what is due."""
        self.publish(self._traders.advance(now_ms))

    def publish(self, bodies: Iterable[Body]) -> None:
        """Publish what somebody says of an account, or of all."""
        for body in bodies:
            self._publisher.publish(TOPIC_OF[type(body)], getattr(body, "account", ""), self._codec.encode(body))
            self._tally.sent(body)

    def flush(self, timeout_s: float) -> None:
        """Have everything published at the broker."""
        left = self._publisher.flush(timeout_s)
        if left:
            raise BrokerAway(f"{left} records were not acknowledged within {timeout_s:.0f} s")

    def take(self, wait_s: float, now_ms: Callable[[], int]) -> int:
        """Take what was said; gives how many records came."""
        read = self._follower.poll(wait_s)
        for seen in read:
            self._one(seen, now_ms())
        return len(read)

    def caught_up(self, ends: Mapping[tuple[str, int], int]) -> bool:
        """Tell whether everything before these offsets was taken."""
        return all(self._follower.next_offsets[place] >= end for place, end in ends.items())

    def _one(self, seen: Seen, now_ms: int) -> None:
        try:
            said = self._codec.decode(seen.value or b"")
        except Undecodable:
            return  # somebody else's bytes: workers write none that cannot be read
        tally = self._tally
        match said:
            case Mark():
                self._market.take(said)
                tally.priced(said)
            case Order():
                tally.ordered(seen.partition, said)
            case Fill():
                tally.traded(said)
            case Decision():
                if tally.decided(seen.partition, said):
                    self._traders.on_decision(said, now_ms)
            case Portfolio():
                tally.pictured(seen.partition, said)
            case DeadLetter():
                tally.buried(seen.partition, said)


class Hashes(NamedTuple):
    """The decisions of a demo in one number, and in one a tape partition."""

    combined: str
    by_partition: Mapping[int, str]
    offsets: Mapping[int, int]
    """The tape offset each was taken at."""


def foreign_account(kafka: KafkaSettings, codec: Codec) -> str | None:
    """Look for an account of another venue than the simulated one: a demo switches trading on for all, and must not where money is."""
    with TopicReader(kafka) as reader:
        bounds = reader.bounds("control", reader.topics()["control"])
        starts, ends = ({part: getattr(found, side) for part, found in bounds.items()} for side in ("low", "high"))
        for seen in reader.from_to("control", starts, ends):
            try:
                said = codec.decode(seen.value or b"")
            except Undecodable:
                continue  # the desk gave it up too
            if isinstance(said, Control) and isinstance(said.command, OpenAccount) and said.command.venue != VENUE:
                return f"{said.account} at {said.command.venue}"
    return None


def final_hashes(kafka: KafkaSettings, partitions: int, epoch: int, codec: Codec) -> Hashes | None:
    """Read the last snapshots of the desk, and hash the decisions they stand for; nothing where a partition has none.

    The hash of a partition is the one that `./qts replay` gives for the exported tape, up to the offset of the snapshot.
    """
    by_partition, offsets = {}, {}
    with TopicReader(kafka) as reader:
        bounds = reader.bounds(CHANGELOG, partitions)
        for partition in range(partitions):
            low, high = bounds[partition]
            kept: dict[bytes, bytes] = {}
            for seen in reader.from_to(CHANGELOG, {partition: low}, {partition: high}):
                if seen.key is None:
                    continue
                if seen.value is None:
                    kept.pop(seen.key, None)
                else:
                    kept[seen.key] = seen.value
            found = newest(kept.items(), partition, epoch, codec, [])
            if found is None:
                return None
            by_partition[partition], offsets[partition] = decisions_hash(found.state), found.marker.offset
    return Hashes(combined(by_partition), by_partition, offsets)


def combined(by_partition: Mapping[int, str]) -> str:
    """Combine the hashes of all partitions."""
    together = hashlib.blake2b(digest_size=16)
    for partition in sorted(by_partition):
        together.update(f"{partition}={by_partition[partition]}\n".encode())
    return together.hexdigest()
