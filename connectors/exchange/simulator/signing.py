"""API keys, and the proof that a request was signed with one, now.

Decides: the checks and their order: the key, its time against recvWindow, the HMAC-SHA256 of query and body as they were sent. Leaves to others:
which requests have to be signed (routes). Secrets stay in here.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qsl

from connectors.exchange.simulator.records import Refused

RECV_WINDOW_MS, RECV_WINDOW_MS_MAX = 5_000, 60_000
"""What the exchange takes where nothing is said, and the most it takes."""
AHEAD_MS_MAX = 1_000
"""How far ahead of the exchange's clock a request may be."""
PARAMETERS_MAX = 200
"""No request has more than 20; a body that has more is refused unread."""
PERMISSIONS: dict[str, bool] = {
    "ipRestrict": True,
    "enableReading": True,
    "enableFutures": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "enableMargin": False,
    "enableSpotAndMarginTrading": False,
    "enableVanillaOptions": False,
    "permitsUniversalTransfer": False,
}
"""What a new key may do: trade futures, and nothing else."""


@dataclass
class Key:
    """An API key: whose it is, and what it may do."""

    account: str
    key: str
    secret: str = field(repr=False)
    created_ms: int
    permissions: dict[str, bool] = field(default_factory=lambda: dict(PERMISSIONS))


class KeyRing:
    """All API keys."""

    def __init__(self) -> None:
        """Begin without any."""
        self._keys: dict[str, Key] = {}

    def add(self, key: Key) -> None:
        """Make a key known. One that is known already is replaced, unless it is another account's."""
        there = self._keys.get(key.key)
        if there is not None and there.account != key.account:
            raise ValueError(f"this key is account {there.account}'s")
        self._keys[key.key] = key

    def of(self, account: str) -> list[Key]:
        """Give an account's keys."""
        return [key for key in self._keys.values() if key.account == account]

    def account(self, sent: str) -> str:
        """Tell whose key it is; nothing where it is nobody's."""
        key = self._keys.get(sent)
        return key.account if key is not None else ""

    def known(self, sent: str) -> Key:
        """Give the key of a request. Raises Refused."""
        if not sent:
            raise Refused(-2014, "API-key format invalid.")
        if sent not in self._keys:
            raise Refused(-2015, "Invalid API-key, IP, or permissions for action.")
        return self._keys[sent]


def read_parameters(query: str, body: str) -> dict[str, str]:
    """Read what a request asks for; what is in both counts as the body says."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
        pairs += parse_qsl(body, keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        raise Refused(-1101, "Too many parameters sent for this endpoint.") from error
    return dict(pairs)


def check_signed(key: Key, query: str, body: str, parameters: Mapping[str, str], now_ms: int) -> None:
    """Check time and signature. Raises Refused."""
    for name in ("timestamp", "signature"):
        if not parameters.get(name):
            raise Refused(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    sent, window = parameters["timestamp"], parameters.get("recvWindow") or str(RECV_WINDOW_MS)
    if not (sent.isdecimal() and window.isdecimal()):
        raise Refused(-1100, "Illegal characters found in a parameter.")
    if int(window) > RECV_WINDOW_MS_MAX:
        raise Refused(-1131, f"recvWindow must be less than {RECV_WINDOW_MS_MAX}")
    if int(sent) > now_ms + AHEAD_MS_MAX:
        raise Refused(-1021, f"Timestamp for this request was {AHEAD_MS_MAX}ms ahead of the server's time.")
    if int(sent) < now_ms - int(window):
        raise Refused(-1021, "Timestamp for this request is outside of the recvWindow.")
    signed = f"{_unsigned(query)}{_unsigned(body)}"
    wanted = hmac.new(key.secret.encode(), signed.encode(), sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), parameters["signature"].lower().encode()):
        raise Refused(-1022, "Signature for this request is not valid.")


def _unsigned(text: str) -> str:
    """Leave the signature out; it is over the rest, as it was sent."""
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))
