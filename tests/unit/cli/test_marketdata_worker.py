"""The market data worker: what it is asked for, where records go, and what it shows. Its whole way: tests/integration/test_marketdata_worker.py."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from random import Random
from typing import Any, cast

import pytest

from connectors.exchange.clock import ExchangeClock
from connectors.exchange.market_data import MarketData, Ports, Said
from connectors.exchange.modes import TESTNET, Venue, place_at
from connectors.kafka.outbox import AWAY, DIRECT
from connectors.kafka.publisher import Health, Publisher
from connectors.kafka.receipts import Backlogged
from connectors.kafka.system_clock import SystemClock
from schemas.codec import Codec
from schemas.registry import BundledRegistry
from streams.cli.main import main
from streams.cli.marketdata_worker import Topics, is_ready, market_settings, samples
from streams.cli.output import BAD_INPUT, BadInput
from streams.cli.up import parse_workers
from streams.desk.messages import Instrument, Liquidity, Mark
from streams.services.metrics import exposition
from tests.scripted_exchange import Allowance

TS = 1_700_000_000_000
ONE = Decimal(1)
MARK = Mark("m", "BTCUSDT", ONE, ONE, ONE, ONE, ONE, ONE, Decimal(0), TS, ONE)
LIQUIDITY = Liquidity("l", "BTCUSDT", ONE, ONE, None, ("own", "other"), TS)
INSTRUMENT = Instrument("i", "ETHUSDT", "ETH", "USDT", ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, 200, ONE, ONE, 28_800, TS, TS)


class Settled:
    waited = 0

    def wait(self, _timeout_s: float) -> None:
        self.waited += 1


class Broker:
    """A publisher with room for so many records."""

    def __init__(self, room: int = 100, mode: str = DIRECT) -> None:
        self.room, self.mode, self.taken = room, mode, list[tuple[str, str, bytes]]()
        self.receipt = Settled()

    def publish(self, topic: str, key: str, value: bytes) -> Settled:
        if len(self.taken) >= self.room:
            raise Backlogged("full")
        self.taken.append((topic, key, value))
        return self.receipt

    def health(self) -> Health:
        return Health(True, (), self.mode, 0, 0, 0)


def say(broker: Broker, records: Sequence[Said]) -> Sequence[Said]:
    topics = Topics(cast("Publisher", broker), Codec(BundledRegistry()))
    return asyncio.run(topics.say(records))


def data(*symbols: str) -> MarketData:
    ports = Ports(Allowance(), ExchangeClock(SystemClock()), asyncio.sleep, Random(1), cast("Any", None))
    return MarketData(Venue("sim", "sim", (place_at("http://127.0.0.1:1"),)), symbols, ports)


def test_it_asks_the_simulator_for_the_symbols_of_all_phases_unless_told() -> None:
    asked = market_settings({})

    assert (asked.venue.name, asked.others) == ("sim", ())
    assert asked.symbols[:3] == ("BTCUSDT", "ETHUSDT", "BNBUSDT")
    assert len(asked.symbols) == 20


def test_mode_symbols_and_venues_are_what_the_environment_says() -> None:
    asked = market_settings(
        {"QTS_EXCHANGE_MODE": "testnet", "QTS_MODE": "production", "QTS_MARKET_SYMBOLS": "ETHUSDT, XRPUSDT", "QTS_MARKET_VENUES": "bybit,okx"}
    )  # fmt: skip

    assert asked.venue.places == (TESTNET,)
    assert (asked.symbols, asked.others) == (("ETHUSDT", "XRPUSDT"), ("bybit", "okx"))


@pytest.mark.parametrize(
    "environ",
    [
        {"QTS_EXCHANGE_MODE": "real"},
        {"QTS_MARKET_SYMBOLS": "btc/usdt"},
        {"QTS_MARKET_SYMBOLS": "BTCUSDT,BTCUSDT"},
        {"QTS_MARKET_SYMBOLS": ",".join(f"A{number}USDT" for number in range(101))},
        {"QTS_MARKET_VENUES": "nowhere"},
        {"QTS_MARKET_VENUES": "binanceusdm", "QTS_EXCHANGE_MODE": "live"},
        {"QT_RISK_PER_TRADE_PCT": "a lot"},
    ],
)
def test_what_cannot_be_meant_is_refused(environ: Mapping[str, str]) -> None:
    with pytest.raises(BadInput):
        market_settings(environ)


def test_the_command_ends_with_2_where_it_is_told_nonsense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QTS_MARKET_VENUES", "nowhere")
    assert main(["worker", "marketdata"]) == BAD_INPUT
    monkeypatch.setenv("QTS_WEB_PORT", "high")
    assert main(["worker", "marketdata"]) == BAD_INPUT


def test_one_market_data_worker_is_enough() -> None:
    assert parse_workers("marketdata=1") == {"marketdata": 1}
    with pytest.raises(BadInput, match="marketdata"):
        parse_workers("marketdata=2")


def test_records_go_to_their_topics_under_their_symbols_and_an_instrument_is_waited_for() -> None:
    broker = Broker()

    assert say(broker, [MARK, LIQUIDITY, INSTRUMENT]) == ()
    assert [(topic, key) for topic, key, _ in broker.taken] == [
        ("marks", "BTCUSDT"), ("liquidity", "BTCUSDT"), ("instruments", "ETHUSDT"),
    ]  # fmt: skip
    codec = Codec(BundledRegistry())
    assert [codec.decode(raw) for *_, raw in broker.taken] == [MARK, LIQUIDITY, INSTRUMENT]
    assert broker.receipt.waited == 1


def test_after_the_first_that_finds_no_room_no_other_is_tried() -> None:
    broker = Broker(room=1)

    assert say(broker, [MARK, LIQUIDITY, INSTRUMENT]) == [LIQUIDITY, INSTRUMENT]


@pytest.mark.parametrize(("mode", "away"), [(AWAY, True), (DIRECT, False)])
def test_it_knows_when_records_go_to_the_disk(mode: str, away: bool) -> None:
    assert Topics(cast("Publisher", Broker(mode=mode)), Codec(BundledRegistry())).away is away


def test_it_is_not_ready_while_every_symbol_is_silent_and_shows_each() -> None:
    unheard = data("BTCUSDT", "ETHUSDT")

    assert not is_ready(unheard)
    shown = exposition(lambda: samples(unheard)).decode()
    for line in (
        "qts_ready 0.0",
        'qts_marks_silent{symbol="BTCUSDT"} 1.0',
        'qts_mark_age_seconds{symbol="ETHUSDT"}',
        'qts_stream_breaks_total{stream="books"} 0.0',
        "qts_marks_total 0.0",
    ):
        assert line in shown
