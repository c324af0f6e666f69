"""What executors read past the tape, with a real client and a real broker's behaviour: all of control, and up to when; prices; a missing topic."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal

import pytest

from connectors.kafka.embedded import EmbeddedBroker
from connectors.kafka.feed import TopicMissing
from connectors.kafka.log import KafkaLog
from connectors.kafka.partitioner import partition_of
from connectors.kafka.settings import KafkaSettings
from connectors.kafka.system_clock import boottime_s
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.app.feeds import Feeds, Known
from streams.desk.messages import Control, Instrument, Mark, OpenAccount, Trip
from streams.flow import TOPIC_OF
from streams.pipeline.execution.brakes import UNREAD_S_MAX, Brakes
from streams.pipeline.execution.mark_board import MarkBoard

PARTITIONS = 3
CODEC = Codec(BundledRegistry())
WAIT_S_MAX = 30.0


class Stage:
    """A broker, and what is read from it."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.broker, self.settings = broker, KafkaSettings(broker.servers)
        self._log = KafkaLog(self.settings, "test")
        self.allowances: list[bytes] = []
        self.brakes = Brakes(boottime_s, lambda key: partition_of(key.encode(), PARTITIONS))
        self.known = Known(self.brakes, MarkBoard(), {}, self.allowances.append)
        self.errors: list[BaseException] = []
        self.feeds = Feeds(self.settings, BundledRegistry(), PARTITIONS, self.known, boottime_s, self.errors.append, "test")

    def create(self, *topics: str) -> None:
        for topic in topics:
            self.broker.create(topic, PARTITIONS)

    def say(self, *bodies: Control | Mark | Instrument) -> None:
        for body in bodies:
            key = body.account if isinstance(body, Control) else body.symbol
            self.append(TOPIC_OF[type(body)], key, CODEC.encode(body))

    def append(self, topic: str, key: str, raw: bytes) -> None:
        failures: list[object] = []
        self._log.append(
            topic, partition_of(key.encode(), PARTITIONS), key.encode(), raw, None, lambda failure, _: failures.append(failure)
        )
        assert self._log.flush(WAIT_S_MAX) == 0
        assert failures == [None]

    def tell(self, story: Callable[[], Awaitable[None]]) -> None:
        """Tell a story while the feeds run."""

        async def all_of_it() -> None:
            self.feeds.start()
            try:
                await asyncio.wait_for(story(), 2 * WAIT_S_MAX)
            finally:
                self.feeds.stop()
                await asyncio.sleep(0)

        asyncio.run(all_of_it())


@pytest.fixture
def stage() -> Iterator[Stage]:
    with EmbeddedBroker() as broker:
        yield Stage(broker)


async def until(true: Callable[[], object], within_s: float = WAIT_S_MAX) -> None:
    give_up_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < give_up_s, "what was waited for did not come"
        await asyncio.sleep(0.005)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def opened(account: str) -> Control:
    return Control(f"open-{account}", account, "ana", "test", now_ms(), OpenAccount("sim", account, Decimal(3), Decimal(100)))


def tripped(account: str) -> Control:
    return Control(f"trip-{account}", account, "ana", "enough", now_ms(), Trip())


def mark(price: int) -> Mark:
    one = Decimal(price)
    return Mark(f"m-{price}", "BTCUSDT", one, one, one, one, one, one, Decimal(0), now_ms())


def test_all_of_control_is_read_from_its_beginning_and_then_it_is_known_up_to_when(stage: Stage) -> None:
    stage.create("control", "marks", "instruments", "allowances")
    accounts = [f"account-{number}" for number in range(12)]
    stage.say(*map(opened, accounts))
    stage.append("control", "*", b"junk")
    stage.say(tripped("account-3"))

    async def story() -> None:
        assert not stage.brakes.caught_up
        await until(lambda: stage.brakes.caught_up)
        assert sorted(stage.brakes.accounts) == sorted(accounts)
        assert stage.brakes.refuses("account-3", -1, -1)
        assert stage.brakes.refuses("account-4", -1, -1) is None

    stage.tell(story)
    assert stage.errors == []


def test_a_stop_is_heard_of_within_a_fraction_of_a_second(stage: Stage) -> None:
    stage.create("control", "marks", "instruments", "allowances")
    heard: dict[str, float] = {}

    def hear(account: str) -> None:
        heard[account] = time.monotonic()

    stage.brakes.on_stop(hear)

    async def story() -> None:
        await until(lambda: stage.brakes.caught_up)
        for number in range(5):
            account = f"account-{number}"
            await asyncio.to_thread(stage.say, tripped(account))
            there_s = time.monotonic()
            await until(lambda account=account: account in heard)  # type: ignore[misc]  # a lambda's default says nothing of its type
            assert heard[account] - there_s < 0.5

    stage.tell(story)


def test_only_the_prices_of_now_count_and_all_instruments_do(stage: Stage) -> None:
    stage.create("control", "marks", "instruments", "allowances")
    one = Decimal(1)
    stage.say(
        mark(100),
        Instrument(
            "i-1", "BTCUSDT", "BTC", "USDT", one, one, one, one, one, one, Decimal(2), Decimal("0.5"), 10, Decimal(0), Decimal(0), 28_800, 0, now_ms()
        ),
    )  # fmt: skip

    async def story() -> None:
        await until(lambda: stage.known.instruments)
        assert stage.known.board.price("BTCUSDT", now_ms()) is None
        await asyncio.to_thread(stage.say, mark(200))
        await until(lambda: stage.known.board.price("BTCUSDT", now_ms()))
        found = stage.known.board.price("BTCUSDT", now_ms())
        assert found is not None
        assert found.bid == 200

    stage.tell(story)


def test_what_other_workers_tell_of_their_allowance_is_handed_on_as_it_is(stage: Stage) -> None:
    stage.create("control", "marks", "instruments", "allowances")
    stage.append("allowances", "w", b"before")

    async def story() -> None:
        await until(lambda: stage.brakes.caught_up)
        while not stage.allowances:  # it begins where the topic ends by then
            await asyncio.to_thread(stage.append, "allowances", "w", b"now")
        assert set(stage.allowances) == {b"now"}

    stage.tell(story)


def test_while_the_broker_does_not_answer_nothing_counts_as_read_and_it_goes_on_by_itself(stage: Stage) -> None:
    stage.create("control", "marks", "instruments", "allowances")
    assert stage.broker.pid is not None
    pid = stage.broker.pid

    async def story() -> None:
        await until(lambda: stage.brakes.caught_up)
        os.kill(pid, signal.SIGSTOP)
        try:
            await until(lambda: not stage.brakes.caught_up, UNREAD_S_MAX + 5)
        finally:
            os.kill(pid, signal.SIGCONT)
        await asyncio.to_thread(stage.say, tripped("late"))
        await until(lambda: stage.brakes.refuses("late", -1, -1))
        await until(lambda: stage.brakes.caught_up)

    stage.tell(story)
    assert stage.errors == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # whoever is told ends the process
def test_a_topic_that_is_missing_is_told_of(stage: Stage) -> None:
    stage.create("marks", "instruments", "allowances")

    async def story() -> None:
        await until(lambda: stage.errors)

    stage.tell(story)
    assert isinstance(stage.errors[0], TopicMissing)
    assert "control" in str(stage.errors[0])
    assert "./qts topics create" in str(stage.errors[0])
    assert not stage.brakes.caught_up
