"""Which exception of ccxt is which of our errors: the one place that knows.

Decides: for placing, cancelling and asking, what an exception or an answer of the exchange means, by HTTP status, then by the exchange's code, then
by ccxt's class. Leaves to others: acting on it (pipeline), and what ccxt makes of an answer (ccxt, looked at through `Said`).

Every class of ccxt has a row of its own: a new one is decided by a person, not by its ancestor (a test walks the hierarchy). Whatever is not certain
is Ambiguous for who changes something, and Retryable for who only asks: a failed question is never an empty answer.
No message holds an address, for addresses are signed: only the exchange's own words, and names of exceptions, get through.
"""

import re
from typing import Final, Literal, NamedTuple

from ccxt.base import errors as ccxt_errors  # type: ignore[import-untyped]  # ccxt says nothing about its types

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

Doing = Literal["placing", "cancelling", "asking"]

WORDS_MAX: Final = 200
"""The exchange's messages are a sentence. What is longer is a page of some proxy."""
PAUSE_S: Final = 60.0
"""How long to be silent after a 429 that does not say: weights are counted by the minute."""
BAN_S: Final = 120.0
"""And after a 418 that does not say: the shortest ban there is."""

WORD: Final = re.compile(r"\S+")
SIGNED: Final = re.compile(r"(?i)\b(signature|apikey|secret|listenkey)=[^&\"']+|[0-9a-f]{64}")


class Said(Exception):
    """The exchange answered, and ccxt takes the answer for an error."""

    def __init__(self, kind: type[Exception], status: int, code: str, words: str, after_s: float | None) -> None:
        """Keep ccxt's verdict beside what was said."""
        super().__init__(f"{status} {code} {words}")
        self.kind, self.status, self.code, self.words, self.after_s = kind, status, code, words, after_s


class Duty(NamedTuple):
    """What an exception means to who was placing, cancelling, asking."""

    placing: type[ExchangeError]
    cancelling: type[ExchangeError]
    asking: type[ExchangeError]


NO: Final = Duty(Rejected, Rejected, Rejected)
STOP: Final = Duty(Fatal, Fatal, Fatal)
UNKNOWN: Final = Duty(Ambiguous, Ambiguous, Retryable)
CLOCK: Final = Duty(ClockOff, ClockOff, ClockOff)
SILENCE: Final = Duty(Paused, Paused, Paused)
CALM: Final = Duty(Ambiguous, Ambiguous, Paused)
"""Too much was asked, but nothing proves that this request was refused for it."""
GONE: Final = Duty(Ambiguous, NotThere, NotThere)
TAKEN: Final = Duty(AlreadyKnown, Rejected, Rejected)

BY_CLASS: Final[dict[type[Exception], Duty]] = {
    # below ExchangeError: the exchange, or ccxt before anything was sent, says no
    ccxt_errors.AccountNotEnabled: STOP,
    ccxt_errors.PermissionDenied: STOP,
    ccxt_errors.AccountSuspended: STOP,
    ccxt_errors.AuthenticationError: STOP,
    ccxt_errors.ArgumentsRequired: NO,
    ccxt_errors.BadSymbol: NO,
    ccxt_errors.BadRequest: NO,
    ccxt_errors.MarginModeAlreadySet: NO,
    ccxt_errors.NoChange: NO,
    ccxt_errors.MarketClosed: NO,
    ccxt_errors.ManualInteractionNeeded: STOP,
    ccxt_errors.RestrictedLocation: STOP,
    ccxt_errors.OperationRejected: NO,
    ccxt_errors.InsufficientFunds: NO,
    ccxt_errors.AddressPending: NO,
    ccxt_errors.InvalidAddress: NO,
    ccxt_errors.OrderNotFound: GONE,
    ccxt_errors.OrderNotCached: UNKNOWN,  # a gap in ccxt's own memory is no word of the exchange
    ccxt_errors.OrderImmediatelyFillable: NO,
    ccxt_errors.OrderNotFillable: NO,
    ccxt_errors.DuplicateOrderId: TAKEN,
    ccxt_errors.ContractUnavailable: NO,
    ccxt_errors.InvalidOrder: NO,
    ccxt_errors.NotSupported: NO,
    ccxt_errors.InvalidProxySettings: STOP,
    ccxt_errors.ExchangeClosedByUser: UNKNOWN,
    ccxt_errors.ExchangeError: UNKNOWN,  # itself, not its kind: a code that ccxt does not know
    # below OperationFailed: something on the way
    ccxt_errors.DDoSProtection: CALM,
    ccxt_errors.RateLimitExceeded: CALM,
    ccxt_errors.OnMaintenance: UNKNOWN,
    ccxt_errors.ExchangeNotAvailable: UNKNOWN,
    ccxt_errors.ChecksumError: UNKNOWN,  # of an order book; it only descends from the wrong clock
    ccxt_errors.InvalidNonce: CLOCK,
    ccxt_errors.RequestTimeout: UNKNOWN,
    ccxt_errors.NetworkError: UNKNOWN,
    ccxt_errors.NullResponse: UNKNOWN,
    ccxt_errors.BadResponse: UNKNOWN,
    ccxt_errors.CancelPending: UNKNOWN,
    ccxt_errors.OperationFailed: UNKNOWN,
    ccxt_errors.UnsubscribeError: UNKNOWN,
    ccxt_errors.BaseError: UNKNOWN,
}
"""The most derived first, as they are looked for."""

BY_CODE: Final[dict[str, Duty]] = {
    "-1003": SILENCE,  # too much weight: refused, whatever the status
    "-1015": SILENCE,  # too many orders: refused
    "-1125": UNKNOWN,  # no such listen key; ccxt takes it for wrong keys
    "-2020": NO,  # cannot be filled; ccxt takes it for a failure on the way
    "-2023": NO,  # the account is being liquidated; the same
    "-4130": NO,  # a stop that closes the position is there already; ccxt does not know it
    "-4116": TAKEN,  # the client order id is in use; ccxt knows it as an invalid order
    "-20132": TAKEN,  # the client algo id is in use; ccxt knows it as a bad request
    "-5028": CLOCK,  # refused by the matching engine for its timestamp; ccxt knows it as a bad request
}
"""What the exchange says more exactly than ccxt's classes do."""

BY_STATUS: Final[dict[int, Duty]] = {
    418: SILENCE,
    429: SILENCE,
    451: STOP,  # not from this place
}


def duty_of(error: Exception) -> Duty:
    """Tell what an exception means: by status, by code, by class."""
    if not isinstance(error, Said):
        return of_class(type(error))
    if error.status in BY_STATUS:
        return BY_STATUS[error.status]
    if error.status >= 500:  # whatever else it says: it may have been done
        return UNKNOWN
    return BY_CODE.get(error.code) or of_class(error.kind)


def of_class(kind: type[Exception]) -> Duty:
    """Give the row of a class. One that is new is as uncertain as can be: what its ancestor means need not hold for it."""
    return BY_CLASS.get(kind, UNKNOWN)


def unreachable(error: Exception) -> bool:
    """Tell whether the exchange could not be reached or is down, which another way in may help against."""
    if isinstance(error, Said):
        return error.status >= 500
    return isinstance(error, (ccxt_errors.NetworkError, OSError))


def translate(error: Exception, doing: Doing) -> ExchangeError:
    """Give our error for one of ccxt's. It tells what the exchange said, and nothing of what was asked."""
    kind = getattr(duty_of(error), doing)
    code, words = (error.code, clean(error.words)) if isinstance(error, Said) else ("", named(error))
    if kind is Rejected:
        return Rejected(code or named(error), words)
    text = f"{code} {words}".strip()
    if kind is Paused:
        return Paused(text, pause_of(error))
    made: ExchangeError = kind(text)
    return made


def pause_of(error: Exception) -> float:
    """Tell how long to be silent."""
    if isinstance(error, Said):
        if error.after_s is not None:
            return error.after_s
        if error.status == 418:
            return BAN_S
    return PAUSE_S


def named(error: Exception) -> str:
    """Name an exception and its cause: their texts hold the signed address."""
    if isinstance(error, Said):
        return error.kind.__name__
    cause = error.__cause__
    return type(error).__name__ if cause is None else f"{type(error).__name__} of {type(cause).__name__}"


def clean(words: str) -> str:
    """Give words without addresses and signatures, and not too many of them."""
    # Word by word: one pattern for all of it would look for an address from each letter of a page without a space.
    return WORD.sub(lambda word: "***" if "://" in word[0] else SIGNED.sub("***", word[0]), words)[:WORDS_MAX]
