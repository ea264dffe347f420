"""A bell: whoever waits for something to change hears it, or gives up after a while.

`asyncio.Event` and `asyncio.timeout` do the same with several times the work, and a run waits once for each step.
"""

from __future__ import annotations

import asyncio


class Bell:
    """Rings for those who wait at that moment; who comes later waits for the next time."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wakes all who wait."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            _settle(future)

    async def heard(self, limit_s: float) -> None:
        """Returns when it rings, or after `limit_s`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.add(future)
        timer = loop.call_later(limit_s, _settle, future)
        try:
            await future
        finally:
            timer.cancel()
            self._waiting.discard(future)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
