"""How fast one handler on a host sends: now and then it asks the driver whether there is room for more.

The driver counts what a sender has unfinished (`runtime/autogen_local/backlog.py`). To ask it before each message would
cost a way there and back; so a handler asks after each `SLICE_BYTES`, and one that sends little never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from runtime.autogen_local.backlog import LEAST_BYTES

SLICE_BYTES = 1024 * 1024


class Pace:
    """What a handler has sent since it last asked."""

    def __init__(self) -> None:
        self._sent_bytes = 0
        self._turn: asyncio.Lock | None = None
        self._waiting = 0

    async def room(self, ask: Callable[[], Awaitable[object]]) -> None:
        """Returns when the handler may send one more; its tasks go on in the order in which they came."""
        if self._sent_bytes < SLICE_BYTES and not self._waiting:
            return
        self._turn = self._turn or asyncio.Lock()
        self._waiting += 1
        try:
            async with self._turn:
                if self._sent_bytes >= SLICE_BYTES:
                    await ask()
                    self._sent_bytes = 0
        finally:
            self._waiting -= 1

    def count(self, size_bytes: int) -> None:
        """A message has been sent."""
        self._sent_bytes += max(size_bytes, LEAST_BYTES)
