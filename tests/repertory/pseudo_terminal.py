"""A program at a terminal of its own, and a person who waits for what it shows before the next line is typed."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

PATIENCE_S = 120.0
"""How long a person waits, in seconds."""


class PseudoTerminal:
    """One session; `shown` is all that was shown so far."""

    def __init__(self, process: subprocess.Popen[bytes], keyboard: int) -> None:
        self.process = process
        self.shown = ""
        self._keyboard = keyboard

    def wait_for(self, text: str) -> str:
        """What is shown from now on until this text comes, and with it."""
        begun, deadline = len(self.shown), time.monotonic() + PATIENCE_S
        while text not in self.shown[begun:]:
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"expected {text!r} within {PATIENCE_S} s, found {self.shown[begun:]!r}")
        return self.shown[begun:]

    def type(self, line: str) -> None:
        """Types a line."""
        os.write(self._keyboard, f"{line}\n".encode())

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._keyboard], [], [], timeout_s)[0]:
            return False
        try:
            found = os.read(self._keyboard, 65536)
        except OSError:  # the program has closed its side
            return False
        self.shown += found.decode(errors="replace").replace("\r\n", "\n")
        return bool(found)


@contextmanager
def pseudo_terminal(arguments: Sequence[str], environment: Mapping[str, str]) -> Generator[PseudoTerminal]:
    """`repertory` with these arguments at a terminal, which is ended with the block."""
    keyboard, screen = pty.openpty()
    command = [sys.executable, "-m", "repertory", *arguments]
    process = subprocess.Popen(
        command, stdin=screen, stdout=screen, stderr=screen, env=dict(environment), start_new_session=True
    )
    os.close(screen)
    try:
        yield PseudoTerminal(process, keyboard)
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)
