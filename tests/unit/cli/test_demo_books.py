"""The exchange's books beside the desk's at the end of a demo: what agrees, what does not, and what is left out on purpose."""

from decimal import Decimal
from typing import Any

from connectors.exchange.simulator.clocks import ManualClock
from connectors.exchange.simulator.faults import FaultPlan
from connectors.exchange.simulator.house import House
from connectors.exchange.simulator.truth import books
from streams.cli.demo_books import EXAMPLES_MAX, Compared, compared
from streams.desk import portfolio
from streams.desk.messages import Fill
from streams.desk.outputs import Portfolio
from streams.desk.state import Account, new_state
from streams.desk.values import exact
from streams.desk.views import view
from tests.exchange_kit import BTC, ETH, FIRST_FUNDING_MS, START_MS, Scene

ALICE = "alice"
OPENING = {ALICE: Decimal(100_000)}


def told(scene: Scene) -> dict[str, Any]:
    return books(House(scene.engine, ManualClock(scene.now_ms), FaultPlan((), 7, START_MS), 7, START_MS))


def pictured(scene: Scene, missing: int = 0, funding: Decimal = Decimal(0)) -> Portfolio:
    """Give the picture of a desk that has heard of all trades of alice but the last so many."""
    opening = OPENING[ALICE]
    state, account = new_state(1, 0, 1), Account(ALICE, "sim", "keys", Decimal(5), opening, opening, opening, opening)
    trades = scene.engine.trades(ALICE, None)
    with exact():
        for row in trades[: len(trades) - missing]:
            figures = (row.price, row.quantity, row.commission, row.commission_asset)
            fill = Fill("sim", str(row.trade_id), ALICE, row.symbol, "o1", row.side, *figures, row.ts)
            portfolio.trade(state, account, fill.symbol, fill.quantity * portfolio.signed(fill), fill.price)
            portfolio.charge_fee(state, account, fill)
        account.funding += funding
        portfolio.move_cash(state, account, funding)
        return view(state, account, 1, 1)


def traded() -> Scene:
    """Have positions that were bought in parts at prices that do not divide, reduced in thirds, flipped and closed."""
    scene = Scene()
    scene.buy("0.123")
    scene.to("60123.7")
    scene.buy("0.1")
    scene.sell("0.071")
    scene.to("60011.1")
    scene.sell("0.043")
    scene.buy("1.777", symbol=ETH)
    scene.sell("3", symbol=ETH)
    return scene


def held(scene: Scene, picture: Portfolio | None) -> Compared:
    return compared({} if picture is None else {ALICE: picture}, told(scene), OPENING)


def test_a_desk_that_has_heard_of_every_trade_holds_and_has_paid_the_same_to_the_last_digit() -> None:
    scene = traded()
    found = held(scene, pictured(scene))

    assert found.ok
    assert (found.accounts, found.orders, found.trades) == (1, 6, len(scene.engine.trades(ALICE, None)))
    assert found.examples == ()


def test_a_trade_nobody_told_the_desk_of_is_a_difference_in_both() -> None:
    scene = traded()
    found = held(scene, pictured(scene, missing=1))

    assert not found.ok
    assert (found.position_differences, found.cash_differences) == (1, 1)
    assert found.examples[0].startswith("alice ETHUSDT: desk ")


def test_an_account_the_desk_has_never_pictured_differs_in_all_it_holds() -> None:
    found = held(traded(), None)

    assert (found.position_differences, found.cash_differences) == (2, 1)
    assert len(found.examples) <= EXAMPLES_MAX


def test_money_that_is_missing_is_a_difference_in_cash() -> None:
    scene = traded()
    picture = pictured(scene)

    found = held(scene, picture._replace(cash=picture.cash - Decimal("0.00000001")))

    assert (found.position_differences, found.cash_differences) == (0, 1)


def test_funding_is_left_out_whether_the_desk_has_heard_of_it_or_not() -> None:
    scene = traded()
    scene.later(FIRST_FUNDING_MS - scene.now_ms)
    assert any(row.type == "FUNDING_FEE" for row in scene.engine.incomes(ALICE))

    assert held(scene, pictured(scene)).ok
    assert held(scene, pictured(scene, funding=Decimal("-0.25"))).ok


def test_money_that_was_paid_in_at_the_exchange_and_not_here_is_a_difference() -> None:
    scene = traded()
    scene.engine.transfer(ALICE, "USDT", Decimal(50), scene.now_ms)

    assert held(scene, pictured(scene)).cash_differences == 1


def test_an_order_that_was_accepted_twice_is_named() -> None:
    scene = Scene()
    for _ in range(2):
        scene.buy("0.01", client_id="same")

    found = held(scene, pictured(scene))

    assert (found.ok, found.sent_twice, found.position_differences) == (False, 1, 0)
    assert found.examples[0] == "alice: same was accepted 2 times"


def test_other_accounts_of_the_exchange_are_nobodys_business() -> None:
    scene = traded()
    scene.account("bob")
    scene.buy("1", account="bob", symbol=BTC)

    assert held(scene, pictured(scene)).ok
