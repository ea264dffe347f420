"""Group commit: requests that arrive while one transaction is being written share the next one and its flush to disk.

Nothing waits on a timer: a lone request is written at once, and under load the groups grow by themselves. Groups are
written on a thread of their own, so that a slow disk stops nobody. But to wake that thread and to be woken by it costs
more than a write to a quick disk: where requests come one by one and are written swiftly, the event loop writes them.
Journals that keep their record in a database call this; it knows nothing of what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from runtime import clock
from runtime.errors import JournalError

Request = TypeVar("Request")
Outcome = TypeVar("Outcome")

GROUP_LIMIT = 1024
"""The most requests in one transaction, so that nobody waits for ever longer ones."""
LONE_GROUPS = 3
"""After so many groups of a single request, each written swiftly, the loop writes the next one itself."""


class GroupCommit(Generic[Request, Outcome]):
    """Hands requests to `commit` in groups, in the order of their arrival, one group at a time.

    A write that takes less than `swift_s` seconds may keep the loop; 0 where none may, as when it crosses a network.
    `commit` gives one outcome per request, in their order; an exception among them is raised where that request waits,
    and an exception that `commit` raises is raised where any of the group waits.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Request]], Sequence[Outcome | BaseException]],
        name: str,
        *,
        swift_s: float = 0.0,
    ) -> None:
        self._commit = commit
        self._swift_s = swift_s
        self._lone = 0
        """How many groups of a single request have been written swiftly, one after the other."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: list[tuple[Request, asyncio.Future[Outcome]]] = []
        self._under_way = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: asyncio.Future[None] | None = None
        self._closed = False

    def submit(self, request: Request) -> asyncio.Future[Outcome]:
        """The request's outcome, once its group is written. Cancelling the wait does not take the request back.

        Raises:
            JournalError: it is closed, or another event loop uses it.
        """
        loop = self._own_loop()
        if self._closed:
            raise JournalError("the journal is closed; open it again to go on")
        future: asyncio.Future[Outcome] = loop.create_future()
        self._waiting.append((request, future))
        if not self._under_way:
            self._start(loop)
        return future

    async def close(self, last: Callable[[], None]) -> None:
        """Waits for all that was submitted, then calls `last` on the thread and ends it; closing again does nothing."""
        if self._closed:
            return
        loop = self._own_loop()
        self._closed = True
        if self._under_way:
            self._idle = loop.create_future()
            await self._idle
        await loop.run_in_executor(self._thread, last)
        self._thread.shutdown(wait=False)

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        """The running loop, which may follow one that is closed: its waiters are gone with it."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._under_way and self._loop is not None and not self._loop.is_closed():
                raise JournalError("two event loops use one journal object; open one for each")
            self._loop, self._under_way, self._waiting = loop, False, []
        return loop

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        group, self._waiting = self._waiting[:GROUP_LIMIT], self._waiting[GROUP_LIMIT:]
        self._under_way = True
        requests, futures = [request for request, _ in group], [future for _, future in group]
        if self._lone >= LONE_GROUPS and len(group) == 1:
            loop.call_soon(self._write_here, loop, requests, futures)
            return
        job = loop.run_in_executor(self._thread, self._write, requests)
        job.add_done_callback(lambda done: self._finish(loop, futures, *done.result()))

    def _write_here(
        self, loop: asyncio.AbstractEventLoop, requests: Sequence[Request], futures: Sequence[asyncio.Future[Outcome]]
    ) -> None:
        self._finish(loop, futures, *self._write(requests))

    def _write(self, requests: Sequence[Request]) -> tuple[Sequence[Outcome | BaseException], float]:
        """The outcomes, and how many seconds they took."""
        began = clock.monotonic()
        try:
            outcomes = self._commit(requests)
        except BaseException as error:  # whatever it is, it is raised where somebody waits
            outcomes = [error] * len(requests)
        return outcomes, clock.monotonic() - began

    def _finish(
        self,
        loop: asyncio.AbstractEventLoop,
        futures: Sequence[asyncio.Future[Outcome]],
        outcomes: Sequence[Outcome | BaseException],
        took_s: float,
    ) -> None:
        self._lone = self._lone + 1 if len(futures) == 1 and took_s < self._swift_s else 0
        for future, outcome in zip(futures, outcomes, strict=True):
            if not future.done():
                _settle(future, outcome)
        self._under_way = False
        if self._waiting:
            self._start(loop)
        elif self._idle is not None:
            self._idle.set_result(None)


def _settle(future: asyncio.Future[Outcome], outcome: Outcome | BaseException) -> None:
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
