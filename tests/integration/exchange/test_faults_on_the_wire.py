"""What each fault looks like to who asks or listens, whoever that is."""

import asyncio

import aiohttp
import pytest

from connectors.exchange.simulator.fault_rules import rule
from tests.exchange_kit import START_MS
from tests.integration.exchange.by_hand import ByHand, by_hand

ANSWERED = {
    "reject": (400, -2010, 0),
    "server_error": (503, -1001, 0),
    "server_error_after": (503, -1000, 1),
    "maintenance": (503, -1016, 0),
    "timeout_before": (408, -1007, 0),
    "timeout_after": (408, -1007, 1),
    "rate_limited": (429, -1003, 0),
    "banned": (418, -1003, 0),
}
"""Status, code, and how many orders there are afterwards."""


def orders(hand: ByHand) -> int:
    return len(hand.house.engine.all_orders("alice", "BTCUSDT"))


@pytest.mark.parametrize("fault", ANSWERED)
def test_a_fault_is_answered_with_its_status_and_code_and_done_or_not(fault: str) -> None:
    async def does(hand: ByHand) -> None:
        status, code, done = ANSWERED[fault]
        hand.strike(rule(fault))
        answer = await hand.order()

        assert (answer.status, answer.body["code"], orders(hand)) == (status, code, done)
        assert answer.headers.get("Retry-After") == {"rate_limited": "2", "banned": "120"}.get(fault)

    by_hand(does)


@pytest.mark.parametrize(("fault", "done"), [("drop_before", 0), ("drop_after", 1)])
def test_a_connection_is_dropped_without_an_answer(fault: str, done: int) -> None:
    async def does(hand: ByHand) -> None:
        hand.strike(rule(fault))
        with pytest.raises(aiohttp.ClientConnectionError):
            await hand.order()
        assert orders(hand) == done

    by_hand(does)


def test_silence_is_no_answer_ever_and_no_end() -> None:
    async def does(hand: ByHand) -> None:
        hand.strike(rule("silent_after"))
        asked = asyncio.create_task(hand.order())
        while not orders(hand):  # noqa: ASYNC110 - the order is taken without a word
            await asyncio.sleep(0.005)
        hand.later(3_600_000)
        done, _ = await asyncio.wait([asked], timeout=0.2)
        asked.cancel()

        assert not done

    by_hand(does)


def test_latency_is_half_on_the_way_there_and_half_on_the_way_back() -> None:
    async def does(hand: ByHand) -> None:
        hand.strike(rule("latency", ms=1_000))
        asked = asyncio.create_task(hand.order())
        while not hand.house.faults.tallies["latency"]:  # noqa: ASYNC110 - until it is on its way
            await asyncio.sleep(0.005)
        steps = []
        for _ in range(2):
            await asyncio.sleep(0)
            hand.later(500)
            for _ in range(5):
                await asyncio.sleep(0)
            steps.append(orders(hand))
        answer = await asked

        assert (steps, answer.status) == ([1, 1], 200)
        assert hand.house.engine.all_orders("alice", "BTCUSDT")[0].created_ms == START_MS + 500

    by_hand(does)


def test_a_request_whose_sender_has_gone_is_done_all_the_same() -> None:
    async def does(hand: ByHand) -> None:
        hand.strike(rule("latency", ms=1_000))
        asked = asyncio.create_task(hand.order())
        while not hand.house.faults.tallies["latency"]:  # noqa: ASYNC110 - until it is on its way
            await asyncio.sleep(0.005)
        asked.cancel()
        await asyncio.wait([asked])
        assert orders(hand) == 0
        hand.later(500)
        while not orders(hand):  # noqa: ASYNC110 - its half of the way has still to end
            await asyncio.sleep(0.005)

    by_hand(does)


def test_a_pause_meets_everybody_and_everything_until_it_is_over() -> None:
    async def does(hand: ByHand) -> None:
        hand.strike(rule("rate_limited", retry_after_s=3, times=1))
        first = await hand.order()
        hand.later(1_000)
        second = await hand.ask("GET", "/fapi/v1/ping", signed=False, ip="9.9.9.9")
        hand.later(2_000)

        assert (first.status, first.headers["Retry-After"]) == (429, "3")
        assert (second.status, second.headers["Retry-After"]) == (429, "2")
        assert (await hand.order()).status == 200
        assert hand.house.faults.tallies["asked_while_paused"] == 1

    by_hand(does)


def test_a_wrong_clock_is_shown_and_measured_by() -> None:
    async def does(hand: ByHand) -> None:
        stamp = START_MS
        hand.strike(rule("clock_skew", ms=6_000))
        shown = await hand.ask("GET", "/fapi/v1/time", signed=False)
        by_its_clock = await hand.order()
        by_ours = await hand.ask("GET", "/fapi/v3/balance", signed=False, timestamp=stamp, signature="x")

        assert shown.body == {"serverTime": START_MS + 6_000}
        assert by_its_clock.status == 200
        assert (by_ours.status, by_ours.body["code"]) == (400, -1021)

    by_hand(does)


def test_during_maintenance_nothing_is_answered_and_no_stream_opens_and_afterwards_all_is_as_before() -> None:
    async def does(hand: ByHand) -> None:
        assert (await hand.order(type="LIMIT", price=59_000, timeInForce="GTC")).status == 200
        hand.strike(rule("maintenance", until_s=10))
        assert (await hand.ask("GET", "/fapi/v1/ping", signed=False)).status == 503
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with hand.stream("/ws/btcusdt@markPrice"):
                pass
        hand.later(10_000)

        assert len((await hand.ask("GET", "/fapi/v1/openOrders")).body) == 1

    by_hand(does)


def test_events_come_twice() -> None:
    async def does(hand: ByHand) -> None:
        async with hand.private() as stream:
            hand.strike(rule("event_twice", kinds=["ORDER_TRADE_UPDATE"], ms=0))
            await hand.order()
            said = [await stream.next() for _ in range(5)]

            assert [(one["e"], one.get("o", {}).get("x")) for one in said] == [
                *[("ORDER_TRADE_UPDATE", "NEW")] * 2,
                *[("ORDER_TRADE_UPDATE", "TRADE")] * 2,
                ("ACCOUNT_UPDATE", None),
            ]
            assert said[0] == said[1]
            assert said[2] == said[3]

    by_hand(does)


def test_events_come_late() -> None:
    async def does(hand: ByHand) -> None:
        async with hand.private() as stream:
            hand.strike(rule("event_late", ms=700))
            await hand.order()
            assert await stream.silent()
            hand.later(699)
            assert await stream.silent()
            hand.later(1)
            assert (await stream.next())["E"] == START_MS

    by_hand(does)


def test_events_come_out_of_order() -> None:
    async def does(hand: ByHand) -> None:
        async with hand.private() as stream:
            hand.strike(rule("event_out_of_order", up_to_ms=10_000))
            for number in range(5):
                await hand.order(newClientOrderId=f"o{number}")
            for _ in range(101):
                hand.later(100)
                await asyncio.sleep(0)
            said = [await stream.next() for _ in range(15)]
            times = [(one["o"]["i"], one["o"]["t"]) for one in said if one["e"] == "ORDER_TRADE_UPDATE"]

            assert len(times) == 10
            assert times != sorted(times)

    by_hand(does)


def test_a_stream_that_died_stays_open_says_nothing_and_nothing_comes_later() -> None:
    async def does(hand: ByHand) -> None:
        async with hand.private() as stream:
            hand.strike(rule("user_stream_dead", until_s=60))
            await hand.order(newClientOrderId="unheard")
            hand.later(59_000)
            assert await stream.silent()
            hand.later(1_000)
            await hand.order(newClientOrderId="heard")

            assert (await stream.next())["o"]["c"] == "heard"
            assert orders(hand) == 2

    by_hand(does)


def test_lost_events_are_lost() -> None:
    async def does(hand: ByHand) -> None:
        async with hand.private() as stream:
            hand.strike(rule("event_lost", kinds=["ORDER_TRADE_UPDATE"]))
            await hand.order()

            assert (await stream.next())["e"] == "ACCOUNT_UPDATE"

    by_hand(does)


def test_a_plan_can_be_set_and_looked_at_from_behind() -> None:
    async def does(hand: ByHand) -> None:
        refused = await hand.behind("PUT", "/sim/faults", "faults:\n  - {fault: gremlins}\n")
        taken = await hand.behind("PUT", "/sim/faults", "faults:\n  - {fault: reject, odds: 0.5}\n")
        statuses = [(await hand.order()).status for _ in range(40)]
        told = await hand.behind("GET", "/sim/faults")

        assert (refused.status, taken.body) == (400, {"rules": 1, "events": 0})
        assert "faults:2: fault: there is no 'gremlins'" in refused.body["error"]
        assert told.body["reject"] == statuses.count(400)
        assert 8 < statuses.count(400) < 32

    by_hand(does)
