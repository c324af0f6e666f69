"""The exchange's own Python client, REST, with nothing but its address changed: each answer is read into that client's models, which are strict.

Where an answer does not fit, the client writes a warning and goes on: here that is a failure.
"""

import logging
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests
from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError, RateLimitBanError, ServerError, TooManyRequestsError, UnauthorizedError
from binance_common.utils import send_request

from connectors.exchange.simulator.process import SimulatorProcess
from tests.integration.exchange.kit import BTC, Owner, books_of, dec, moved, official, opened, plans, wait_until

BUY, SELL, MARKET, LIMIT, GTC, RESULT, CONDITIONAL = "BUY", "SELL", "MARKET", "LIMIT", "GTC", "RESULT", "CONDITIONAL"
"""Quantities and prices are floats because that client wants them so: all of these are exact in few digits."""


@pytest.fixture(autouse=True)
def every_answer_fits(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.fixture
def owner(exchange: SimulatorProcess) -> Owner:
    return opened(exchange)


@pytest.fixture
def client(exchange: SimulatorProcess, owner: Owner) -> Any:
    return official(exchange.url, owner)


def bought(client: Any, quantity: float = 0.01, symbol: str = BTC) -> Any:
    return client.new_order(symbol, BUY, MARKET, quantity=quantity, new_order_resp_type=RESULT).data()


def rests(client: Any, name: str, price: float = 59_000) -> Any:
    return client.new_order(BTC, BUY, LIMIT, time_in_force=GTC, quantity=0.01, price=price, new_client_order_id=name).data()


def asked_at(url: str, owner: Owner, **stamped: int) -> int:
    """Ask for the balance with a time of one's own: the client's methods stamp by themselves, what is below them takes what it is given."""
    there = ConfigurationRestAPI(api_key=owner.key, api_secret=owner.secret, base_path=url)
    answer: Any = send_request(requests.Session(), there, "GET", "/fapi/v3/balance", stamped, is_signed=True)
    status: int = answer.status
    return status


def test_it_is_there_and_knows_the_time_its_markets_and_its_limits(client: Any) -> None:
    assert client.test_connectivity().status == 200
    assert abs(client.check_server_time().data().server_time - time.time() * 1_000) < 5_000
    info = client.exchange_information().data()

    assert {one.symbol for one in info.symbols} == {"BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT"}
    assert {(one.rate_limit_type, one.interval, one.interval_num, one.limit) for one in info.rate_limits} == {
        ("REQUEST_WEIGHT", "MINUTE", 1, 2_400),
        ("ORDERS", "MINUTE", 1, 1_200),
        ("ORDERS", "SECOND", 10, 300),
    }
    assert {one.filter_type for one in info.symbols[0].filters} == {
        "PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MAX_NUM_ORDERS", "MAX_NUM_ALGO_ORDERS", "MIN_NOTIONAL", "PERCENT_PRICE",
    }  # fmt: skip


def test_prices_books_and_candles_agree(client: Any) -> None:
    book = client.order_book(BTC, 20).data()
    best = client.symbol_order_book_ticker(BTC).data().actual_instance
    mark = client.mark_price(BTC).data().actual_instance
    marks = client.mark_price().data().actual_instance
    candles = client.kline_candlestick_data(BTC, "1m", limit=5).data()
    day = client.ticker24hr_price_change_statistics(BTC).data().actual_instance
    price = client.symbol_price_ticker(BTC).data().actual_instance

    bids, asks = ([dec(level[0]) for level in side] for side in (book.bids, book.asks))
    assert len(bids) == len(asks) == 20
    assert (bids, asks) == (sorted(bids, reverse=True), sorted(asks))
    assert dec(mark.mark_price) == 60_000
    assert {one.symbol: one.mark_price for one in marks}[BTC] == mark.mark_price
    assert (dec(best.bid_price), dec(best.ask_price)) == (bids[0], asks[0])
    assert bids[0] < 60_000 <= asks[0]
    assert dec(candles[-1][3]) <= dec(price.price) <= dec(candles[-1][2])
    assert dec(day.quote_volume) > 0


def test_an_order_that_trades_is_filled_told_and_paid_for(exchange: SimulatorProcess, client: Any, owner: Owner) -> None:
    order = client.new_order(BTC, BUY, MARKET, quantity=0.01, new_client_order_id="a-name", new_order_resp_type=RESULT).data()
    found = client.query_order(BTC, orig_client_order_id="a-name").data()
    trades = client.account_trade_list(BTC, order_id=order.order_id).data()
    incomes = client.get_income_history(income_type="COMMISSION").data()
    held = client.position_information_v3(BTC).data()

    assert (order.status, order.executed_qty, found.status, found.order_id) == ("FILLED", "0.01", "FILLED", order.order_id)
    assert sum(dec(one.qty) for one in trades) == Decimal("0.01")
    assert {(one.maker, one.commission_asset) for one in trades} == {(False, "USDT")}
    assert [one.position_amt for one in held] == ["0.01"]
    fee = sum(dec(one.commission) for one in trades)
    assert fee == sum(dec(one.quote_qty) for one in trades) * Decimal("0.0005")
    assert [dec(one.income) for one in incomes] == [-dec(one.commission) for one in trades]
    assert dec(books_of(exchange, owner)["balances"]["USDT"]) == 100_000 - fee


def test_an_order_that_rests_is_open_and_can_be_cancelled_alone_or_with_all(client: Any) -> None:
    for name in ("r1", "r2", "r3"):
        assert rests(client, name).status == "NEW"
    of_all = client.current_all_open_orders().data()
    of_one = client.current_all_open_orders(BTC).data()
    cancelled = client.cancel_order(BTC, orig_client_order_id="r2").data()

    assert [one.client_order_id for one in of_all] == [one.client_order_id for one in of_one] == ["r1", "r2", "r3"]
    assert (cancelled.client_order_id, cancelled.status) == ("r2", "CANCELED")
    assert client.query_current_open_order(BTC, orig_client_order_id="r1").data().status == "NEW"
    assert client.cancel_all_open_orders(BTC).data().code in {200, "200"}
    assert client.current_all_open_orders(BTC).data() == []
    history = client.all_orders(BTC).data()
    assert [(one.client_order_id, one.status) for one in history] == [(name, "CANCELED") for name in ("r1", "r2", "r3")]


@pytest.mark.parametrize(
    ("force", "price", "status", "executed"),
    [
        ("GTC", 60_300, "FILLED", "0.01"),
        ("IOC", 60_300, "FILLED", "0.01"),
        ("IOC", 59_700, "EXPIRED", "0"),
        ("FOK", 60_300, "FILLED", "0.01"),
        ("GTX", 59_700, "NEW", "0"),
    ],
)
def test_a_limit_order_does_as_its_time_in_force_says(client: Any, force: str, price: float, status: str, executed: str) -> None:
    order = client.new_order(BTC, BUY, LIMIT, time_in_force=force, quantity=0.01, price=price, new_order_resp_type=RESULT).data()

    assert (order.status, order.executed_qty, order.time_in_force) == (status, executed, force)


def test_an_order_larger_than_the_book_near_its_limit_fills_in_parts(client: Any) -> None:
    order = client.new_order(BTC, BUY, LIMIT, time_in_force="IOC", quantity=15, price=60_005, new_order_resp_type=RESULT).data()
    trades = client.account_trade_list(BTC).data()

    assert order.status == "EXPIRED"
    assert 0 < dec(order.executed_qty) < 15
    assert sum(dec(one.qty) for one in trades) == dec(order.executed_qty)


def test_what_only_reduces_closes_and_does_not_open(client: Any) -> None:
    bought(client)
    closing = client.new_order(BTC, SELL, MARKET, quantity=0.02, reduce_only="true", new_order_resp_type=RESULT)

    assert (closing.data().reduce_only, closing.data().executed_qty) == (True, "0.01")
    assert client.position_information_v3(BTC).data() == []
    with pytest.raises(BadRequestError) as refused:
        client.new_order(BTC, SELL, MARKET, quantity=0.02, reduce_only="true")
    assert refused.value.status_code == -2022


REFUSED: dict[str, tuple[int, dict[str, Any]]] = {
    "no such symbol": (-1121, {"symbol": "NOPEUSDT"}),
    "too precise a quantity": (-1111, {"quantity": 0.00001}),
    "too small an order": (-4164, {"symbol": "ETHUSDT", "quantity": 0.001, "price": 2_990.0}),
    "nothing": (-4003, {"quantity": 0.0}),
    "too large a quantity": (-4005, {"quantity": 2_000_000.0}),
    "off the tick": (-4014, {"price": 59_000.15}),
    "too far above": (-4016, {"price": 66_000.0}),
    "more than there is margin for": (-2019, {"quantity": 60.0}),
    "post only, but it would take": (-5022, {"time_in_force": "GTX", "price": 60_300.0}),
    "fill or kill, but there is not enough": (
        -5021,
        {"time_in_force": "FOK", "price": 60_005.0, "quantity": 15.0},
    ),
    "a name that is no name": (-4015, {"new_client_order_id": "a name"}),
    "a conditional order": (-4120, {"type": "STOP_MARKET"}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_order_is_refused_with_the_exchanges_code(exchange: SimulatorProcess, client: Any, owner: Owner, name: str) -> None:
    code, change = REFUSED[name]
    asked = {"symbol": BTC, "side": BUY, "type": LIMIT, "time_in_force": GTC, "quantity": 0.01, "price": 59_000.0}
    with pytest.raises(BadRequestError) as refused:
        client.new_order(**{**asked, **change})

    assert refused.value.status_code == code
    assert books_of(exchange, owner)["orders"] == []


def test_a_name_is_free_again_once_its_order_is_filled_and_then_executes_again(
    exchange: SimulatorProcess, client: Any, owner: Owner
) -> None:
    rests(client, "resting")
    with pytest.raises(BadRequestError) as refused:
        rests(client, "resting")
    for _ in range(2):
        client.new_order(BTC, BUY, MARKET, quantity=0.01, new_client_order_id="twice")

    assert refused.value.status_code == -4116
    assert [row["client_id"] for row in books_of(exchange, owner)["orders"]] == ["resting", "twice", "twice"]


def test_an_account_is_told_of_as_a_whole(client: Any) -> None:
    bought(client)
    (older,), (usdt,) = client.futures_account_balance_v2().data(), client.futures_account_balance_v3().data()
    assert (usdt.asset, older.balance) == ("USDT", usdt.balance)
    assert dec(usdt.balance) < 100_000
    for whole in (client.account_information_v2().data(), client.account_information_v3().data()):
        assert whole.total_wallet_balance == usdt.balance
        (held,) = [one for one in whole.positions if one.symbol == BTC]
        assert held.position_amt == "0.01"
    (risk,) = [one for one in client.position_information_v2().data() if one.symbol == BTC]
    assert (risk.leverage, risk.margin_type) == ("20", "cross")
    assert client.futures_account_configuration().data().can_trade
    assert client.get_current_position_mode().data().dual_side_position is False


def test_leverage_and_margin_type_are_set_and_the_same_again_is_an_error(client: Any) -> None:
    assert client.change_initial_leverage(BTC, 7).data().leverage == 7
    assert client.change_margin_type(BTC, "ISOLATED").data().code == 200
    with pytest.raises(BadRequestError) as again:
        client.change_margin_type(BTC, "ISOLATED")

    assert again.value.status_code == -4046
    (told,) = client.symbol_configuration(BTC).data()
    assert (told.leverage, told.margin_type) == (7, "ISOLATED")
    with pytest.raises(BadRequestError) as too_much:
        client.change_initial_leverage(BTC, 126)
    assert too_much.value.status_code == -4028


def test_fees_are_paid_in_bnb_by_who_wants_that(exchange: SimulatorProcess) -> None:
    owner = opened(exchange, BNB="1")
    client = official(exchange.url, owner)
    assert client.get_bnb_burn_status().data().fee_burn is False
    client.toggle_bnb_burn_on_futures_trade("true")
    bought(client)

    trades = client.account_trade_list(BTC).data()
    assert client.get_bnb_burn_status().data().fee_burn is True
    assert client.account_information_v2().data().fee_burn is True
    assert {one.commission_asset for one in trades} == {"BNB"}
    assert dec(books_of(exchange, owner)["balances"]["BNB"]) == 1 - sum(dec(one.commission) for one in trades)


def test_conditional_orders_have_an_id_space_of_their_own(exchange: SimulatorProcess, client: Any, owner: Owner) -> None:
    bought(client)
    stop = client.new_algo_order(
        CONDITIONAL, BTC, SELL, "STOP_MARKET", trigger_price=59_000, client_algo_id="s1",
        close_position="true", working_type="MARK_PRICE",
    ).data()  # fmt: skip
    client.new_algo_order(
        CONDITIONAL, BTC, SELL, "TAKE_PROFIT_MARKET", trigger_price=61_000, quantity=0.01, client_algo_id="s2",
        reduce_only="true",
    )  # fmt: skip
    trailing = client.new_algo_order(
        CONDITIONAL, BTC, SELL, "TRAILING_STOP_MARKET", quantity=0.01, callback_rate=1.5, client_algo_id="s3"
    ).data()

    assert (stop.algo_status, stop.close_position, trailing.callback_rate) == ("NEW", True, "1.5")
    assert [one.client_algo_id for one in client.current_all_algo_open_orders().data()] == ["s1", "s2", "s3"]
    assert client.current_all_open_orders().data() == []
    assert client.query_algo_order(client_algo_id="s1").data().algo_id == stop.algo_id
    assert client.cancel_algo_order(client_algo_id="s1").data().client_algo_id == "s1"
    assert client.cancel_all_algo_open_orders(BTC).data().code in {200, "200"}
    assert {one.algo_status for one in client.query_all_algo_orders(BTC).data()} == {"CANCELED"}
    assert len(books_of(exchange, owner)["orders"]) == 1


def test_a_stop_that_is_reached_names_the_order_it_became(exchange: SimulatorProcess, client: Any) -> None:
    bought(client, 1.0, "SOLUSDT")
    client.new_algo_order(
        CONDITIONAL, "SOLUSDT", SELL, "STOP_MARKET", trigger_price=148, client_algo_id="stop",
        close_position="true", working_type="MARK_PRICE",
    )  # fmt: skip
    moved(exchange, "SOLUSDT", "2")
    wait_until(lambda: client.query_algo_order(client_algo_id="stop").data().algo_status == "FINISHED")

    stop = client.query_algo_order(client_algo_id="stop").data()
    order = client.query_order("SOLUSDT", order_id=int(stop.actual_order_id)).data()
    assert (order.status, order.orig_type, order.client_order_id) == ("FILLED", "STOP_MARKET", "stop")
    assert client.position_information_v3("SOLUSDT").data() == []


def test_a_countdown_cancels_everything_open_unless_it_is_set_again(client: Any) -> None:
    rests(client, "left-behind")
    assert client.auto_cancel_all_open_orders(BTC, 150).data().countdown_time == "150"
    wait_until(lambda: client.current_all_open_orders(BTC).data() == [])

    rests(client, "kept")
    client.auto_cancel_all_open_orders(BTC, 60_000)
    assert client.auto_cancel_all_open_orders(BTC, 0).data().countdown_time == "0"
    assert len(client.current_all_open_orders(BTC).data()) == 1


def test_a_listen_key_is_made_kept_alive_and_closed(client: Any) -> None:
    first, again = (client.start_user_data_stream().data().listen_key for _ in range(2))

    assert first == again == client.keepalive_user_data_stream().data().listen_key
    client.close_user_data_stream()
    with pytest.raises(BadRequestError) as gone:
        client.keepalive_user_data_stream()
    assert gone.value.status_code == -1125


def test_a_wrong_key_secret_or_time_is_refused_with_its_code(exchange: SimulatorProcess, owner: Owner) -> None:
    with pytest.raises(UnauthorizedError) as nobody:
        official(exchange.url, owner._replace(key="nobody")).futures_account_balance_v3()
    with pytest.raises(BadRequestError) as forged:
        official(exchange.url, Owner(owner.account, owner.key, "wrong")).futures_account_balance_v3()
    now_ms = official(exchange.url, owner).check_server_time().data().server_time
    codes = []
    for stamped in ({"timestamp": now_ms - 6_000}, {"timestamp": now_ms + 5_000}, {"timestamp": now_ms, "recvWindow": 60_001}):
        with pytest.raises(BadRequestError) as late:
            asked_at(exchange.url, owner, **stamped)
        codes.append(late.value.status_code)

    assert (nobody.value.status_code, forged.value.status_code, codes) == (-2015, -1022, [-1021, -1021, -1131])
    assert asked_at(exchange.url, owner, timestamp=now_ms - 6_000, recvWindow=60_000) == 200


def test_every_answer_tells_what_was_used(client: Any) -> None:
    before, after = (client.test_connectivity().rate_limits[0].count for _ in range(2))
    order = client.new_order(BTC, BUY, MARKET, quantity=0.01)

    assert after == before + 1
    assert {(one.rateLimitType, one.interval, one.intervalNum) for one in order.rate_limits} == {
        ("REQUEST_WEIGHT", "MINUTE", 1),
        ("ORDERS", "SECOND", 10),
        ("ORDERS", "MINUTE", 1),
    }


@pytest.mark.parametrize(
    ("fault", "error", "code", "after_s"),
    [
        ("rate_limited, retry_after_s: 1", TooManyRequestsError, -1003, 1),
        ("banned, retry_after_s: 1", RateLimitBanError, -1003, 1),
        ("server_error", ServerError, 503, None),
        ("reject, code: -2019", BadRequestError, -2019, None),
    ],
)
def test_the_client_reads_faults_for_what_they_are(
    exchange: SimulatorProcess, client: Any, fault: str, error: type[Exception], code: int, after_s: int | None
) -> None:
    exchange.ask("PUT", "/sim/faults", plans(f"{fault}, methods: [POST]"))
    try:
        with pytest.raises(error) as struck:
            client.new_order(BTC, BUY, MARKET, quantity=0.01)
    finally:
        exchange.ask("PUT", "/sim/faults", "")

    told: Any = struck.value
    assert (told.status_code, getattr(told, "retry_after", None)) == (code, after_s)
