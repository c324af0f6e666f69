"""Which exchange a worker executes on: what is refused, who gets keys, what is said."""

import logging
from decimal import Decimal

import pytest

from streams.app.environment import BadEnvironment
from streams.app.venue import venue_settings
from streams.exchange.errors import Fatal
from streams.exchange.port import AccountRef

LIVE = {"QTS_EXCHANGE_MODE": "live", "QTS_LIVE": "yes", "QTS_LIVE_ACCOUNTS": "main, second"}
KEYS = {f"QTS_EXCHANGE_{name}_{part}": "x" for name in ("MAIN", "THIRD") for part in ("KEY", "SECRET")}


def ref(account: str) -> AccountRef:
    return AccountRef(account, account, Decimal(1))


def test_the_simulator_is_where_orders_go_unless_told() -> None:
    where = venue_settings({"QTS_MODE": "production", "QTS_EXCHANGE_URL": "http://127.0.0.1:9"})

    assert (where.venue.mode, where.venue.places[0].rest_url) == ("sim", "http://127.0.0.1:9")
    assert where.keys_of(ref("anybody"), {}).key.reveal() == "sim-anybody"


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"QTS_EXCHANGE_MODE": "real"}, "QTS_EXCHANGE_MODE is real"),
        ({**LIVE, "QTS_LIVE": ""}, "QTS_LIVE=yes"),
        ({**LIVE, "QTS_LIVE_ACCOUNTS": " , "}, "needs an account"),
        ({**LIVE, "QTS_EXCHANGE_URL": "http://127.0.0.1:9"}, "QTS_EXCHANGE_URL"),
    ],
)
def test_what_cannot_be_meant_or_was_not_said_loudly_enough_is_refused(environ: dict[str, str], words: str) -> None:
    with pytest.raises(BadEnvironment, match=words):
        venue_settings(environ)


def test_in_mode_live_only_accounts_that_are_named_get_their_keys() -> None:
    where = venue_settings(LIVE)

    assert where.keys_of(ref("main"), KEYS).key.reveal() == "x"
    with pytest.raises(Fatal, match="account third is not enabled"):
        where.keys_of(ref("third"), KEYS)


@pytest.mark.parametrize(("environ", "level"), [(LIVE, logging.ERROR), ({}, logging.INFO)])
def test_real_money_is_said_in_red(environ: dict[str, str], level: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    venue_settings(environ).say()

    (said,) = caplog.records
    assert said.levelno == level
    assert ("for real money" in said.message) == (level == logging.ERROR)
