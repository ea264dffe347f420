"""When agents of a run at a host are put to sleep: those who have had enough to do at once, idle ones in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from runtime import clock
from runtime.events import AgentName
from runtime.hosting.cell import Cell
from runtime.team import Rest


class RestWatch:
    """Watches who rests, and since when; calls `put_to_sleep` for each whose time has come."""

    def __init__(self, rest: Rest, put_to_sleep: Callable[[AgentName], None]) -> None:
        self._rest = rest
        self._put_to_sleep = put_to_sleep
        self._since: dict[AgentName, float] = {}
        """In the order in which they came to rest."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def see(self, cell: Cell) -> None:
        """The agent was just told something."""
        self._since.pop(cell.name, None)
        if not cell.can_sleep:
            return
        if cell.deliveries >= self._rest.deliveries:
            self._put_to_sleep(cell.name)
        else:
            self._since[cell.name] = clock.monotonic()
            self._set_timer()

    def forget(self, name: AgentName) -> None:
        """The agent is not here any more."""
        self._since.pop(name, None)

    def close(self) -> None:
        """Nobody is put to sleep any more."""
        self._since.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        if self._timer is None and self._since:
            due = next(iter(self._since.values())) + self._rest.idle_s
            self._timer = self._loop.call_later(max(0.0, due - clock.monotonic()), self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        last = clock.monotonic() - self._rest.idle_s
        for name in [name for name, since in self._since.items() if since <= last]:
            del self._since[name]
            self._put_to_sleep(name)
        self._set_timer()
