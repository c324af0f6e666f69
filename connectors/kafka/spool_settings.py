"""How large a spool may become: QTS_SPOOL_BYTES.

Decides: the bound where none is set. Leaves to others: keeping to it (spool_tail.py).
"""

from collections.abc import Mapping

SPOOL_BYTES = 1 << 30
"""1 GiB: half an hour of 3,000 records a second. A broker that is away for longer needs a person anyway."""
SPOOL_BYTES_MIN = 1 << 20
"""The largest record fits; less than this is a slip of the unit."""


class BadSpoolSettings(ValueError):
    """A variable cannot be used; the message names it, in one line."""


def spool_bytes_max(environ: Mapping[str, str]) -> int:
    """Give the bound. Raises BadSpoolSettings."""
    said = environ.get("QTS_SPOOL_BYTES", "").strip()
    if not said:
        return SPOOL_BYTES
    if not (said.isascii() and said.isdigit()) or int(said) < SPOOL_BYTES_MIN:
        raise BadSpoolSettings(f"QTS_SPOOL_BYTES={said}: give a number of bytes, {SPOOL_BYTES_MIN} or more")
    return int(said)
