"""`./qts version`: which version this is.

Decides: what identifies an installation. Leaves to others: what a desk version means for old offsets (streams.desk).
"""

import platform
from importlib.metadata import version as installed

from streams.cli.command import single
from streams.cli.output import Answer, Output
from streams.desk.state import DESK_VERSION


@single("version", example="./qts version\n./qts version --json")
def command(out: Output) -> Answer:
    """Tell which version this is, of the program, the desk and Python."""
    version, python = installed("quantum-trader-streams"), platform.python_version()
    out.console.print(f"quantum-trader-streams {version}, desk {DESK_VERSION}, Python {python}")
    return Answer({"name": "quantum-trader-streams", "version": version, "desk_version": DESK_VERSION, "python": python})
