"""A flood of dead letters: when so much cannot be read that it must not be drained silently.

Decides: how many are too many. Leaves to others: where a dead letter goes (the desk says it, the write pipeline sends it).
"""

DEAD_LETTERS_MAX = 1_000
"""A producer with a broken schema sends hundreds a second: it is noticed within seconds, and what it sent is still on its topic."""
GOOD_PER_BAD = 2
"""A dead letter is forgiven after this many good records, so a third of bad ones for ever is a flood, and a few now and then are none."""


class Flood(Exception):
    """Too many records cannot be used. Somebody has to look before the rest of the topic is drained into dead letters."""


class FloodGate:
    """Counts dead letters up and good records down."""

    def __init__(self, dead_letters_max: int = DEAD_LETTERS_MAX) -> None:
        """Start with none."""
        self._max = dead_letters_max * GOOD_PER_BAD
        self._level = 0

    def good(self) -> None:
        """Take a record that could be used."""
        if self._level:
            self._level -= 1

    def bad(self) -> None:
        """Take a dead letter."""
        self._level += GOOD_PER_BAD
        if self._level > self._max:
            raise Flood(
                f"more than {self._max // GOOD_PER_BAD} dead letters with hardly anything between them; "
                "once somebody has looked, QTS_DEAD_LETTERS_MAX lets more through"
            )
