"""A small event loop of an agent's own, stepped by its host until every task of the agent has come to rest.

The order in which an agent's tasks go on then depends on nothing but the order in which its host releases things to it
(Temporal's deterministic workflow loop is the model). Nothing in here reads a clock or waits: `time` is what the host
sets, `call_later` asks the host for a timer, and what has no place in a handler (threads, sockets, subprocesses) is
refused with a word on where it belongs. Called by `runtime/host.py` only.
"""

from __future__ import annotations

import asyncio
import contextvars
from asyncio import events as asyncio_events
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar, TypeVarTuple, Unpack

import structlog

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
log = structlog.get_logger(__name__)


class Timers(Protocol):
    """What the loop asks its host for when an agent sleeps or sets a time limit."""

    def start(self, delay_s: float, wake: asyncio.TimerHandle) -> None:
        """Asks that the handle be run `delay_s` seconds from now, as a release."""
        ...

    def cancel(self, wake: asyncio.TimerHandle) -> None:
        """Says that the handle no longer matters."""
        ...


class AgentLoop(asyncio.AbstractEventLoop):
    """The loop that an agent's handlers run on; see the module."""

    def __init__(self, timers: Timers) -> None:
        self.time_s = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timers = timers

    @property
    def tasks(self) -> tuple[asyncio.Task[Any], ...]:
        """The tasks that have not ended."""
        return tuple(self._tasks)

    def run_until_rest(self) -> None:
        """Runs everything that can run; returns when all tasks wait for a release.

        May be called from within another loop's callback: that loop is put aside meanwhile.
        """
        outer = asyncio_events._get_running_loop()
        asyncio_events._set_running_loop(self)
        try:
            while self._ready:
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio_events._set_running_loop(outer)

    def cancel_all(self) -> None:
        """Cancels every task and lets each come to its end, so that nothing of an agent outlives its host."""
        for task in list(self._tasks):
            task.cancel()
        self.run_until_rest()

    def wake(self, handle: asyncio.TimerHandle) -> None:
        """Makes a timer's callback ready; nothing when it was cancelled meanwhile."""
        if not handle.cancelled():
            self._ready.append(handle)

    # What asyncio asks of a loop

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Appends to the queue; callbacks run in the order of their calls."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """The same as `call_soon`: agents have one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Asks the host for a timer of `delay` seconds."""
        handle = asyncio.TimerHandle(self.time_s + delay, callback, args, self, context)
        self._timers.start(max(delay, 0.0), handle)
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Asks the host for a timer that ends at `when`, in this loop's time."""
        return self.call_later(when - self.time_s, callback, *args, context=context)

    def time(self) -> float:
        """The time of the last release, in seconds."""
        return self.time_s

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:
        """A task of this loop."""
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def get_debug(self) -> bool:
        """Never in debug mode: it would read the clock."""
        return False

    def is_running(self) -> bool:
        """Whether it is being stepped now."""
        return asyncio_events._get_running_loop() is self

    def is_closed(self) -> bool:
        """Never: it holds nothing that must be closed."""
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """asyncio's own hook: a timer was cancelled before it fired."""
        self._timers.cancel(handle)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Logs what a task threw that nobody awaited; the run goes on. A task that a run's end cut off is no fault."""
        if (error := context.get("exception")) is not None:
            log.warning("agent.unhandled", message=context.get("message"), error=repr(error))

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Refused: the order in which a thread ends cannot be replayed."""
        raise RuntimeError(
            f"{getattr(func, '__name__', func)!r} wants a thread inside of a message handler, where its end could not "
            "be replayed; put it into a tool or another step (runtime/steps.py)"
        )
