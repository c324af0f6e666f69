"""What each exception of ccxt, each code and each status means to who was placing, cancelling or asking."""

import asyncio
from typing import Any

import aiohttp
import pytest
from ccxt.base import errors as ccxt_errors  # type: ignore[import-untyped]  # ccxt says nothing about its types

from connectors.exchange.ccxt_client import Client
from connectors.exchange.ccxt_errors import BAN_S, BY_CLASS, BY_CODE, PAUSE_S, WORDS_MAX, Doing, Said, translate, unreachable
from streams.exchange.errors import (
    AlreadyKnown,
    Ambiguous,
    ClockOff,
    ExchangeError,
    Fatal,
    NotThere,
    Paused,
    Rejected,
    Retryable,
)  # fmt: skip

DOINGS: tuple[Doing, ...] = ("placing", "cancelling", "asking")

ROWS: dict[str, tuple[type[ExchangeError], type[ExchangeError], type[ExchangeError]]] = {
    "AuthenticationError": (Fatal, Fatal, Fatal),
    "PermissionDenied": (Fatal, Fatal, Fatal),
    "AccountNotEnabled": (Fatal, Fatal, Fatal),
    "AccountSuspended": (Fatal, Fatal, Fatal),
    "ManualInteractionNeeded": (Fatal, Fatal, Fatal),
    "RestrictedLocation": (Fatal, Fatal, Fatal),
    "InvalidProxySettings": (Fatal, Fatal, Fatal),
    "ArgumentsRequired": (Rejected, Rejected, Rejected),
    "BadRequest": (Rejected, Rejected, Rejected),
    "BadSymbol": (Rejected, Rejected, Rejected),
    "OperationRejected": (Rejected, Rejected, Rejected),
    "NoChange": (Rejected, Rejected, Rejected),
    "MarginModeAlreadySet": (Rejected, Rejected, Rejected),
    "MarketClosed": (Rejected, Rejected, Rejected),
    "InsufficientFunds": (Rejected, Rejected, Rejected),
    "InvalidAddress": (Rejected, Rejected, Rejected),
    "AddressPending": (Rejected, Rejected, Rejected),
    "InvalidOrder": (Rejected, Rejected, Rejected),
    "OrderImmediatelyFillable": (Rejected, Rejected, Rejected),
    "OrderNotFillable": (Rejected, Rejected, Rejected),
    "ContractUnavailable": (Rejected, Rejected, Rejected),
    "NotSupported": (Rejected, Rejected, Rejected),
    "OrderNotFound": (Ambiguous, NotThere, NotThere),
    "DuplicateOrderId": (AlreadyKnown, Rejected, Rejected),
    "InvalidNonce": (ClockOff, ClockOff, ClockOff),
    "DDoSProtection": (Ambiguous, Ambiguous, Paused),
    "RateLimitExceeded": (Ambiguous, Ambiguous, Paused),
    "OrderNotCached": (Ambiguous, Ambiguous, Retryable),
    "ChecksumError": (Ambiguous, Ambiguous, Retryable),
    "ExchangeClosedByUser": (Ambiguous, Ambiguous, Retryable),
    "ExchangeNotAvailable": (Ambiguous, Ambiguous, Retryable),
    "OnMaintenance": (Ambiguous, Ambiguous, Retryable),
    "RequestTimeout": (Ambiguous, Ambiguous, Retryable),
    "NetworkError": (Ambiguous, Ambiguous, Retryable),
    "BadResponse": (Ambiguous, Ambiguous, Retryable),
    "NullResponse": (Ambiguous, Ambiguous, Retryable),
    "CancelPending": (Ambiguous, Ambiguous, Retryable),
    "OperationFailed": (Ambiguous, Ambiguous, Retryable),
    "UnsubscribeError": (Ambiguous, Ambiguous, Retryable),
    "ExchangeError": (Ambiguous, Ambiguous, Retryable),
    "BaseError": (Ambiguous, Ambiguous, Retryable),
}

ANSWERS: list[tuple[int, str, str, tuple[type[ExchangeError], type[ExchangeError], type[ExchangeError]]]] = [
    (400, "-4116", "ClientOrderId is duplicated.", (AlreadyKnown, Rejected, Rejected)),
    (400, "-20132", "The client algo id is duplicated", (AlreadyKnown, Rejected, Rejected)),
    (
        400,
        "-4130",
        "An open stop or take profit order with GTE and closePosition in the direction is existing.",
        (Rejected, Rejected, Rejected),
    ),
    (400, "-2011", "Unknown order sent.", (Ambiguous, NotThere, NotThere)),
    (400, "-2013", "Order does not exist.", (Ambiguous, NotThere, NotThere)),
    (400, "-1021", "Timestamp for this request is outside of the recvWindow.", (ClockOff, ClockOff, ClockOff)),
    (400, "-5028", "Timestamp for this request is outside of the ME recvWindow.", (ClockOff, ClockOff, ClockOff)),
    (408, "-1007", "Timeout waiting for response from backend server.", (Ambiguous, Ambiguous, Retryable)),
    (400, "-1006", "An unexpected response was received.", (Ambiguous, Ambiguous, Retryable)),
    (400, "-1000", "An unknown error occurred.", (Ambiguous, Ambiguous, Retryable)),
    (400, "-1001", "Internal error.", (Ambiguous, Ambiguous, Retryable)),
    (503, "-1008", "Server is currently overloaded.", (Ambiguous, Ambiguous, Retryable)),
    (400, "-2019", "Margin is insufficient.", (Rejected, Rejected, Rejected)),
    (400, "-2022", "ReduceOnly Order is rejected.", (Rejected, Rejected, Rejected)),
    (400, "-2021", "Order would immediately trigger.", (Rejected, Rejected, Rejected)),
    (400, "-2020", "Unable to fill.", (Rejected, Rejected, Rejected)),
    (400, "-2023", "User in liquidation mode now.", (Rejected, Rejected, Rejected)),
    (400, "-4164", "Order's notional must be no smaller than 100.", (Rejected, Rejected, Rejected)),
    (400, "-1111", "Precision is over the maximum defined for this asset.", (Rejected, Rejected, Rejected)),
    (400, "-1013", "Filter failure: LOT_SIZE", (Rejected, Rejected, Rejected)),
    (400, "-1121", "Invalid symbol.", (Rejected, Rejected, Rejected)),
    (400, "-1022", "Signature for this request is not valid.", (Fatal, Fatal, Fatal)),
    (401, "-2014", "API-key format invalid.", (Fatal, Fatal, Fatal)),
    (401, "-2015", "Invalid API-key, IP, or permissions for action.", (Fatal, Fatal, Fatal)),
    (400, "-1125", "This listenKey does not exist.", (Ambiguous, Ambiguous, Retryable)),
    (429, "-1003", "Too many requests.", (Paused, Paused, Paused)),
    (418, "-1003", "Way too many requests; IP banned.", (Paused, Paused, Paused)),
    (400, "-1003", "Too many requests.", (Paused, Paused, Paused)),
    (400, "-1015", "Too many new orders.", (Paused, Paused, Paused)),
    (451, "0", "Service unavailable from a restricted location.", (Fatal, Fatal, Fatal)),
    (503, "-2019", "Margin is insufficient.", (Ambiguous, Ambiguous, Retryable)),
    (400, "-987654", "A code nobody knows.", (Ambiguous, Ambiguous, Retryable)),
]


def hierarchy(kind: type[Exception] = ccxt_errors.BaseError) -> list[type[Exception]]:
    return [kind, *(found for derived in kind.__subclasses__() for found in hierarchy(derived))]


def kinds() -> list[Any]:
    return [pytest.param(kind, id=kind.__name__) for kind in hierarchy() if kind.__module__ == "ccxt.base.errors"]


def said(kind: type[Exception] = ccxt_errors.ExchangeError, status: int = 400, **more: Any) -> Said:
    return Said(kind, status, more.get("code", ""), more.get("words", ""), more.get("after_s"))


def what_ccxt_makes_of(status: int, code: str, words: str) -> Exception:
    """Have ccxt judge an answer, as it does after a request."""

    async def judged() -> Exception:
        async with aiohttp.ClientSession() as session:
            client = Client(None, {}, session, 1_000)
            body = {"code": int(code), "msg": words}
            answer: tuple[Any, ...] = (status, "", "http://127.0.0.1:1/fapi/v1/order", "POST", {}, str(body), body, {}, "")
            try:
                client.handle_errors(*answer)
                client.handle_http_status_code(status, "", answer[2], "POST", answer[5])
            except Said as error:
                return error
            finally:
                await client.close()
        raise AssertionError("ccxt takes it for no error")

    return asyncio.run(judged())


@pytest.mark.parametrize("kind", kinds())
def test_every_class_of_ccxt_is_decided_by_a_row_of_its_own_and_not_by_its_ancestor(kind: type[Exception]) -> None:
    assert kind in BY_CLASS
    assert kind.__name__ in ROWS


def test_the_table_has_nothing_that_ccxt_does_not_have() -> None:
    assert {kind.__name__ for kind in BY_CLASS} == set(ROWS) == {kind.values[0].__name__ for kind in kinds()}


def test_the_most_derived_class_stands_before_its_ancestors() -> None:
    order = list(BY_CLASS)

    assert [(one, other) for place, one in enumerate(order) for other in order[place + 1 :] if issubclass(other, one)] == []


@pytest.mark.parametrize("name", ROWS)
def test_a_class_means_what_its_row_says(name: str) -> None:
    error = getattr(ccxt_errors, name)("binanceusdm POST https://fapi.binance.com/fapi/v1/order?signature=abc")

    assert tuple(type(translate(error, doing)) for doing in DOINGS) == ROWS[name]


@pytest.mark.parametrize("name", ROWS)
def test_an_answer_that_ccxt_takes_for_a_class_means_the_same(name: str) -> None:
    error = said(getattr(ccxt_errors, name))

    assert tuple(type(translate(error, doing)) for doing in DOINGS) == ROWS[name]


@pytest.mark.parametrize(("status", "code", "words", "means"), ANSWERS)
def test_an_answer_means_what_the_exchange_says(
    status: int, code: str, words: str, means: tuple[type[ExchangeError], ...]
) -> None:
    error = what_ccxt_makes_of(status, code, words)

    assert tuple(type(translate(error, doing)) for doing in DOINGS) == means


@pytest.mark.parametrize("code", BY_CODE)
def test_every_code_in_the_table_is_among_the_answers_tested(code: str) -> None:
    assert code in {answer[1] for answer in ANSWERS}


@pytest.mark.parametrize("status", [400, 402, 403, 404, 409, 500, 501, 502, 503, 504, 505, 520, 530])
def test_a_status_without_a_word_of_the_exchange_proves_nothing(status: int) -> None:
    async def judged() -> Exception:
        async with aiohttp.ClientSession() as session:
            client = Client(None, {}, session, 1_000)
            try:
                client.handle_errors(status, "", "", "POST", {}, "<html>", None, {}, "")
                client.handle_http_status_code(status, "", "", "POST", "<html>")
            except Said as error:
                return error
            finally:
                await client.close()
        raise AssertionError("ccxt takes it for no error")

    error = asyncio.run(judged())

    assert tuple(type(translate(error, doing)) for doing in DOINGS) == (Ambiguous, Ambiguous, Retryable)


def test_a_class_that_is_new_is_as_uncertain_as_can_be_even_below_one_that_is_certain() -> None:
    class Newer(ccxt_errors.InvalidOrder):  # type: ignore[misc]  # without types it is of any class
        pass

    assert tuple(type(translate(Newer(), doing)) for doing in DOINGS) == (Ambiguous, Ambiguous, Retryable)


@pytest.mark.parametrize("error", [OSError(), RuntimeError(), ValueError("https://x?signature=1"), KeyError("a"), TypeError()])
def test_what_is_no_exception_of_ccxt_is_uncertain(error: Exception) -> None:
    assert tuple(type(translate(error, doing)) for doing in DOINGS) == (Ambiguous, Ambiguous, Retryable)


@pytest.mark.parametrize(
    ("error", "after_s"),
    [
        (said(status=429, after_s=7.0), 7.0),
        (said(status=418, after_s=300.0), 300.0),
        (said(status=429), PAUSE_S),
        (said(status=418), BAN_S),
        (said(code="-1015"), PAUSE_S),
    ],
)
def test_a_pause_is_as_long_as_the_exchange_says_or_as_long_as_is_safe(error: Said, after_s: float) -> None:
    paused = translate(error, "placing")

    assert isinstance(paused, Paused)
    assert paused.after_s == after_s


def test_a_rejection_keeps_the_exchanges_code_and_words() -> None:
    rejected = translate(said(ccxt_errors.InsufficientFunds, code="-2019", words="Margin is insufficient."), "placing")

    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.reason) == ("-2019", "Margin is insufficient.")


@pytest.mark.parametrize(
    "words",
    [
        "see https://fapi.binance.com/fapi/v1/order?symbol=BTCUSDT&signature=0a1b for more",
        "symbol=BTCUSDT&signature=0a1b2c",
        "0a1b" * 16,
        "apiKey=0a1b",
        "wss://fstream.binance.com/private/ws?listenKey=0a1b",
    ],
)
def test_what_is_signed_is_not_in_a_message(words: str) -> None:
    for doing in DOINGS:
        for error in (said(words=words), said(ccxt_errors.InvalidOrder, words=words), ccxt_errors.NetworkError(words)):
            assert "0a1b" not in f"{translate(error, doing)!r} {translate(error, doing)}"


def test_a_page_of_a_proxy_fills_no_log_and_takes_no_time() -> None:
    assert len(str(translate(said(words="x" * 3_000_000), "asking"))) <= WORDS_MAX + 20


@pytest.mark.parametrize(
    ("error", "there"),
    [
        (ccxt_errors.RequestTimeout(), False),
        (ccxt_errors.ExchangeNotAvailable(), False),
        (ConnectionResetError(), False),
        (said(status=503), False),
        (said(status=400), True),
        (said(ccxt_errors.RateLimitExceeded, status=429), True),
        (ccxt_errors.BadSymbol(), True),
    ],
)
def test_another_way_in_helps_where_the_exchange_was_not_reached(error: Exception, there: bool) -> None:
    assert unreachable(error) is not there
