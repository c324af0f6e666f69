"""The keys of an account: where they come from, and that nobody gets to see them.

Decides: the names they go by in the environment, and that whatever prints one prints stars. Leaves to others: signing (ccxt), and the keys of the
simulator, which are no secret (modes).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from streams.exchange.errors import Fatal

STARS: Final = "***"
NAME: Final = "QTS_EXCHANGE_{}_{}"
FILE_BYTES_MAX: Final = 16_384
"""A key is a line, an RSA key a page. Whatever is larger is not a key but a mistake."""


class Secret:
    """Some text that shows itself only to who asks for it by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep it."""
        self._text = text

    def reveal(self) -> str:
        """Give the text, for signing only."""
        return self._text

    def __repr__(self) -> str:
        return STARS

    def __str__(self) -> str:
        return STARS

    def __format__(self, spec: str) -> str:
        return format(STARS, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not stored or sent anywhere")


class Keys(NamedTuple):
    """What an account signs with."""

    key: Secret
    secret: Secret

    def hide(self, text: str) -> str:
        """Give the text without these keys in it."""
        for one in self:
            text = text.replace(one.reveal(), STARS)
        return text


def read_keys(credentials: str, environment: Mapping[str, str]) -> Keys:
    """Read the keys of these credentials from the environment, or from the files it names."""
    name = re.sub(r"[^A-Z0-9]", "_", credentials.upper())
    return Keys(*(_read(NAME.format(name, part), environment) for part in ("KEY", "SECRET")))


def _read(name: str, environment: Mapping[str, str]) -> Secret:
    text, path = environment.get(name, ""), environment.get(f"{name}_FILE", "")
    if text and path:
        raise Fatal(f"{name} and {name}_FILE are both set: which of them counts is not for us to guess")
    if path:
        text = _read_file(name, Path(path))
    if not text.strip():
        raise Fatal(f"{name} is not set, and neither is {name}_FILE")
    return Secret(text.strip())


def _read_file(name: str, path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = type(error).__name__
    else:
        if len(text) <= FILE_BYTES_MAX:
            return text
        reason = "too large for a key"
    raise Fatal(f"{name}_FILE cannot be read: {reason}")
