"""What the exchange lets one ask, asked of the exchange.

Decides: where it is, how long an answer is waited for, and what holds where there is none. Leaves to others: the question (CcxtExchange), how the
answer is shown (exchange). Apart from it, because ccxt is slow to import.
"""

import asyncio
import random
from collections.abc import Mapping
from typing import Final, NamedTuple

from connectors.exchange.allowance import Allowance
from connectors.exchange.ccxt_exchange import USUAL, CcxtExchange
from connectors.exchange.clock import ExchangeClock
from connectors.exchange.modes import Venue, keys_of, venue_of
from connectors.exchange.rate_limits import DEFAULT, Rules
from connectors.kafka.system_clock import SystemClock
from streams.cli.output import BadInput
from streams.exchange.errors import ExchangeError, Fatal

ANSWER_MS: Final = 3_000
"""A person waits. An exchange that takes longer to tell its limits is as good as not there."""


class Told(NamedTuple):
    """Limits, and where they are from."""

    url: str
    rules: Rules
    problem: str
    """Why the exchange could not be asked; then the limits are our default. Empty: it has told."""


def limits_there(environment: Mapping[str, str]) -> Told:
    """Ask the exchange that the environment names. Raises BadInput where it names none."""
    try:
        venue = venue_of(environment)
    except Fatal as wrong:
        raise BadInput(str(wrong)) from wrong
    url = venue.places[0].rest_url
    try:
        return Told(url, asyncio.run(_asked(venue)), "")
    except ExchangeError as error:
        return Told(url, DEFAULT, str(error))


async def _asked(venue: Venue) -> Rules:
    clock, times = SystemClock(), USUAL._replace(answer_ms=ANSWER_MS)
    allowance = Allowance(ExchangeClock(clock), asyncio.sleep)
    async with CcxtExchange(
        venue, lambda ref: keys_of(ref, venue.mode, {}), allowance, clock, asyncio.sleep, random.Random(), times  # noqa: S311 - spreads retries, keeps no secret
    ) as exchange:  # fmt: skip
        return await exchange.learn_limits()
