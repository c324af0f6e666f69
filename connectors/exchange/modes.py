"""Where orders go: to the simulator, to the exchange's test network, or to the exchange itself.

Decides: the addresses of each mode, whose keys are needed, and that the real exchange needs three things said: `QTS_LIVE=yes`, an enabled account and
limits of its phase. Leaves to others: printing the warning (cli), and looking whether an account may trade (checks).
"""

from collections.abc import Collection, Mapping
from typing import Final, Literal, NamedTuple, get_args

from connectors.exchange.secrets import Keys, Secret, read_keys
from streams.exchange.errors import Fatal
from streams.exchange.port import AccountRef

Mode = Literal["sim", "testnet", "live"]

LIVE_YES: Final = "yes"


class Place(NamedTuple):
    """Addresses of one way in to an exchange."""

    rest_url: str
    stream_url: str
    """Ends with /ws."""
    permissions_url: str
    """Where keys tell what they may do; empty where there is no such question."""


TESTNET: Final = Place("https://testnet.binancefuture.com", "wss://fstream.binancefuture.com/ws", "")
"""Keys of the test network have no permissions to look at: there is nothing to withdraw."""
LIVE: Final = Place("https://fapi.binance.com", "wss://fstream.binance.com/ws", "https://api.binance.com")
PORT_HERE: Final = 9443
HERE: Final = f"http://127.0.0.1:{PORT_HERE}"
"""Where the simulator is found unless it was told to be elsewhere."""

VENUES: Final[dict[Mode, str]] = {"sim": "sim", "testnet": "binance-testnet", "live": "binance"}


class Venue(NamedTuple):
    """A mode, put together: the name fills bear, the first way in, and the second where there is one."""

    mode: Mode
    name: str
    places: tuple[Place, ...]


class Live(NamedTuple):
    """What has been said about trading for real."""

    enabled: Collection[str]
    """Accounts."""
    limited: Collection[str]
    """Accounts which have limits of their phase."""


def mode_of(environment: Mapping[str, str]) -> Mode:
    """Give the mode that was asked for; the simulator unless told."""
    asked = environment.get("QTS_EXCHANGE_MODE", "") or "sim"
    for mode in get_args(Mode):
        if asked == mode:
            return mode  # type: ignore[no-any-return]  # get_args forgets what it was given
    raise Fatal(f"QTS_EXCHANGE_MODE is {asked}, and has to be one of {', '.join(get_args(Mode))}")


def venue_of(environment: Mapping[str, str]) -> Venue:
    """Give the addresses of the mode that was asked for."""
    mode = mode_of(environment)
    url, backup_url = environment.get("QTS_EXCHANGE_URL", ""), environment.get("QTS_EXCHANGE_BACKUP_URL", "")
    if mode == "sim":
        first = place_at(url or HERE)
    elif url:
        raise Fatal(f"QTS_EXCHANGE_URL is the simulator's: it has to be unset in mode {mode}")
    else:
        first = {"testnet": TESTNET, "live": LIVE}[mode]
    second = _backup(first, backup_url, mode) if backup_url else ()
    return Venue(mode, VENUES[mode], (first, *second))


def place_at(url: str) -> Place:
    """Give the addresses of a server that has everything in one place, as the simulator has."""
    rest = url.rstrip("/")
    scheme, found, rest_of_it = rest.partition("://")
    if not found or scheme not in {"http", "https"} or not rest_of_it:
        raise Fatal(f"{url} is no address of a server: http://HOST:PORT or https://HOST")
    return Place(rest, f"{'wss' if scheme == 'https' else 'ws'}://{rest_of_it}/ws", rest)


def _backup(first: Place, url: str, mode: Mode) -> tuple[Place]:
    """Give the second way in. The real exchange tells of permissions and streams where it always does."""
    second = place_at(url)
    if mode == "sim":
        return (second,)
    if not second.rest_url.startswith("https://"):
        raise Fatal("QTS_EXCHANGE_BACKUP_URL has to be https://: orders travel on it")
    return (second._replace(stream_url=first.stream_url, permissions_url=first.permissions_url),)


def keys_of(ref: AccountRef, mode: Mode, environment: Mapping[str, str]) -> Keys:
    """Give the keys of an account. The simulator's are made of its name, so that trying out needs no keys."""
    if mode == "sim":
        return Keys(Secret(f"sim-{ref.account}"), Secret(f"sim-secret-{ref.account}"))
    return read_keys(ref.credentials, environment)


def live_refusal(environment: Mapping[str, str], accounts: Collection[str], said: Live) -> str:
    """Tell why orders may not go to the real exchange; empty if they may."""
    if mode_of(environment) != "live":
        return ""
    if environment.get("QTS_LIVE", "") != LIVE_YES:
        return f"mode live sends orders for real money: it needs QTS_LIVE={LIVE_YES}"
    if not accounts:
        return "mode live needs an account"
    for account in sorted(accounts):
        if account not in said.enabled:
            return f"account {account} is not enabled: mode live needs it to be"
        if account not in said.limited:
            return f"account {account} has no limits of its phase: mode live needs them"
    return ""


def words_of(venue: Venue, accounts: Collection[str]) -> tuple[str, bool]:
    """Say where orders go, and whether that is to be said in red."""
    who = ", ".join(sorted(accounts)) or "no account"
    if venue.mode == "live":
        return f"LIVE: orders of {who} go to {venue.name} for real money", True
    return f"{venue.mode}: orders of {who} go to {venue.places[0].rest_url}", False
