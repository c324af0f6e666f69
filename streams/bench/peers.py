"""The environment of the peer: Quix Streams, which wants another version of librdkafka's client than we do, hence one of its own.

Decides: where it is looked for, and how it is made (once, from constraints-bench.txt). Leaves to others: what runs in it.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
CONSTRAINTS = ROOT / "constraints-bench.txt"
FOLDER = ROOT / ".venv-bench"
PACKAGE = "quixstreams"
MADE_S_MAX = 600


class PeerMissing(Exception):
    """The peer cannot be had. The message says what to do."""


def peer_python() -> Path:
    """Give the Python that has the peer: this one where it is installed here, else one of its own. Raises PeerMissing."""
    if find_spec(PACKAGE) is not None:
        return Path(sys.executable)
    python = FOLDER / "bin" / "python"
    if _has_it(python):
        return python
    raise PeerMissing(f"Quix Streams is not installed; ./qts bench kafka --install-peer puts it into {FOLDER.name}")


def install_peer() -> None:
    """Make its environment. Raises PeerMissing."""
    if not CONSTRAINTS.exists():
        raise PeerMissing(f"{CONSTRAINTS.name} is missing: the peer is installed from a checkout only")
    for argv in (
        [sys.executable, "-m", "venv", str(FOLDER)],
        [str(FOLDER / "bin" / "python"), "-m", "pip", "install", "--quiet", "-c", str(CONSTRAINTS), PACKAGE],
    ):
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MADE_S_MAX, check=False)
        except (OSError, subprocess.TimeoutExpired) as failed:
            raise PeerMissing(f"the peer could not be installed: {failed}") from failed
        if done.returncode:
            raise PeerMissing(f"the peer could not be installed: {(done.stdout + done.stderr).strip()[-800:]}")


def _has_it(python: Path) -> bool:
    return (
        python.exists()
        and subprocess.run([python, "-P", "-c", f"import {PACKAGE}"], capture_output=True, check=False).returncode == 0
    )
