"""Bad input: every kind of it ends as a refusal with its code or as a dead letter with its position, and changes nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from streams.desk.desk import step
from streams.desk.messages import (
    AccountEvent,
    Body,
    Control,
    Disable,
    Enable,
    EquityReport,
    Fill,
    Instrument,
    Mark,
    OpenAccount,
    OrderEvent,
    PhaseChange,
    PolicyUpdate,
    Promotion,
    Signal,
    TapeEvent,
    Tick,
    Unreadable,
    VersionChange,
)  # fmt: skip
from streams.desk.outputs import DeadLetter, Decision, Fate
from streams.flow import TOPIC_OF
from tests.desk_kit import Rig, dec, decisions
from tests.desk_records import records, substance

NOW_MS = 1_760_000_001_000
"""Where `Rig().ready()` has come to."""
NUMBERS = {
    "NaN": dec("NaN"), "sNaN": dec("sNaN"), "infinite": dec("Infinity"), "below infinite": dec("-Infinity"), "negative": dec(-1),
    "1e30": dec("1e30"), "too fine": dec("1e-30"),
}  # fmt: skip
POSITIVE = NUMBERS | {"zero": dec(0)}
NOT_NEGATIVE = NUMBERS
SIGNED = {name: number for name, number in NUMBERS.items() if name != "negative"}
SHARE = {name: number for name, number in NUMBERS.items() if name != "too fine"} | {"above one": dec("1.000001")}
IDS = {"empty": "", "long": "x" * 129, "5 MB": "x" * 5_000_000, "unprintable": "a\nb"}
SYMBOL = {"empty": "", "lower case": "btcusdt", "long": "X" * 33, "5 MB": "X" * 5_000_000, "blank": "BTC USDT"}
WORDS = {"unknown word": "MAYBE", "empty": ""}
TIMES = {"1970": 0, "negative": -1, "2014": 1_420_070_399_999, "6 s ahead": NOW_MS + 6_000, "year 3000": 32_503_680_000_000}

SIGNAL = Signal(
    "bad", "alice", "BTCUSDT", "LONG", dec("0.9"), {"lstm": 0.5}, dec("0.9"), "heuristic", False, "TREND", dec(1), NOW_MS
)
MARK = Mark("bad", "BTCUSDT", dec(100), dec(101), dec(99), dec("99.9"), dec("100.1"), dec(10**6), dec("0.0001"), NOW_MS + 1)
INSTRUMENT = Instrument(
    "bad", "BTCUSDT", "BTC", "USDT", dec("0.01"), dec("0.001"), dec("0.001"), dec(1000), dec(500), dec(5), dec("1.1"), dec("0.9"), 200,
    dec("0.0002"), dec("0.0005"), 28_800, NOW_MS + 1, NOW_MS,
)  # fmt: skip
FILL = Fill("sim", "bad", "alice", "BTCUSDT", "order", "BUY", dec(100), dec(1), dec("0.1"), "USDT", NOW_MS)
ORDER_EVENT = OrderEvent("bad", "alice", "order", "ACKNOWLEDGED", 0, "x", "", NOW_MS)
ACCOUNT_EVENT = AccountEvent("bad", "alice", "ADJUSTMENT", "BTCUSDT", dec(1), dec(1), dec(100), None, "", NOW_MS)
REPORT = EquityReport("bad", 0, 1, NOW_MS // 1000, dec(1), dec(1), 1, True, NOW_MS)
CONTROL = Control("bad", "alice", "ann", "test", NOW_MS, Enable())
OPEN = OpenAccount("sim", "keys/new", dec(5), dec(500))


class Case(NamedTuple):
    """One bad input and the code it ends with."""

    name: str
    body: Body
    fate: Fate
    code: str


def spoilt(body: Any, fate: Fate, code: str, **fields: dict[str, Any]) -> list[Case]:
    """Spoil one field after the other in every way that is listed for it."""
    return [
        Case(f"{type(body).__name__} {field} {how}", body._replace(**{field: value}), fate, code)
        for field, ways in fields.items()
        for how, value in ways.items()
    ]


def commands() -> list[Case]:
    """Spoil the fields of commands."""
    bad: list[tuple[str, Any]] = [
        *[(f"phase {how}", PhaseChange(value, True)) for how, value in IDS.items()],
        *[(f"version {how}", VersionChange(value)) for how, value in IDS.items()],
        *[(f"source {how}", Promotion(value, "LIVE")) for how, value in IDS.items()],
        ("stage", Promotion("s", "MAYBE")),  # type: ignore[arg-type]  # what could come over the wire all the same
        *[(f"leverage {how}", OPEN._replace(leverage=value)) for how, value in POSITIVE.items()],
        *[(f"opening balance {how}", OPEN._replace(opening_balance=value)) for how, value in NOT_NEGATIVE.items()],
        *[(f"policy version {number}", PolicyUpdate(number, "x", "{}")) for number in (0, -1, -(2**62))],
        *[(f"venue {how}", OPEN._replace(venue=value)) for how, value in IDS.items()],
    ]
    return [Case(f"Control {how}", CONTROL._replace(command=command), Fate.REFUSED, "COMMAND_INVALID") for how, command in bad]


CASES = [
    *spoilt(
        SIGNAL, Fate.REFUSED, "SIGNAL_INVALID", signal_id=IDS, symbol=SYMBOL, side=WORDS, regime=WORDS, confidence=SHARE, model_agreement=SHARE,
        source=IDS, atr=POSITIVE,
        model_scores={
            "NaN": {"lstm": float("nan")}, "infinite": {"lstm": float("inf")}, "1e30": {"lstm": 1e30}, "too many": {f"m{n}": 0.5 for n in range(65)},
            "5 MB": {"m" * 5_000_000: 0.5},
        },
    ),
    *spoilt(SIGNAL, Fate.REFUSED, "UNKNOWN_ACCOUNT", account={"unknown": "nobody", "empty": "", "5 MB": "x" * 5_000_000, "everybody": "*"}),
    *spoilt(SIGNAL, Fate.REFUSED, "SIGNAL_STALE", ts={"1970": 0, "negative": -1, "late": NOW_MS - 10_001}),
    *spoilt(SIGNAL, Fate.REFUSED, "SIGNAL_AHEAD", ts={"from the future": NOW_MS + 2_001, "year 3000": 32_503_680_000_000}),
    *spoilt(
        MARK, Fate.DEAD_LETTER, "MARK_INVALID", mark_id=IDS | {"unprintable": ""}, symbol=SYMBOL, mark=POSITIVE | {"above its high": dec(102)},
        high=POSITIVE, low=POSITIVE, bid=POSITIVE | {"above the ask": dec("100.2")}, ask=POSITIVE, depth=NOT_NEGATIVE,
        funding_rate=SIGNED | {"all of it": dec(1)}, ts=TIMES,
    ),
    *spoilt(
        INSTRUMENT, Fate.DEAD_LETTER, "INSTRUMENT_INVALID", instrument_id=IDS, symbol=SYMBOL, base=IDS, quote=IDS, tick_size=POSITIVE,
        step_size=POSITIVE, min_quantity=POSITIVE, max_quantity=POSITIVE, max_market_quantity=POSITIVE, min_notional=NOT_NEGATIVE,
        price_up_ratio=POSITIVE, price_down_ratio=NOT_NEGATIVE, max_open_orders={"zero": 0, "negative": -1}, maker_fee=SIGNED, taker_fee=SIGNED,
        ts=TIMES,
    ),
    *spoilt(
        INSTRUMENT._replace(step_size=dec("0.01")), Fate.DEAD_LETTER, "INSTRUMENT_INVALID", max_quantity={"below a step": dec("0.009")},
        max_market_quantity={"below a step": dec("0.009")}, min_quantity={"above the most": dec(501)},
    ),
    *spoilt(
        INSTRUMENT, Fate.DEAD_LETTER, "INSTRUMENT_INVALID", max_quantity={"below the smallest": dec("0.0009")},
        max_market_quantity={"below the smallest": dec("0.0009")},
    ),
    *spoilt(
        FILL, Fate.DEAD_LETTER, "FILL_INVALID", venue=IDS, trade_id=IDS, symbol=SYMBOL, order_id=IDS, side=WORDS, price=POSITIVE, quantity=POSITIVE,
        fee=SIGNED, fee_currency=IDS, ts=TIMES,
    ),
    *spoilt(ORDER_EVENT, Fate.DEAD_LETTER, "ORDER_EVENT_INVALID", event_id=IDS, order_id=IDS, kind=WORDS, ts=TIMES),
    *spoilt(
        ACCOUNT_EVENT, Fate.DEAD_LETTER, "ACCOUNT_EVENT_INVALID", event_id=IDS, kind=WORDS, symbol=SYMBOL | {"missing": None}, amount=SIGNED,
        quantity=SIGNED, price=POSITIVE, note={"5 MB": "x" * 5_000_000}, ts=TIMES,
    ),
    *spoilt(
        ACCOUNT_EVENT._replace(kind="FUNDING", quantity=dec(0), price=dec(0)), Fate.DEAD_LETTER, "ACCOUNT_EVENT_INVALID", symbol=SYMBOL, reverses=IDS,
    ),
    *spoilt(ACCOUNT_EVENT._replace(kind="DEPOSIT"), Fate.DEAD_LETTER, "ACCOUNT_EVENT_INVALID", amount=POSITIVE),
    *spoilt(ACCOUNT_EVENT._replace(kind="WITHDRAWAL"), Fate.DEAD_LETTER, "ACCOUNT_EVENT_INVALID", amount=POSITIVE),
    *[
        Case(f"{type(body).__name__} account {how}", body._replace(account=account), Fate.DEAD_LETTER, "UNKNOWN_ACCOUNT")
        for body in (FILL, ORDER_EVENT, ACCOUNT_EVENT)
        for how, account in {"unknown": "nobody", "empty": "", "5 MB": "x" * 5_000_000, "everybody": "*"}.items()
    ],
    *spoilt(
        REPORT, Fate.DEAD_LETTER, "REPORT_INVALID", report_id=IDS, partition={"negative": -1, "too many": 1}, partitions={"others": 8, "none": 0},
        equity=SIGNED, transfers=SIGNED, second={"far ahead": 10**11}, ts=TIMES,
    ),
    *spoilt(
        CONTROL, Fate.REFUSED, "COMMAND_INVALID", control_id=IDS, user={"5 MB": "x" * 5_000_000}, reason={"5 MB": "x" * 5_000_000}, ts=TIMES
    ),
    *spoilt(CONTROL, Fate.REFUSED, "UNKNOWN_ACCOUNT", account={"unknown": "nobody", "empty": "", "5 MB": "x" * 5_000_000}),
    *commands(),
    Case("not Avro", Unreadable("NOT_AVRO", "magic byte 7B", None, b'{"a":1}'), Fate.DEAD_LETTER, "NOT_AVRO"),
    Case("cut short", Unreadable("TRUNCATED", "12 of 67 bytes", 3, b"\x00\x00"), Fate.DEAD_LETTER, "TRUNCATED"),
    Case("unknown schema id", Unreadable("UNKNOWN_SCHEMA", "id 999", 999, b"\x00\x00\x00\x03\xe7"), Fate.DEAD_LETTER, "UNKNOWN_SCHEMA"),
    Case("5 MB", Unreadable("TOO_LARGE", "5000000 bytes", None, b"x" * 5_000_000), Fate.DEAD_LETTER, "TOO_LARGE"),
]  # fmt: skip


@pytest.fixture(scope="module")
def busy() -> Rig:
    """Keep one desk for all cases, with a position, an open order and a signal that waits: whatever changes it fails its case."""
    rig = Rig(throttle={"signals_per_cycle": "2"}).ready()
    rig.open("ETHUSDT")
    rig.signal(symbol="SOLUSDT")
    rig.signal(symbol="BNBUSDT")
    assert rig.now_ms == NOW_MS
    return rig


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_ends_with_its_code_and_changes_nothing_else(busy: Rig, case: Case) -> None:
    before = substance(busy.state)
    body = case.body
    if isinstance(body, Signal) and body.signal_id == "bad":  # an id that was not refused before
        body = body._replace(signal_id=f"bad{busy.number()}")
    outputs = busy.feed(body)
    assert busy.last.fate is case.fate
    if case.fate is Fate.REFUSED:
        said: Any = outputs[-1]
        assert isinstance(said, Decision)
        assert (said.verdict, said.code) == ("REFUSED", case.code)
    else:
        said = outputs[0]
        assert isinstance(said, DeadLetter)
        assert (said.error, said.topic, said.source_offset) == (case.code, TOPIC_OF.get(type(body), "raw"), busy.offset)
    assert max(len(one.reason) for one in decisions(outputs)) < 1_000 if decisions(outputs) else True
    assert substance(busy.state) == before


@pytest.mark.parametrize(
    "body", [MARK, INSTRUMENT, FILL, ORDER_EVENT, ACCOUNT_EVENT, CONTROL, REPORT], ids=lambda body: type(body).__name__
)
@pytest.mark.parametrize(("ts", "passes"), [(1_420_070_400_000, True), (NOW_MS + 5_000, True), (NOW_MS + 5_001, False)])
def test_a_producers_clock_may_be_five_seconds_ahead_and_not_more(body: Any, ts: int, passes: bool) -> None:
    if isinstance(body, Mark | Instrument):
        body = body._replace(symbol="NEWUSDT")  # the desk has nothing newer of it
    rig = Rig().ready()
    outputs = rig.feed(body._replace(ts=ts))
    said = {one.error for one in outputs if isinstance(one, DeadLetter)} | {one.code for one in decisions(outputs)}
    assert any(code.endswith("_INVALID") for code in said) is not passes


@pytest.mark.parametrize(
    "body",
    [
        MARK._replace(mark_id="m" * 128),
        MARK._replace(bid=dec(100), ask=dec(100)),
        MARK._replace(depth=dec(0)),
        MARK._replace(funding_rate=dec("0.9999999999")),
        MARK._replace(funding_rate=dec("-0.9999999999")),
        MARK._replace(low=dec(100), high=dec(100)),
        MARK._replace(high=dec("999999999999999.9999999999")),
        SIGNAL._replace(signal_id="s" * 128),
        SIGNAL._replace(model_scores={"m" * 128: 0.5}),
        SIGNAL._replace(model_scores={f"m{number}": -0.5 for number in range(64)}),
        SIGNAL._replace(confidence=dec(1), model_agreement=dec(1)),
        INSTRUMENT._replace(min_notional=dec(0), price_down_ratio=dec(0)),
        INSTRUMENT._replace(max_quantity=INSTRUMENT.min_quantity, max_market_quantity=INSTRUMENT.min_quantity),
        INSTRUMENT._replace(step_size=dec("0.01"), max_quantity=dec("0.01"), max_market_quantity=dec("0.01")),
        ACCOUNT_EVENT._replace(kind="FUNDING", symbol=None, quantity=dec(0), price=dec(0)),
        ACCOUNT_EVENT._replace(kind="FUNDING", quantity=dec(0), price=dec(0)),
        FILL._replace(price=dec("0.0000000001"), quantity=dec("0.0000000001")),
    ],
)
def test_what_is_just_possible_is_taken(body: Body) -> None:
    rig = Rig().ready()
    rig.feed(body)
    assert rig.last.fate is Fate.APPLIED


def test_a_report_may_be_of_a_second_just_begun() -> None:
    for second, fate in ((NOW_MS // 1000 + 5, Fate.APPLIED), (NOW_MS // 1000 + 6, Fate.DEAD_LETTER)):
        rig = Rig().ready()
        rig.feed(REPORT._replace(second=second))
        assert rig.last.fate is fate


def test_an_unreadable_record_keeps_its_bytes_its_place_and_what_is_known_of_it() -> None:
    rig = Rig().ready()
    rig.offset = 41
    body = Unreadable("UNKNOWN_SCHEMA", "id 999", 999, b"\x00\x00\x00\x03\xe7\xff")
    (letter,) = rig.feed_event(TapeEvent(42, rig.now_ms, "signals", 3, 17, body)).copy()
    assert letter == DeadLetter(42, 0, "signals", 3, 17, "UNKNOWN_SCHEMA", "id 999", 999, body.raw, rig.now_ms)


@pytest.mark.parametrize(
    ("body", "code"),
    [(FILL._replace(price=dec(0)), "FILL_INVALID"), (ACCOUNT_EVENT._replace(price=dec(0)), "ACCOUNT_EVENT_INVALID")],
)
def test_what_is_lost_to_the_books_is_said_to_its_account(body: Body, code: str) -> None:
    said = decisions(Rig().ready().feed(body))
    assert [(one.account, one.kind, one.code) for one in said] == [("alice", "ALERT", code)]


@pytest.mark.parametrize("body", [FILL, ACCOUNT_EVENT])
def test_what_names_nobody_we_know_is_said_to_everybody(body: Any) -> None:
    outputs = Rig().ready().feed(body._replace(account="nobody"))
    said = decisions(outputs)
    assert isinstance(outputs[0], DeadLetter)
    assert outputs[0].detail == "account=nobody"
    assert [(one.account, one.kind, one.code) for one in said] == [("*", "ALERT", "UNKNOWN_ACCOUNT")]


class TestTwice:
    """A repeat is dropped without a word, by its id or by its place."""

    @pytest.mark.parametrize(
        "body", [SIGNAL, MARK, INSTRUMENT, FILL, ORDER_EVENT, ACCOUNT_EVENT, REPORT, CONTROL._replace(command=Disable()), Tick(NOW_MS // 1000 + 1)],
        ids=lambda body: type(body).__name__,
    )  # fmt: skip
    @pytest.mark.parametrize("same_place", [True, False], ids=["same place", "another place"])
    def test_everything_is_dropped(self, body: Body, same_place: bool) -> None:
        rig = Rig().ready()
        rig.now_ms += 1_000
        rig.feed(body, source_offset=10**6)
        before = records(rig.state)
        if same_place:
            event = rig.tape[-1]._replace(offset=rig.offset + 1)
        else:
            event = rig.tape[-1]._replace(offset=rig.offset + 1, source_offset=10**6 + 1)
        assert rig.feed_event(event) == []
        assert rig.last.fate is Fate.DUPLICATE
        after = records(rig.state)
        assert (after["accounts"], after["shared"]) == (before["accounts"], before["shared"])

    def test_what_has_no_id_is_dropped_by_its_place(self) -> None:
        rig = Rig().ready()
        body = Unreadable("NOT_AVRO", "", None, b"{}")
        rig.feed(body, "signals", 10**6)
        assert rig.feed(body, "signals", 10**6) == []
        assert rig.last.fate is Fate.DUPLICATE
        assert len(rig.feed(body, "signals", 10**6 + 1)) == 1

    def test_a_tape_offset_again_is_dropped_unseen(self) -> None:
        rig = Rig().ready()
        rig.signal()
        before = records(rig.state)
        again = rig.tape[-1]._replace(source_offset=10**6, body=SIGNAL)
        assert step(rig.state, again).fate is Fate.DUPLICATE
        assert records(rig.state) == before


class TestLate:
    def test_an_older_mark_is_put_aside(self) -> None:
        rig = Rig().ready()
        before = substance(rig.state)
        (letter,) = rig.feed(MARK._replace(ts=NOW_MS - 10_000))
        assert isinstance(letter, DeadLetter)
        assert letter.error == "MARK_LATE"
        assert substance(rig.state) == before

    def test_an_older_instrument_is_put_aside(self) -> None:
        rig = Rig().ready()
        before = substance(rig.state)
        (letter,) = rig.feed(INSTRUMENT._replace(ts=NOW_MS - 10_000))
        assert isinstance(letter, DeadLetter)
        assert letter.error == "INSTRUMENT_LATE"
        assert substance(rig.state) == before

    def test_a_tick_that_does_not_advance_the_second_or_runs_ahead_is_dropped(self) -> None:
        rig = Rig().ready()
        before = substance(rig.state)
        for second in (0, rig.state.second - 1, rig.state.second, rig.state.second + 5, 10**12):
            assert rig.feed(Tick(second)) == []
            assert rig.last.fate is Fate.DUPLICATE
        assert substance(rig.state) == before

    def test_time_never_goes_back(self) -> None:
        rig = Rig().ready()
        now_ms = rig.state.now_ms
        rig.now_ms -= 60_000
        rig.signal()
        assert rig.state.now_ms == now_ms


class TestTheFuture:
    def test_a_signal_from_the_future_does_not_make_the_present_old(self) -> None:
        rig = Rig().ready()
        rig.signal(ts=32_503_680_000_000)
        for _ in range(30):
            rig.tick(marks=dict.fromkeys(("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT"), "100"))
            assert [one.code for one in decisions(rig.signal(confidence=dec("0.1")))] == ["CONFIDENCE_LOW"]

    def test_a_mark_a_little_ahead_does_not_make_the_true_ones_late(self) -> None:
        rig = Rig().ready()
        rig.mark("BTCUSDT", "100", ts=rig.now_ms + 5_001)  # a millisecond passes with each mark
        assert rig.last.fate is Fate.APPLIED
        for price in ("101", "102"):
            assert rig.mark("BTCUSDT", price) == []
            assert (rig.state.marks["BTCUSDT"].mark, rig.last.fate) == (dec(price), Fate.APPLIED)

    def test_two_marks_of_one_moment_are_told_apart_by_their_ids(self) -> None:
        rig = Rig().ready()
        rig.mark("BTCUSDT", "101", mark_id="m-a")
        rig.mark("BTCUSDT", "102", mark_id="m-b", ts=rig.now_ms)
        assert (rig.state.marks["BTCUSDT"].mark, rig.last.fate) == (dec(102), Fate.APPLIED)
        rig.mark("BTCUSDT", "102", mark_id="m-b", ts=rig.now_ms - 1)
        assert rig.last.fate is Fate.DUPLICATE

    def test_a_mark_a_little_ahead_is_no_fresher_than_now(self) -> None:
        rig = Rig().ready()
        rig.mark("BTCUSDT", "100", ts=rig.now_ms + 4_000)
        assert rig.state.mark_ms["BTCUSDT"] == rig.now_ms


def test_a_symbol_too_many_is_put_aside() -> None:
    rig = Rig()
    for number in range(2_000):
        rig.mark(f"S{number}", "1")
    (letter,) = rig.mark("ONEMORE", "1")
    assert isinstance(letter, DeadLetter)
    assert (letter.error, len(rig.state.marks)) == ("SYMBOLS_FULL", 2_000)
    assert rig.mark("S7", "2") == []


def test_an_instrument_too_many_is_put_aside() -> None:
    rig = Rig()
    for number in range(2_000):
        rig.instrument(f"S{number}")
    (letter,) = rig.instrument("ONEMORE")
    assert isinstance(letter, DeadLetter)
    assert (letter.error, len(rig.state.instruments)) == ("SYMBOLS_FULL", 2_000)
    assert rig.instrument("S7") == []


def test_the_largest_numbers_that_pass_are_still_exact() -> None:
    rig = Rig().ready()
    most = Decimal("999999999999999.9999999999")
    rig.fill("elsewhere", most, str(most), fee=most, fee_currency="BTC")
    rig.fill("elsewhere", most, "0.0000000001", side="SELL")
    rig.fill("elsewhere", "0.0000000001", "0.0000000001")
    rig.mark("BTCUSDT", most)
    rig.money("WITHDRAWAL", str(most))
    assert rig.tick(3) != []
