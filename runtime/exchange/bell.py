"""A bell: whoever waits for something to change hears it, or gives up after a while.

`asyncio.Event` and `asyncio.timeout` do the same with several times the work, and a run waits once for each step. Nor
is there a timer for each wait: a bell has one, which is set again where it finds that there is still time.
"""

from __future__ import annotations

import asyncio


class Bell:
    """Rings for those who wait at that moment; who comes later waits for the next time."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Future[None], float] = {}
        """Those who wait, and until when by the loop's clock."""
        self._timer: asyncio.TimerHandle | None = None

    def ring(self) -> None:
        """Wakes all who wait."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def heard(self, limit_s: float) -> None:
        """Returns when it rings, or after `limit_s`."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        due = self._waiting[future] = loop.time() + limit_s
        self._set_timer(loop, due)
        try:
            await future
        finally:
            self._waiting.pop(future, None)

    def _set_timer(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        if self._timer is not None and self._timer.when() <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(due, self._on_time, loop, due)

    def _on_time(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        """Wakes those whose time is over, and looks again when the next one's is."""
        self._timer = None
        for future, due in self._waiting.items():
            if due <= now and not future.done():
                future.set_result(None)
        if left := [due for due in self._waiting.values() if due > now]:
            self._set_timer(loop, min(left))
