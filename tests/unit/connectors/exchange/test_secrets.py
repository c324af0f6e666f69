"""Keys come from the environment or a file, and show themselves to nobody."""

import json
import logging
import pickle
from pathlib import Path

import pytest

from connectors.exchange.secrets import FILE_BYTES_MAX, STARS, Keys, Secret, read_keys
from streams.exchange.errors import Fatal

TEXT = "nobody-may-see-this"


def test_a_secret_shows_stars_however_it_is_printed(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(TEXT)
    logging.getLogger("anywhere").warning("%s %r %s", secret, secret, Keys(secret, secret))

    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{secret:>40}",
        str([secret]),
        str(Keys(secret, secret)),
        caplog.text,
    ]
    assert all(STARS in one and TEXT not in one for one in shown)


def test_a_secret_goes_into_no_file() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(TEXT))
    with pytest.raises(TypeError):
        json.dumps(Secret(TEXT))


def test_a_secret_is_told_to_who_asks_by_name() -> None:
    assert Secret(TEXT).reveal() == TEXT
    assert Secret(TEXT) == Secret(TEXT) != Secret("other")
    assert len({Secret(TEXT), Secret(TEXT)}) == 1


def test_keys_hide_themselves_in_words_of_others() -> None:
    assert Keys(Secret("k1"), Secret("s1")).hide("k1 and s1 are wrong") == f"{STARS} and {STARS} are wrong"


@pytest.mark.parametrize(("credentials", "name"), [("main", "MAIN"), ("desk-7.eu", "DESK_7_EU"), ("Ünit", "_NIT")])
def test_keys_are_found_by_the_name_of_the_credentials(credentials: str, name: str) -> None:
    keys = read_keys(credentials, {f"QTS_EXCHANGE_{name}_KEY": "k\n", f"QTS_EXCHANGE_{name}_SECRET": " s "})

    assert (keys.key.reveal(), keys.secret.reveal()) == ("k", "s")


def test_keys_are_read_from_the_files_that_are_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k\n")
    (tmp_path / "secret").write_text("s\n")
    environment = {
        "QTS_EXCHANGE_MAIN_KEY_FILE": str(tmp_path / "key"),
        "QTS_EXCHANGE_MAIN_SECRET_FILE": str(tmp_path / "secret"),
    }

    keys = read_keys("main", environment)

    assert (keys.key.reveal(), keys.secret.reveal()) == ("k", "s")


def test_keys_that_are_missing_or_said_twice_stop_everything_and_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "large").write_text(TEXT * FILE_BYTES_MAX)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("\n")
    key = {"QTS_EXCHANGE_MAIN_KEY": TEXT}

    for rest in (
        {},
        {"QTS_EXCHANGE_MAIN_SECRET": "  "},
        {"QTS_EXCHANGE_MAIN_SECRET": TEXT, "QTS_EXCHANGE_MAIN_SECRET_FILE": "/somewhere"},
        *({"QTS_EXCHANGE_MAIN_SECRET_FILE": str(tmp_path / name)} for name in ("large", "binary", "empty", "none")),
    ):
        with pytest.raises(Fatal) as caught:
            read_keys("main", {**key, **rest})
        assert TEXT not in repr(caught.value)
        assert caught.value.__context__ is None
