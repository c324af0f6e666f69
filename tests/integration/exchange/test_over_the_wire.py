"""What the simulated exchange says over HTTP and WebSocket that no client of others shows: headers, refusals, ends of streams, its own doors."""

import json
from decimal import Decimal
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from connectors.exchange.simulator.journal import entries
from connectors.exchange.simulator.process import SimulatorFailed, running
from connectors.exchange.simulator.setting_up import Options
from connectors.exchange.simulator.weights import Limits
from tests.exchange_kit import BTC, FIRST_FUNDING_MS, START_MS
from tests.integration.exchange.by_hand import KEY, SECRET, ByHand, by_hand
from tests.integration.exchange.kit import opened, wait_until

HOUR_MS = 3_600_000


def asked(url: str, path: str) -> Any:
    """Ask something anybody may."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_every_answer_carries_what_was_used_and_orders_their_counts_too() -> None:
    async def does(hand: ByHand) -> None:
        asked = await hand.ask("GET", "/fapi/v1/openOrders")
        refused = await hand.order(quantity="0")
        placed = await hand.order()

        assert (asked.headers["X-MBX-USED-WEIGHT-1M"], "X-MBX-ORDER-COUNT-10S" in asked.headers) == ("40", False)
        assert (refused.status, refused.headers["X-MBX-ORDER-COUNT-1M"]) == (400, "1")
        for name, used in (("USED-WEIGHT-1M", "42"), ("ORDER-COUNT-10S", "2"), ("ORDER-COUNT-1M", "2")):
            assert placed.headers[f"X-MBX-{name}"] == used

    by_hand(does)


def test_who_asks_too_much_gets_429_with_the_wait_and_then_418() -> None:
    async def does(hand: ByHand) -> None:
        answers = [await hand.ask("GET", "/fapi/v1/openOrders") for _ in range(5)]
        elsewhere = await hand.ask("GET", "/fapi/v1/openOrders", ip="9.9.9.9")
        left_ms = 60_000 - START_MS % 60_000

        assert [answer.status for answer in answers] == [200, 200, 429, 429, 418]
        assert int(answers[2].headers["Retry-After"]) == -(-left_ms // 1_000)
        assert (answers[4].headers["Retry-After"], answers[4].body["code"]) == ("120", -1003)
        assert elsewhere.status == 200
        assert (await hand.behind("GET", "/sim/books")).body["bans"] == {"127.0.0.1": 1}
        hand.later(120_000)
        assert (await hand.ask("GET", "/fapi/v1/openOrders")).status == 200

    by_hand(does, limits=Limits(weight_1m=80, refusals_max=2))


def test_too_many_orders_are_refused_by_account_and_nothing_is_done() -> None:
    async def does(hand: ByHand) -> None:
        answers = [await hand.order() for _ in range(4)]

        assert [(answer.status, answer.body.get("code")) for answer in answers] == [(200, None)] * 3 + [(429, -1015)]
        assert len(hand.house.engine.all_orders("alice", BTC)) == 3
        assert (await hand.ask("DELETE", "/fapi/v1/allOpenOrders", symbol=BTC)).status == 200
        hand.later(10_000)
        assert (await hand.order()).status == 200

    by_hand(does, limits=Limits(orders_10s=3))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_what_there_is_not_is_404(method: str) -> None:
    async def does(hand: ByHand) -> None:
        answer = await hand.ask(method, "/fapi/v1/nothing")
        assert (answer.status, answer.body["code"]) == (404, -5000)

    by_hand(does)


def test_a_key_without_the_permission_may_look_and_not_trade() -> None:
    async def does(hand: ByHand) -> None:
        await hand.behind("POST", "/sim/permissions", {"account": "alice", "permissions": {"enableFutures": False}})
        told = await hand.ask("GET", "/sapi/v1/account/apiRestrictions")

        assert (await hand.order()).body["code"] == -2015
        assert (await hand.ask("GET", "/fapi/v3/balance")).status == 200
        assert (told.body["enableFutures"], told.body["enableWithdrawals"]) == (False, False)

    by_hand(does)


def test_hedge_mode_can_be_set_and_orders_are_refused_then() -> None:
    async def does(hand: ByHand) -> None:
        assert (await hand.ask("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")).status == 200
        assert (await hand.ask("GET", "/fapi/v1/positionSide/dual")).body == {"dualSidePosition": True}
        assert (await hand.order()).body["code"] == -4061

    by_hand(does)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"type": "LIMIT", "price": "59000"}, -1102),
        ({"timeInForce": "GTC"}, -1106),
        ({"type": "LIMIT", "price": "59000", "timeInForce": "GTD"}, -1115),
        ({"type": "ICEBERG"}, -1116),
        ({"side": "HOLD"}, -1117),
        ({"quantity": "much"}, -1100),
        ({"closePosition": "true"}, -4136),
        ({"type": "STOP_MARKET"}, -4120),
        ({"type": "TAKE_PROFIT_MARKET"}, -4120),
        ({"type": "TRAILING_STOP_MARKET"}, -4120),
        ({"positionSide": "LONG"}, -4061),
    ],
)
def test_an_order_that_is_asked_for_wrongly_is_refused_with_the_code_for_it(told: dict[str, str], code: int) -> None:
    async def does(hand: ByHand) -> None:
        assert (await hand.order(**told)).body["code"] == code
        assert hand.house.engine.all_orders("alice", BTC) == []

    by_hand(does)


def test_histories_are_told_in_parts_from_an_id_or_within_a_time() -> None:
    async def does(hand: ByHand) -> None:
        for number in range(5):
            await hand.order(newClientOrderId=f"o{number}")
            hand.later(1_000)
        trades = (await hand.ask("GET", "/fapi/v1/userTrades", symbol=BTC)).body

        async def named(**told: object) -> list[str]:
            what: dict[str, Any] = {"symbol": BTC, **told}
            return [row["clientOrderId"] for row in (await hand.ask("GET", "/fapi/v1/allOrders", **what)).body]

        assert await named() == ["o0", "o1", "o2", "o3", "o4"]
        assert await named(limit=2) == ["o3", "o4"]
        assert await named(orderId=3) == ["o2", "o3", "o4"]
        assert await named(startTime=START_MS + 1_000, endTime=START_MS + 3_000) == ["o1", "o2", "o3"]
        assert await named(startTime=START_MS + 1_000, limit=2) == ["o1", "o2"]
        later = (await hand.ask("GET", "/fapi/v1/userTrades", symbol=BTC, fromId=trades[2]["id"])).body
        assert later == trades[2:]
        assert (await hand.ask("GET", "/fapi/v1/userTrades", symbol=BTC, orderId=2)).body == [
            one for one in trades if one["orderId"] == 2
        ]
        for path, told, code in (
            ("/fapi/v1/allOrders", {"startTime": START_MS, "endTime": START_MS + 8 * 86_400_000}, -4165),
            ("/fapi/v1/allOrders", {"startTime": START_MS, "endTime": START_MS - 1}, -4165),
            ("/fapi/v1/userTrades", {"fromId": 1, "startTime": START_MS}, -1128),
            ("/fapi/v1/userTrades", {"limit": 0}, -1130),
        ):
            what: dict[str, Any] = {"symbol": BTC, **told}
            assert (await hand.ask("GET", path, **what)).body["code"] == code, told

    by_hand(does)


def test_streams_are_subscribed_to_and_left_again() -> None:
    async def does(hand: ByHand) -> None:
        async with hand.stream("/stream?streams=btcusdt@markPrice@1s/ethusdt@bookTicker") as stream:
            assert (await stream.ask("LIST_SUBSCRIPTIONS"))["result"] == ["btcusdt@markPrice@1s", "ethusdt@bookTicker"]
            assert (await stream.ask("UNSUBSCRIBE", "ethusdt@bookTicker"))["result"] is None
            hand.later(100)
            first = await stream.next()
            hand.later(900)
            assert await stream.silent(), "a second is not over"
            hand.later(100)
            second = await stream.next()

            assert (first["stream"], first["data"]["p"]) == ("btcusdt@markPrice@1s", "60000")
            assert second["data"]["E"] - first["data"]["E"] == 1_000
            assert (await stream.ask("BUY"))["error"]["code"] == 2

    by_hand(does)


def test_who_follows_the_changes_of_a_book_has_the_same_book() -> None:
    async def does(hand: ByHand) -> None:
        async with hand.stream("/ws/btcusdt@depth@100ms") as stream:
            hand.later(100)
            start = await hand.ask("GET", "/fapi/v1/depth", signed=False, symbol=BTC, limit=1_000)
            sides = {name: dict(start.body[told]) for name, told in (("b", "bids"), ("a", "asks"))}
            last_id = start.body["lastUpdateId"]
            for mark in (60_010, 59_950, 60_020):
                hand.to(mark)
                change = await stream.next()
                assert change["pu"] == last_id
                last_id = change["u"]
                for name, levels in sides.items():
                    for price, quantity in change[name]:
                        levels.pop(price, None)
                        if quantity != "0":
                            levels[price] = quantity
            end = await hand.ask("GET", "/fapi/v1/depth", signed=False, symbol=BTC, limit=1_000)

            assert end.body["lastUpdateId"] == last_id
            assert (sides["b"], sides["a"]) == (dict(end.body["bids"]), dict(end.body["asks"]))

    by_hand(does)


def test_a_listen_key_ends_after_an_hour_unless_it_is_kept_alive_and_says_so() -> None:
    async def does(hand: ByHand) -> None:
        async with hand.private() as stream:
            hand.later(HOUR_MS - 1)
            await hand.ask("PUT", "/fapi/v1/listenKey", signed=False)
            hand.later(HOUR_MS - 1)
            assert await stream.silent()
            hand.later(1)
            assert (await stream.next())["e"] == "listenKeyExpired"
            await hand.order()
            assert await stream.silent(), "whoever listens to a key that ended hears nothing"
            assert (await hand.ask("PUT", "/fapi/v1/listenKey", signed=False)).body["code"] == -1125

    by_hand(does)


def test_funding_a_transfer_and_a_liquidation_are_told_and_in_the_income() -> None:
    async def does(hand: ByHand) -> None:
        async with hand.private() as stream:
            await hand.behind("POST", "/sim/transfer", {"account": "alice", "asset": "USDT", "amount": "-90000"})
            await hand.order(quantity="2")
            hand.later(HOUR_MS - 1)
            await hand.ask("PUT", "/fapi/v1/listenKey", signed=False)
            hand.later(FIRST_FUNDING_MS - START_MS - HOUR_MS + 1)
            hand.to(54_000)
            said: list[Any] = []
            while not said or said[-1].get("o", {}).get("ot") != "LIQUIDATION" or said[-1]["o"]["X"] != "FILLED":
                said.append(await stream.next())
            incomes = (await hand.ask("GET", "/fapi/v1/income")).body

            reasons = [one["a"]["m"] for one in said if one["e"] == "ACCOUNT_UPDATE"]
            assert reasons[:3] == ["WITHDRAW", "ORDER", "FUNDING_FEE"]
            assert {"TRANSFER", "FUNDING_FEE", "COMMISSION", "REALIZED_PNL"} <= {one["incomeType"] for one in incomes}
            assert (await hand.ask("GET", "/fapi/v3/positionRisk")).body == []

    by_hand(does)


def test_the_doors_behind_refuse_what_they_cannot_use() -> None:
    async def does(hand: ByHand) -> None:
        for method, path, body, word in (
            ("POST", "/sim/accounts", {"account": "b"}, "key is wanted"),
            ("POST", "/sim/accounts", {"account": "b", "key": KEY, "secret": "s"}, "account alice's"),
            ("POST", "/sim/transfer", {"account": "alice", "asset": "USDT", "amount": 5}, "amounts are text"),
            ("POST", "/sim/transfer", {"account": "alice", "asset": "USDT", "amount": "-100001"}, "-2018"),
            ("POST", "/sim/permissions", {"account": "alice", "permissions": {"fly": True}}, "fly is not known"),
            ("POST", "/sim/clock", {"by_ms": -1}, "by_ms or to_ms is wanted"),
            ("POST", "/sim/prices", "prices:\n  - {event: crash, percent: 5, at_s: 0, over_s: 1}\n", "cannot be moved from here"),
            ("POST", "/sim/accounts", "{", "no JSON"),
        ):
            answer = await hand.behind(method, path, body)
            assert (answer.status, word in answer.body["error"]) == (400, True), (path, answer.body)
        assert (await hand.behind("GET", "/sim/nothing")).status == 404

    by_hand(does)


def test_a_session_is_written_down_without_keys_secrets_and_signatures(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"

    async def does(hand: ByHand) -> None:
        await hand.behind("POST", "/sim/accounts", {"account": "bob", "key": "key-of-bob", "secret": "secret-of-bob"})
        async with hand.private() as stream:
            await hand.order(newClientOrderId="mine")
            await stream.next()
        await hand.ask("GET", "/fapi/v1/order", symbol=BTC, origClientOrderId="another")

    by_hand(does, journal=file)
    written = file.read_text()
    mine = list(entries(file, client_id="mine"))

    assert [(one["kind"], one.get("path") or one.get("event")) for one in mine] == [
        ("event", "ORDER_TRADE_UPDATE"),
        ("event", "ORDER_TRADE_UPDATE"),
        ("request", "/fapi/v1/order"),
    ]
    assert mine[-1]["outcome"] == "pass"
    assert [one["status"] for one in entries(file, client_id="another")] == [400]
    assert next(entries(file))["kind"] == "admin"
    for secret in (KEY, SECRET, "key-of-bob", "secret-of-bob", "signature", "simulatedlistenkey"):
        assert secret not in written


def test_a_flash_crash_falls_by_so_much_in_so_many_seconds_for_everybody_to_see() -> None:
    with running(Options(seed=7, manual_ms=START_MS, markets=2)) as exchange:
        exchange.ask(
            "POST", "/sim/prices", "prices:\n  - {event: crash, symbol: BTCUSDT, percent: 20, at_s: 0, over_s: 4, hold_s: 60}\n"
        )
        marks, others = [], []
        for _ in range(6):
            marks.append(Decimal(asked(exchange.url, "/fapi/v1/premiumIndex?symbol=BTCUSDT")["markPrice"]))
            others.append(Decimal(asked(exchange.url, "/fapi/v1/premiumIndex?symbol=ETHUSDT")["markPrice"]))
            exchange.ask("POST", "/sim/clock", {"by_ms": 1_000})
        best = asked(exchange.url, "/fapi/v1/ticker/bookTicker?symbol=BTCUSDT")

    wanted = [Decimal(share) for share in ("1", "0.95", "0.9", "0.85", "0.8", "0.8")]
    assert max(abs(mark / marks[0] - share) for mark, share in zip(marks, wanted, strict=True)) < Decimal("0.01")
    assert max(abs(other / others[0] - 1) for other in others) < Decimal("0.01")
    assert Decimal(best["askPrice"]) < marks[0] * Decimal("0.81")


def test_the_same_seed_and_times_are_the_same_exchange_and_another_seed_is_another() -> None:
    def told(seed: int) -> tuple[object, ...]:
        with running(Options(seed=seed, manual_ms=START_MS, markets=3)) as exchange:
            exchange.ask("POST", "/sim/clock", {"by_ms": 90_000})
            return tuple(
                json.dumps(asked(exchange.url, path))
                for path in (
                    "/fapi/v1/premiumIndex",
                    "/fapi/v1/depth?symbol=ETHUSDT&limit=20",
                    "/fapi/v1/klines?symbol=BTCUSDT&interval=1m",
                )
            )

    assert told(7) == told(7)
    assert told(7) != told(8)


def test_prices_are_played_from_a_file_of_candles(tmp_path: Path) -> None:
    file = tmp_path / "btc.csv"
    file.write_text("0,60000,61000,59000,60600,9,59999\n60000,60600,60600,60600,60600,9,119999\n")
    with running(Options(manual_ms=START_MS, prices_file=file, prices_symbol="BTCUSDT")) as exchange:
        marks = []
        for _ in range(4):
            marks.append(asked(exchange.url, "/fapi/v1/premiumIndex?symbol=BTCUSDT")["markPrice"])
            exchange.ask("POST", "/sim/clock", {"by_ms": 20_000})

        assert [round(Decimal(mark), -1) for mark in marks] == [60_000, 59_000, 61_000, 60_600]
        assert exchange.ask("GET", "/sim/state")["symbols"] == ["BTCUSDT"]


def test_a_bad_plan_or_file_ends_the_start_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("ts_ms,symbol,mark\n0,NOPEUSDT,1\n")
    with pytest.raises(SimulatorFailed, match=r"bad.csv:2: NOPEUSDT is not listed"), running(Options(prices_file=file)):
        pass
    plan = Options(faults="faults:\n  - {fault: reject, hum: 1}\n", faults_file="plan")
    with pytest.raises(SimulatorFailed, match=r"plan:2: hum: is not known here"), running(plan):
        pass


def test_an_exchange_ends_with_who_started_it() -> None:
    with running(Options()) as exchange:
        opened(exchange)
        assert exchange.alive
    wait_until(lambda: not exchange.alive)


def test_streams_of_old_and_new_addresses_are_one() -> None:
    async def does(hand: ByHand) -> None:
        for path in (
            "/ws/btcusdt@markPrice",
            "/ws/1/btcusdt@markPrice",
            "/market/ws/btcusdt@markPrice",
            "/public/stream?streams=btcusdt@markPrice",
        ):
            async with hand.stream(path) as stream:
                hand.later(3_000)
                said = await stream.next()
                assert said.get("data", said)["s"] == BTC
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with hand.stream("/elsewhere/ws/btcusdt@markPrice"):
                pass

    by_hand(does)
