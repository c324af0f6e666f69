"""What an account has to look like before it is traded for."""

import asyncio
from decimal import Decimal

import pytest

from connectors.exchange.ccxt_exchange import CcxtExchange
from streams.exchange.errors import ExchangeError, Fatal, Retryable
from tests.scripted_exchange import REF, Allowance, Says, ScriptedExchange, code, exchange_at, scripted

PERMISSIONS, ACCOUNT = "GET /sapi/v1/account/apiRestrictions", "GET /fapi/v2/account"
MODE, LEVERAGE, MARGIN = "GET /fapi/v1/positionSide/dual", "POST /fapi/v1/leverage", "POST /fapi/v1/marginType"
BTC = "BTCUSDT"


async def looked(exchange: CcxtExchange) -> ExchangeError | None:
    try:
        await exchange.check(REF, [BTC, "ETHUSDT"])
    except ExchangeError as error:
        return error
    return None


def check(question: str = "", answer: Says | None = None) -> tuple[ExchangeError | None, ScriptedExchange]:
    async def run() -> tuple[ExchangeError | None, ScriptedExchange]:
        async with scripted() as server, exchange_at(Allowance(), server.url) as exchange:
            if answer is not None:
                server.answer(question, answer)
            return await looked(exchange), server

    return asyncio.run(run())


def test_an_account_as_it_should_be_passes_with_each_symbol_set() -> None:
    error, server = check()

    assert error is None
    assert [(asked.what["symbol"], asked.what["leverage"]) for asked in server.of(LEVERAGE)] == [(BTC, "5"), ("ETHUSDT", "5")]
    assert [(asked.what["symbol"], asked.what["marginType"]) for asked in server.of(MARGIN)] == [
        (BTC, "CROSSED"),
        ("ETHUSDT", "CROSSED"),
    ]


@pytest.mark.parametrize(
    ("question", "answer", "word"),
    [
        (PERMISSIONS, Says({"enableWithdrawals": True, "enableFutures": True}), "withdraw"),
        (PERMISSIONS, Says({"enableFutures": True}), "withdraw"),
        (PERMISSIONS, Says({"enableWithdrawals": False, "enableFutures": False}), "futures"),
        (PERMISSIONS, Says({"enableWithdrawals": False}), "futures"),
        (ACCOUNT, Says({"canTrade": False}), "trade"),
        (ACCOUNT, Says({}), "trade"),
        (MODE, Says({"dualSidePosition": True}), "one-way"),
        (LEVERAGE, Says({"symbol": BTC, "leverage": 20}), "leverage"),
        (LEVERAGE, Says({"symbol": "OTHER", "leverage": 5}), "leverage"),
        (LEVERAGE, code(-4028, "Leverage 5 is not valid"), "leverage"),
        (MARGIN, code(-4047, "Margin type cannot be changed if there exists open orders."), "margin type"),
        (ACCOUNT, code(-2015, "Invalid API-key, IP, or permissions for action.", 401), "-2015"),
        (ACCOUNT, code(-2014, "API-key format invalid.", 401), "-2014"),
    ],
)
def test_what_a_person_has_to_set_right_stops_everything_and_says_what_it_is(question: str, answer: Says, word: str) -> None:
    error, _ = check(question, answer)

    assert isinstance(error, Fatal)
    assert word in str(error)


def test_a_margin_type_that_is_right_already_is_right() -> None:
    error, _ = check(MARGIN, code(-4046, "No need to change margin type."))

    assert error is None


@pytest.mark.parametrize("question", [PERMISSIONS, ACCOUNT, MODE, LEVERAGE, MARGIN, "GET /fapi/v1/time"])
@pytest.mark.parametrize("answer", [Says(status=503), Says("<html>"), Says([]), Says(None)])
def test_a_question_without_an_answer_is_no_yes(question: str, answer: Says) -> None:
    error, _ = check(question, answer)

    assert isinstance(error, Retryable)


def test_a_mode_that_is_not_told_is_not_the_right_one() -> None:
    error, _ = check(MODE, Says({}))

    assert isinstance(error, Retryable)


def test_a_clock_that_is_too_far_away_is_compared_again_before_anything_else() -> None:
    error, server = check("GET /fapi/v1/time", Says({"serverTime": 1_700_000_000_000}, late_s=0.6))

    assert isinstance(error, Retryable)
    assert "ms" in str(error)
    assert server.of(ACCOUNT) == []


def test_leverage_has_to_be_a_whole_number() -> None:
    async def run() -> None:
        async with scripted() as server, exchange_at(Allowance(), server.url) as exchange:
            for leverage in ("2.5", "0", "-1"):
                with pytest.raises(Fatal):
                    await exchange.check(REF._replace(leverage=Decimal(leverage)), [BTC])

    asyncio.run(run())
