"""What the commands of programs in the background share.

Decides: what a person reads where one cannot be started or stopped. Leaves to others: the programs (connectors).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.background import Busy, PortTaken
from streams.cli.output import Unavailable


@contextmanager
def explained(command: str, folder: Path, failures: tuple[type[Exception], ...]) -> Iterator[None]:
    """Tell of what a start or stop fails of."""
    try:
        yield
    except PortTaken as taken:
        raise Unavailable(f"{taken}; ./qts {command} start --port takes another") from taken
    except failures as failed:
        raise Unavailable(str(failed)) from failed
    except Busy as busy:
        raise Unavailable(str(busy)) from busy
    except OSError as failed:
        raise Unavailable(f"{folder} cannot be used: {failed.strerror or failed}") from failed
