"""What can come back instead of an answer, grouped by what the caller has to do.

    ExchangeError
    ├── Rejected        the exchange has said no: nothing was done, and the same question gets the same answer
    ├── NotThere        it knows no such order: after a cancel it may have filled, right after sending it proves nothing
    ├── AlreadyKnown    the client order id is in use: fetch what is there and take it for ours
    ├── Retryable       certainly not done, may be asked again after `after_s`
    │   ├── Paused      429, 418 or an answer like them: nobody may ask anything for so long
    │   └── ClockOff    our timestamp was refused: compare clocks, then once more
    ├── Ambiguous       nobody knows whether it was done: ask, never send again
    └── Fatal           keys, permissions, place: nothing goes on until a person has looked

Decides: these kinds. Leaves to others: which answer of which library is which (connectors.exchange), and acting on them (pipeline).
No message carries a key, a secret or a signed address.
"""


class ExchangeError(Exception):
    """Something other than an answer."""


class Rejected(ExchangeError):
    """The exchange has said no."""

    def __init__(self, code: str, reason: str) -> None:
        """Keep its code, and its words."""
        super().__init__(f"{code} {reason}".strip())
        self.code, self.reason = code, reason


class NotThere(ExchangeError):
    """The exchange knows no such order."""


class AlreadyKnown(ExchangeError):
    """The client order id is in use."""


class Retryable(ExchangeError):
    """Certainly not done."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        """Keep how long the exchange wants to be left alone; None: it did not say."""
        super().__init__(reason)
        self.after_s = after_s


class Paused(Retryable):
    """Too much was asked: nobody may ask anything for so long."""


class ClockOff(Retryable):
    """Our timestamp was refused."""


class Ambiguous(ExchangeError):
    """It may have been done, or not, or be done yet."""


class Fatal(ExchangeError):
    """Nothing goes on until a person has looked."""
