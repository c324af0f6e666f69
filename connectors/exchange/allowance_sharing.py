"""How the workers of one IP share its weight: what a worker lends, what it has borrowed, and the records they tell each other.

Decides: everything here is amounts of weight in one minute of the exchange, which all workers number alike. A worker has its share of it. What it
lends it may not use any more in that minute; it gets back what the borrower says it gave up. So each unit of weight is somebody's, once, and no
message that is lost, late, repeated or out of order, no dead worker and no clock can make the sum larger: at worst a unit is nobody's until the
minute is over. For each pair of workers three figures only ever grow, and what is heard is merged by taking the larger:

    granted   what the lender has lent in this minute            told by the lender
    spent     what the borrower has used of it                   told to nobody
    back      what the borrower has given up                     told by the borrower; granted − spent − back is what it may still use

Time decides only for how long a loan is held: `LOAN_MS` from when the borrower last told a need that the lender heard, by the borrower's clock, which
the lender sends back (`at`). Then what is left of it is given up: an idle share is lent as soon as a need is heard, and is back within a second.

Leaves to others: how much may be lent, what is needed, what a share is (allowance); carrying records (a topic, `allowances`, that every worker of the
IP reads from its end and writes to). Records are JSON with a version, not Avro: they are never kept or replayed, only workers of one release talk to
each other, and what cannot be read (`BadRecord`) costs no more than one that was lost.
"""

import json
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

VERSION: Final = 1
LOAN_MS: Final = 800
"""A lender that is busy again has its share back a second later, the time to hear of it included."""
REPEATS: Final = 3
"""How often news are told when nothing else is to be said: one record may be lost."""
NUMBER_MAX: Final = 2**53
"""Beyond it JSON's readers disagree."""


class BadRecord(ValueError):
    """It is not what a worker tells."""


class Heard(NamedTuple):
    """What a record of another worker says."""

    worker: str = ""
    window: int = -1
    need: int = 0
    at_ms: int = 0
    """By that worker's clock."""
    silent_until_ms: int = 0
    """By the exchange's clock: nobody may ask anything until then."""
    back: int = 0
    """What has just come back of our loans."""


@dataclass(slots=True)
class _Lent:
    """What another worker has of ours."""

    granted: int = 0
    back: int = 0
    at_ms: int = 0


@dataclass(slots=True)
class _Loan:
    """What we have of another worker's."""

    granted: int = 0
    spent: int = 0
    back: int = 0
    until_ms: int = 0

    @property
    def left(self) -> int:
        """Give what may still be used."""
        return self.granted - self.spent - self.back


class Shares:
    """What is lent and borrowed in the minute that runs."""

    def __init__(self, worker: str) -> None:
        """Begin with nothing. The name has to be new with each start: a worker that comes back has forgotten what it spent."""
        self.worker = worker
        self.window = -1
        self._lent: dict[str, _Lent] = {}
        self._loans: dict[str, _Loan] = {}
        self._news = 0

    @property
    def lent(self) -> int:
        """Give what others have of ours, used or not."""
        return sum(lent.granted - lent.back for lent in self._lent.values())

    @property
    def borrowed(self) -> int:
        """Give what we have of others, used or not."""
        return sum(loan.granted - loan.back for loan in self._loans.values())

    @property
    def left(self) -> int:
        """Give what of it is not used yet."""
        return sum(loan.left for loan in self._loans.values())

    @property
    def has_news(self) -> bool:
        """Tell whether there is something to say, need or not."""
        return self._news > 0

    def turn(self, window: int | None, tick_ms: int) -> None:
        """Let time pass: loans end with their minute, and `LOAN_MS` after they were wanted. A minute never comes again."""
        if window is not None and window > self.window:
            self.window = window
            self._lent, self._loans = {}, {}
        for loan in self._loans.values():
            if loan.until_ms <= tick_ms and loan.left:
                loan.back += loan.left
                self.tell_again()

    def tell_again(self) -> None:
        """Have something to say."""
        self._news = REPEATS

    def spend(self, weight: int) -> int:
        """Use what is borrowed, as it lapses; gives how much of the weight was not to be had so."""
        for loan in self._loans.values():
            used = min(weight, loan.left)
            loan.spent += used
            weight -= used
        return weight

    def lend(self, heard: Heard, weight: int) -> bool:
        """Lend somebody who told a need so much more, and let it keep what it has; tells whether there is something to say."""
        lent = self._lent.setdefault(heard.worker, _Lent())
        lent.granted += weight
        lent.at_ms = max(lent.at_ms, heard.at_ms)
        return lent.granted > lent.back

    def record(self, need: int, tick_ms: int, silent_until_ms: int) -> bytes:
        """Write what others have to know."""
        self._news = max(0, self._news - 1)
        return json.dumps(
            {
                "v": VERSION,
                "from": self.worker,
                "window": self.window,
                "at": tick_ms,
                "need": need,
                "silent": silent_until_ms,
                "lent": {worker: [lent.granted, lent.at_ms] for worker, lent in self._lent.items() if lent.granted},
                "back": {worker: loan.back for worker, loan in self._loans.items() if loan.back},
            },
            separators=(",", ":"),
        ).encode()

    def hear(self, record: bytes, tick_ms: int) -> Heard:
        """Take what another worker tells. Raises `BadRecord`."""
        told = _told(record)
        worker = told["from"]
        if worker == self.worker:
            return Heard()
        heard = Heard(worker, _number(told["window"]), _number(told["need"]), _number(told["at"]), _number(told["silent"]))
        granted, wanted_ms = _pair(told["lent"].get(self.worker, [0, 0]))
        back = _number(told["back"].get(self.worker, 0))
        if heard.window != self.window:
            return heard._replace(need=0)
        if granted:
            self._borrow(worker, granted, wanted_ms, tick_ms)
        return heard._replace(back=self._returned(worker, back))

    def _borrow(self, lender: str, granted: int, wanted_ms: int, tick_ms: int) -> None:
        loan = self._loans.setdefault(lender, _Loan())
        loan.granted = max(loan.granted, granted)
        loan.until_ms = max(loan.until_ms, wanted_ms + LOAN_MS)
        self.turn(self.window, tick_ms)

    def _returned(self, borrower: str, back: int) -> int:
        lent = self._lent.get(borrower)
        if lent is None or back <= lent.back:
            return 0
        if back > lent.granted:
            raise BadRecord(f"{borrower} gives back {back} of {lent.granted}")
        more, lent.back = back - lent.back, back
        return more


def _told(record: bytes) -> dict[str, Any]:
    """Read the outline of a record."""
    try:
        told = json.loads(record)
    except ValueError as error:
        raise BadRecord("it is no JSON") from error
    if not isinstance(told, dict) or told.get("v") != VERSION:
        raise BadRecord(f"it is no record of version {VERSION}")
    shapes = {"from": str, "window": int, "at": int, "need": int, "silent": int, "lent": dict, "back": dict}
    for name, shape in shapes.items():
        if not isinstance(told.get(name), shape):
            raise BadRecord(f"{name} is missing, or is something else")
    return told


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -1 <= value <= NUMBER_MAX:
        raise BadRecord("a number is none, or too large")
    return value


def _pair(value: object) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise BadRecord("a loan is two numbers")
    return _number(value[0]), _number(value[1])
