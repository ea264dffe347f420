"""The driver's eye on what only a person can decide: asks at the terminal, and says when all that is open waits.

It begins with the first question of a run. What the journal says is folded into a core of its own; a run rests when
every open step is asked and nothing has come for a short while. Leaving a run is always safe, so the guess may err.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property

from runtime.errors import BudgetExceeded, JournalError, RunError, Unreachable, WaitingForPerson
from runtime.events import AnyEvent, RunInterrupted, StepAsked
from runtime.exchange.channel import Channel
from runtime.people import prompt, read_reply, waits_for
from runtime.routing import Routes
from runtime.sequencer import Sequencer
from runtime.team import Ask


class Left(Exception):
    """The driver leaves a run that can be gone on with; `error` tells the caller why."""

    def __init__(self, error: RunError, event: RunInterrupted | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.event = event
        """What is still to be recorded of it."""


class Attendance:
    """One driver's attention to one run."""

    def __init__(self, channel: Channel, run: str, routes: Routes, ask: Ask | None, by: str, quiet_s: float) -> None:
        self._channel = channel
        self._run = run
        self._routes = routes
        self._ask = ask
        self._by = by
        self._quiet_s = quiet_s
        self._stopped: RunInterrupted | None = None
        self._given_up: set[str] = set()
        """Steps that nobody performs until the run is resumed."""
        self._prompted: set[int] = set()
        self._prompts: set[asyncio.Task[None]] = set()
        self._terminal = asyncio.Lock()

    @cached_property
    def _core(self) -> Sequencer:
        """Made with the first question: most runs have none."""
        return Sequencer(self._routes)

    async def until_left(self) -> Left:
        """Returns when there is nothing to do but to leave.

        Raises:
            JournalError: when the journal cannot be read any more.
        """
        growth = asyncio.ensure_future(self._channel.watch(self._run, 0))
        try:
            while True:
                done, _ = await asyncio.wait({growth}, timeout=self._quiet_s)
                if not done and self._rests():
                    return self._left()
                if done:
                    self._see(growth.result())
                    growth = asyncio.ensure_future(self._channel.watch(self._run, self._core.seq))
        finally:
            for task in (growth, *self._prompts):
                task.cancel()
            await asyncio.gather(growth, *self._prompts, return_exceptions=True)

    def stop(self, stopped: RunInterrupted) -> None:
        """A limit, or what cannot be reached, has stopped the run; what is under way may end."""
        self._stopped = self._stopped or stopped
        self._given_up.add(stopped.step)

    def _see(self, events: Sequence[AnyEvent]) -> None:
        for event in events:
            self._core.apply(event)
        if self._ask is not None:
            for asked in self._core.steps.asked():
                if asked.seq not in self._prompted:
                    self._prompted.add(asked.seq)
                    task = asyncio.create_task(self._put(asked, self._ask))
                    self._prompts.add(task)
                    task.add_done_callback(self._prompts.discard)

    async def _put(self, asked: StepAsked, ask: Ask) -> None:
        """Asks at the terminal; where nobody answers, the run waits."""
        async with self._terminal:
            decision = read_reply(asked, await ask(prompt(asked)), self._by)
        if decision is not None:
            event, blobs = decision.event(asked)
            with suppress(JournalError):  # the driver is told by its own submits
                await self._channel.submit(self._run, [event], blobs)

    def _rests(self) -> bool:
        if self._core.has_ended or self._core.aborting is not None or self._prompts:
            return False
        if self._stopped is not None:
            open_steps = self._core.steps.open()
            return all(step.state == "asked" or step.started.step in self._given_up for step in open_steps)
        return self._core.is_resting

    def _left(self) -> Left:
        if self._stopped is not None:
            kind = Unreachable if self._stopped.why == "unreachable" else BudgetExceeded
            return Left(kind(f"run {self._run} was stopped: {self._stopped.reason}"))
        reason = waits_for(self._core.steps.asked())
        return Left(WaitingForPerson(f"run {self._run} {reason}"), RunInterrupted(reason=reason, why="person"))
