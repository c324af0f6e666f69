"""`./qts demo`: what is counted, drawn and hashed. With real workers: tests/integration/test_demo.py."""

import io
from decimal import Decimal

import pytest
from rich.console import Console

from streams.cli.demo_run import combined
from streams.cli.demo_stage import account_names
from streams.cli.demo_tally import RECENT_MAX, SAMPLES_MAX, TRADE_IDS_MAX, Tally
from streams.cli.demo_view import HONEST, Moment, Screen, WorkerState
from streams.cli.view_words import quantity_text
from streams.desk.messages import EVERY_ACCOUNT, Fill, Mark
from streams.desk.outputs import DeadLetter, Decision, Kind, Order, Portfolio, PositionView, Verdict
from streams.desk.ranges import is_account
from streams.simulation.live import LiveWorld

START_MS = 1_780_000_000_000
NAMES = ("acc00000", "acc00001")


def decision(
    offset: int,
    account: str = "acc00000",
    kind: Kind = "SIGNAL",
    verdict: Verdict = "REFUSED",
    reason: str = "CONFIDENCE_LOW a=1",
) -> Decision:
    return Decision(account, offset, 0, START_MS, kind, "s1", verdict, reason, (), "", 1, "", "", "")


def portfolio(
    account: str, offset: int, equity: str = "1000", ess: str = "ARMED", held: tuple[PositionView, ...] = ()
) -> Portfolio:
    zero = Decimal(0)
    return Portfolio(
        account, offset, 0, START_MS, "NORMAL", zero, Decimal(equity), zero, Decimal(1_000), zero, Decimal(1_000), zero, zero, zero, held, 0, 0,
        "phase3", ess, None, "", None, 840 if ess != "ARMED" else 0, 0,
    )  # fmt: skip


def position(symbol: str) -> PositionView:
    price = Decimal("64000.1")
    return PositionView(
        symbol, Decimal("-3832.8660000000"), price, price, price, Decimal("-2.3"), Decimal(0), Decimal("65000.12"), START_MS
    )


def drawn(tally: Tally, width: int, height: int, seconds: float | None = 40.0, encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(file=file, width=width, height=height, color_system=None, legacy_windows=False)
    workers = [WorkerState("desk", "ready", 72e6, 1), WorkerState("policy", "starting", None, 0)]
    moment = Moment(START_MS, 19.5, seconds, "the market is open", "broker embedded  seed 7", workers)
    console.print(Screen(tally, moment, lambda _account: Decimal(5)))
    file.flush()
    return raw.getvalue().decode(encoding).splitlines()


def wire(price: Decimal) -> Decimal:
    """Give a price with the zeros the wire format adds."""
    return price.quantize(Decimal("1e-10"))


def busy() -> Tally:
    world, tally = LiveWorld(7, NAMES, START_MS), Tally(NAMES, 1)
    for passed in range(0, 8_000, 1_000):
        for body in world.advance(START_MS + passed):
            if isinstance(body, Mark):
                tally.priced(body._replace(mark=wire(body.mark)))
            else:
                tally.sent(body)
        tally.sample()
    for name in NAMES:
        tally.pictured(0, portfolio(name, 5, held=(position("BTCUSDT"), position("ETHUSDT"))))
    for offset in range(80):
        tally.decided(0, decision(offset))
    return tally


def test_what_a_desk_says_again_after_a_restart_counts_once() -> None:
    tally = Tally(NAMES)

    fresh = [tally.decided(0, decision(offset)) for offset in (1, 2, 3, 2, 3, 4)]

    assert fresh == [True, True, True, False, False, True]
    assert (tally.decisions, tally.refused) == (4, {"CONFIDENCE_LOW": 4})
    assert tally.decided(1, decision(2))


def test_what_is_said_of_other_accounts_is_not_counted() -> None:
    tally = Tally(NAMES)

    assert not tally.decided(0, decision(1, account="somebody"))
    tally.pictured(0, portfolio("somebody", 1))

    assert (tally.decisions, tally.accounts) == (0, [])


def test_a_command_to_all_is_shown_as_its_host_says_it_and_the_policy_never() -> None:
    tally = Tally(NAMES, host=2)
    for partition in range(4):
        tally.decided(partition, decision(1, EVERY_ACCOUNT, "COMMAND", "APPLIED", "ENABLED"))
        tally.decided(partition, decision(2, EVERY_ACCOUNT, "COMMAND", "APPLIED", "POLICY version=1"))

    assert [one.reason for one in tally.recent] == ["ENABLED"]
    assert tally.decisions == 8


def test_the_newest_picture_of_an_account_counts() -> None:
    tally = Tally(NAMES)
    for offset in (5, 9, 7):
        tally.pictured(0, portfolio("acc00000", offset, equity=str(offset)))

    assert [one.equity for one in tally.accounts] == [Decimal(9)]


def test_a_stop_over_all_that_one_partition_has_heard_of_is_shown() -> None:
    tally = Tally(NAMES)
    assert tally.total_stop == ("ARMED", 0)
    tally.pictured(0, portfolio(EVERY_ACCOUNT, 9, ess="TRIPPED"))
    tally.pictured(1, portfolio(EVERY_ACCOUNT, 12))

    assert tally.total_stop == ("TRIPPED", 840)


def test_dead_letters_and_signals_are_counted() -> None:
    tally = busy()
    for offset in (3, 3, 4):
        tally.buried(0, DeadLetter(offset, 0, "signals", 0, 1, "UNKNOWN_SCHEMA", "", None, b"", START_MS))

    assert tally.dead_letters == 2
    assert tally.signals >= 5
    assert tally.records > tally.signals


def fill(number: int, account: str = "acc00000") -> Fill:
    one = Decimal(1)
    return Fill("sim", str(number), account, "BTCUSDT", "o1", "BUY", one, one, Decimal(0), "USDT", START_MS)


def order(offset: int, account: str = "acc00000") -> Order:
    one = Decimal(1)
    return Order(
        f"o{offset}", account, offset, 1, "BTCUSDT", "BUY", "LIMIT", one, one, False, None, "signal", 0, 1, START_MS, one, one, 0, 0, START_MS
    )  # fmt: skip


def test_orders_and_trades_that_are_said_again_after_a_restart_count_once_and_others_not_at_all() -> None:
    tally = Tally(NAMES)
    for offset in (3, 4, 3, 4, 5):
        tally.ordered(0, order(offset))
    tally.ordered(0, order(9, "somebody"))
    for number in (1, 2, 1, 3):
        tally.traded(fill(number))
    tally.traded(fill(9, "somebody"))

    assert (tally.orders, tally.fills) == (3, 3)


def test_what_an_account_holds_is_what_it_was_last_pictured_with() -> None:
    tally = Tally(NAMES)
    tally.pictured(0, portfolio("acc00000", 5, held=(position("BTCUSDT"), position("ETHUSDT"))))

    assert list(tally.held("acc00000")) == ["BTCUSDT", "ETHUSDT"]
    assert tally.held("acc00001") == {}


def test_what_is_kept_for_showing_is_bounded() -> None:
    tally = busy()
    for number in range(TRADE_IDS_MAX + 10):
        tally.traded(fill(number))
    assert tally.fills == TRADE_IDS_MAX + 10
    tally.traded(fill(TRADE_IDS_MAX))
    tally.traded(fill(0))
    assert tally.fills == TRADE_IDS_MAX + 11
    for offset in range(100, 100 + 3 * RECENT_MAX):
        tally.decided(0, decision(offset))
    for _ in range(2 * SAMPLES_MAX):
        tally.sample()

    assert len(tally.recent) == RECENT_MAX
    assert len(tally.worth) == SAMPLES_MAX
    assert {len(curve) for curve in tally.curves.values()} == {SAMPLES_MAX}


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (131, 40), (132, 40), (200, 60)])
def test_a_picture_fits_its_terminal(width: int, height: int) -> None:
    lines = drawn(busy(), width, height)

    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    words = "\n".join(lines)
    for wanted in (
        HONEST,
        "acc00001",
        "BTCUSDT",
        "CONFIDENCE_LOW",
        "-3,832.866 ",
        "desk ready",
        "policy starting",
        "the market is open",
    ):
        assert wanted in words


@pytest.mark.parametrize("width", [80, 140])
def test_a_picture_needs_nothing_to_have_happened(width: int) -> None:
    assert drawn(Tally(NAMES), width, 24)


def test_without_an_end_the_head_says_how_it_ends() -> None:
    assert "0:19 so far, Ctrl-C ends" in drawn(busy(), 120, 40, None)[1]


def test_a_terminal_of_ascii_gets_ascii() -> None:
    assert "=====" in drawn(busy(), 80, 24, encoding="ascii")[1]


@pytest.mark.parametrize(
    ("quantity", "text"),
    [("-3832.8660000000", "-3,832.866"), ("0.5000000000", "+0.5"), ("13.0000000000", "+13"), ("100", "+100"), ("0", "+0")],
)
def test_a_quantity_has_no_zeros_a_wire_format_added(quantity: str, text: str) -> None:
    assert quantity_text(Decimal(quantity)) == text


def test_accounts_are_named_anew_where_others_have_been_before() -> None:
    assert account_names(2, None) == ["acc00000", "acc00001"]
    first, second = account_names(3, START_MS), account_names(3, START_MS + 1_000)
    assert not set(first) & set(second)
    assert all(is_account(name) and len(name) <= 11 for name in first)


def test_the_hash_of_all_partitions_depends_on_each_and_on_which_it_is() -> None:
    assert combined({0: "a", 1: "b"}) == combined({1: "b", 0: "a"})
    assert len({combined({0: "a", 1: "b"}), combined({0: "b", 1: "a"}), combined({0: "a"}), combined({0: "a", 1: "c"})}) == 4


def test_all_workers_are_named_where_there_is_little_room_those_that_are_not_ready_first() -> None:
    names = ("exchange", "marketdata", "sequencer", "desk", "execution", "views", "policy")
    workers = [WorkerState(name, "starting" if name == "desk" else "ready", 150e6, 0) for name in names]
    moment = Moment(START_MS, 1.0, 40.0, "workers start", "", workers)
    lines = {}
    for width in (80, 120, 180):
        console = Console(file=io.StringIO(), width=width, height=30, color_system=None, legacy_windows=False)
        with console.capture() as captured:
            console.print(Screen(Tally(NAMES), moment, lambda _account: None))
        lines[width] = captured.get().splitlines()[3].rstrip()

    assert lines[80] == " starting desk  ready exchange marketdata sequencer execution views policy"
    assert lines[120].startswith(" exchange ready  marketdata ready  sequencer ready  desk starting")
    assert lines[180].endswith("views ready 143 MiB  policy ready 143 MiB")


def test_prices_have_the_places_of_their_market() -> None:
    words = "\n".join(drawn(busy(), 100, 30))

    assert "…" not in words.partition("MARKET")[2].partition("HOLDS")[0]
    assert [line.split()[0] for line in words.splitlines() if "USDT" in line][:6] == [
        "ADAUSDT", "BNBUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT",
    ]  # fmt: skip
