"""Which exchange a worker executes on, and what it says of that.

Decides: the names of the variables, that mode live needs its accounts named one by one, and that no other account gets its keys there. Leaves to
others: addresses and keys of each mode (connectors.exchange.modes).
"""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from connectors.exchange.modes import Live, Venue, keys_of, live_refusal, venue_of, words_of
from connectors.exchange.secrets import Keys
from streams.app.environment import BadEnvironment
from streams.exchange.errors import Fatal
from streams.exchange.port import AccountRef

LOGGER = logging.getLogger(__name__)


class VenueSettings(NamedTuple):
    """Where orders go, and for whom."""

    venue: Venue
    accounts: tuple[str, ...]
    """Those that are enabled for mode live; in other modes nobody has to be."""

    def keys_of(self, ref: AccountRef, environ: Mapping[str, str]) -> Keys:
        """Give the keys of an account. Raises `Fatal`."""
        if self.venue.mode == "live" and ref.account not in self.accounts:
            raise Fatal(f"account {ref.account} is not enabled for mode live: QTS_LIVE_ACCOUNTS does not name it")
        return keys_of(ref, self.venue.mode, environ)

    def say(self) -> None:
        """Say where orders go: in red where that is the real exchange."""
        words, red = words_of(self.venue, self.accounts)
        if self.venue.mode != "live":
            words = f"{self.venue.mode}: orders go to {self.venue.places[0].rest_url}"
        LOGGER.log(logging.ERROR if red else logging.INFO, words)


def venue_settings(environ: Mapping[str, str]) -> VenueSettings:
    """Read the environment. Raises `BadEnvironment`, also where orders may not go to the real exchange."""
    accounts = tuple(filter(None, (name.strip() for name in environ.get("QTS_LIVE_ACCOUNTS", "").split(","))))
    # The desk approves nothing that adds risk without limits of a phase: whoever has an order here has them.
    try:
        venue = venue_of(environ)
        refusal = live_refusal(environ, accounts, Live(accounts, accounts))
    except Fatal as bad:
        raise BadEnvironment(str(bad)) from bad
    if refusal:
        raise BadEnvironment(refusal)
    return VenueSettings(venue, accounts)
