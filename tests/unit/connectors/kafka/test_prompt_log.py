"""Acknowledgements wake the loop, and are taken in it."""

import asyncio
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from connectors.kafka.embedded import EmbeddedBroker
from connectors.kafka.log import KafkaLog, LogFull
from connectors.kafka.prompt_log import PromptLog
from connectors.kafka.settings import KafkaSettings

WAIT_S_MAX = 20.0


@pytest.fixture
def log() -> Iterator[KafkaLog]:
    with EmbeddedBroker() as broker:
        broker.create("prompt", 1)
        yield KafkaLog(KafkaSettings(broker.servers), "test-prompt")


def test_each_acknowledgement_wakes_the_loop_and_is_taken_there_in_order(log: KafkaLog) -> None:
    told: list[tuple[int, object, int]] = []

    def tell(number: int, failure: object, _receipt: object) -> None:
        told.append((number, failure, threading.get_ident()))

    async def story() -> None:
        prompt = PromptLog(log)
        prompt.start()
        for number in range(50):
            prompt.append("prompt", 0, None, b"x", None, partial(tell, number))
        async with asyncio.timeout(WAIT_S_MAX):
            while len(told) < 50:
                await prompt.stirred.wait()
                prompt.stirred.clear()
                prompt.poll()
        prompt.stop()

    asyncio.run(story())

    assert told == [(number, None, threading.get_ident()) for number in range(50)]


def ended() -> None:
    """Wait for the end of the threads."""
    for thread in [thread for thread in threading.enumerate() if thread.name == "acknowledgements"]:
        thread.join(WAIT_S_MAX)
        assert not thread.is_alive()


class Troubled(KafkaLog):
    """A log without a broker, whose acknowledgements are trouble."""

    def __init__(self, trouble: Exception) -> None:
        self._trouble = trouble

    def poll(self, wait_s: float = 0.0) -> bool:  # noqa: ARG002 - the log's signature
        raise self._trouble


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("trouble", [LogFull("nothing was acknowledged"), SystemError("a callback")])
def test_what_ends_the_waiting_is_told_to_whoever_polls(trouble: Exception) -> None:
    async def story() -> None:
        prompt = PromptLog(Troubled(trouble))
        prompt.start()
        async with asyncio.timeout(WAIT_S_MAX):
            await prompt.stirred.wait()
        with pytest.raises(type(trouble)):
            prompt.poll()

    asyncio.run(story())
    ended()


def test_its_thread_ends_when_told_and_when_the_loop_has_ended(log: KafkaLog) -> None:
    async def story(*, stops: bool) -> None:
        prompt = PromptLog(log)
        prompt.start()
        if stops:
            prompt.stop()
        else:
            prompt.append("prompt", 0, None, b"x", None, lambda *_: None)

    for stops in (True, False):
        asyncio.run(story(stops=stops))
        ended()
