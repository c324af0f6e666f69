"""A program of ours in a child process that is talked to over pipes: it ends when its stdin does, so with whoever started it, however that ends.

Decides: how it is started, heard and ended. Leaves to others: what is said.
"""

import os
import select
import subprocess
import sys
from typing import IO

WORDS_MAX = 500
"""Of what a child said that has ended, the end is shown."""


def started(module: str, words: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start a module as a program; its complaints go into `words`."""
    # In a session of its own: a Ctrl-C in the terminal is for whoever started it, who may still need it to end in order.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, bufsize=0, start_new_session=True,
    )  # fmt: skip


def line_of(process: "subprocess.Popen[bytes]", words: IO[bytes], wait_s: float, failed: type[Exception]) -> str:
    """Read one line of a child's, or say why there is none, as an error of a kind."""
    assert process.stdout is not None
    pipe, line = process.stdout.fileno(), b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([pipe], [], [], wait_s)
        if not readable:
            raise failed(f"it did not answer within {wait_s:.0f} s")
        read = os.read(pipe, 4_096)
        if not read:
            raise failed(f"it has ended: {said(words)}")
        line += read
    return line.decode().strip()


def said(words: IO[bytes]) -> str:
    """Give the end of what a child complained of."""
    if words.closed:
        return "it said nothing"
    words.seek(0)
    return words.read().decode(errors="replace").strip()[-WORDS_MAX:] or "it said nothing"


def end(process: "subprocess.Popen[bytes]", wait_s: float) -> None:
    """End a child by ending its stdin; one that does not take it is killed."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(wait_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(wait_s)
