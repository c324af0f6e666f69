"""Processes of a benchmark: started, looked at, ended; exactly these.

Decides: what they are told by their environment, and where their words go. Leaves to others: what they do.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

LEAVE_S_MAX = 20.0
"""Ours leave within ten seconds; a peer may take longer to flush its state."""
WORDS_MAX = 2_000


class ProgramDied(Exception):
    """A process ended that nobody had ended."""


class Program:
    """One process, through all its lives. Used in a with-block, it is not left behind."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], words: Path, cwd: Path | None = None) -> None:
        """Know what to start."""
        self._argv, self._environ, self._words, self._cwd = list(argv), {**os.environ, **environ}, words, cwd
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start a life."""
        with self._words.open("ab") as words:
            self._process = subprocess.Popen(
                self._argv, env=self._environ, cwd=self._cwd, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.STDOUT
            )
        return self

    def check(self) -> None:
        """Make sure that it lives."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise ProgramDied(f"{' '.join(self._argv[:4])} ended with {code}: {self.last_words()}")

    def kill(self) -> None:
        """End it as a power failure does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        """Have it leave; what is still there then is killed."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(LEAVE_S_MAX)
        except subprocess.TimeoutExpired:
            self.kill()

    def resident_bytes(self) -> int:
        """Give how much of it is in memory."""
        assert self._process is not None
        for line in Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise ProgramDied(f"{self._argv[0]} has no memory any more")

    def last_words(self) -> str:
        """Give the end of what it said."""
        return self._words.read_text(errors="replace").strip()[-WORDS_MAX:]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.end()
