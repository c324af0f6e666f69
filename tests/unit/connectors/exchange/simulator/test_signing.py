"""Keys, times and signatures: what is signed, with what, when, and which code says no."""

import hmac
from hashlib import sha256
from urllib.parse import urlencode

import pytest

from connectors.exchange.simulator.signing import PARAMETERS_MAX, Key, KeyRing, check_signed, read_parameters
from tests.exchange_kit import refused

NOW_MS = 1_700_000_000_000
KEY = Key("alice", "a-key", "a-secret", NOW_MS)


def signature_of(text: str, secret: str = KEY.secret) -> str:
    return hmac.new(secret.encode(), text.encode(), sha256).hexdigest()


def asked(text: str, *, body: str = "", signature: str | None = None, now_ms: int = NOW_MS) -> None:
    """Ask with this query and body; signed rightly unless told."""
    query = f"{text}&signature={signature if signature is not None else signature_of(text + body)}"
    check_signed(KEY, query, body, read_parameters(query, body), now_ms)


def at(ms: int, **others: object) -> str:
    return urlencode({"symbol": "BTCUSDT", **others, "timestamp": ms})


def test_what_is_signed_is_query_and_body_as_they_were_sent() -> None:
    asked(at(NOW_MS))
    asked(at(NOW_MS, newClientOrderId="a/b c"), body="quantity=0.0010&side=BUY")
    asked("symbol=BTCUSDT&newClientOrderId=a%2fb&timestamp=1700000000000")


def test_the_signature_may_be_in_the_body_and_in_capitals() -> None:
    text = at(NOW_MS)
    body = f"{text}&signature={signature_of(text).upper()}"
    check_signed(KEY, "", body, read_parameters("", body), NOW_MS)


@pytest.mark.parametrize(
    ("text", "signature", "code"),
    [
        (at(NOW_MS), signature_of(at(NOW_MS), "another-secret"), -1022),
        (at(NOW_MS), signature_of(at(NOW_MS) + "0"), -1022),
        (at(NOW_MS), "", -1102),
        ("symbol=BTCUSDT", None, -1102),
        ("symbol=BTCUSDT&timestamp=now", None, -1100),
        (at(NOW_MS, recvWindow="wide"), None, -1100),
        (at(NOW_MS, recvWindow=60_001), None, -1131),
    ],
)
def test_a_proof_that_proves_nothing_is_refused(text: str, signature: str | None, code: int) -> None:
    with refused(code):
        asked(text, signature=signature)


@pytest.mark.parametrize(
    ("age_ms", "window_ms", "taken"),
    [
        (5_000, None, True), (5_001, None, False), (100, 100, True), (101, 100, False), (60_000, 60_000, True), (-1_000, None, True),
        (-1_001, None, False), (-1_001, 60_000, False),
    ],
)  # fmt: skip
def test_a_time_counts_for_as_long_as_its_window(age_ms: int, window_ms: int | None, taken: bool) -> None:
    text = at(NOW_MS - age_ms, **({} if window_ms is None else {"recvWindow": window_ms}))
    if taken:
        asked(text)
    else:
        with refused(-1021):
            asked(text)


def test_the_body_counts_where_both_say_something() -> None:
    assert read_parameters("side=BUY&symbol=X", "side=SELL&quantity=") == {"side": "SELL", "symbol": "X", "quantity": ""}


def test_more_parameters_than_anybody_needs_are_refused_unread() -> None:
    with refused(-1101):
        read_parameters("&".join(f"p{number}=1" for number in range(PARAMETERS_MAX + 1)), "")


def test_a_key_is_one_accounts_and_says_what_it_may() -> None:
    ring = KeyRing()
    ring.add(KEY)

    assert (ring.account("a-key"), ring.account("another"), ring.known("a-key")) == ("alice", "", KEY)
    assert (KEY.permissions["enableFutures"], KEY.permissions["enableWithdrawals"]) == (True, False)
    with pytest.raises(ValueError, match="account alice's"):
        ring.add(Key("bob", "a-key", "s", NOW_MS))
    with refused(-2014):
        ring.known("")
    with refused(-2015):
        ring.known("another")


def test_a_key_does_not_show_its_secret() -> None:
    assert KEY.secret not in repr(KEY)
