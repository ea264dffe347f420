"""Stops a replay inside of an agent's handler, with the recorded world around it.

At an agent: in the first line of each of its handlers. At a step: where the handler asks for it. The debugger is pdb,
with its steps over the engine's own frames, or whatever `breakpoint()` is by PYTHONBREAKPOINT or `sys.breakpointhook`.
"""

from __future__ import annotations

import inspect
import os
import pdb
import sys
import sysconfig
from bdb import BdbQuit
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from runtime.errors import UsageError
from runtime.events import AgentName, AnyEvent, DeliveryStarted, StepStarted
from runtime.team import Agent, AgentSpec, Incoming, Savable

_MACHINERY = ("runtime", "autogen_core", "asyncio", "contextlib")
"""Modules that a person who debugs an agent does not want to stand in."""


def is_machinery(frame: FrameType) -> bool:
    """Whether a frame is of the engine, or of what lies between it and an agent's code."""
    return str(frame.f_globals.get("__name__", "")).split(".")[0] in _MACHINERY


@dataclass(frozen=True, slots=True)
class Breakpoint:
    """Where to stop: at every delivery to an agent, or at one step."""

    agents: frozenset[AgentName] = frozenset()
    steps: frozenset[str] = frozenset()

    def is_at_agent(self, agent: AgentName) -> bool:
        """Whether deliveries to the agent stop."""
        return agent in self.agents

    def is_at_step(self, step: str) -> bool:
        """Whether the step stops."""
        return step in self.steps

    def watched(self, spec: AgentSpec) -> AgentSpec:
        """An agent type whose agents stop at each delivery."""

        async def make(name: AgentName) -> Agent:
            agent = await spec.factory(name)
            return _WatchedSavable(agent) if isinstance(agent, Savable) else _Watched(agent)

        return AgentSpec(make, spec.policy)

    def stop_in_handler(self) -> None:
        """Opens the debugger in the innermost frame that is the agent's own, and goes on as the person says.

        Raises:
            BdbQuit: when the person quits.
        """
        if not _is_plain_pdb():
            breakpoint()
            return
        frame = inspect.currentframe()
        while frame is not None and is_machinery(frame):
            frame = frame.f_back
        if frame is not None:
            _Debugger().open(frame)


def breakpoint_at(place: str, events: Sequence[AnyEvent]) -> Breakpoint:
    """The breakpoint that a person names: an agent's type, an agent as `type/key`, or the beginning of a step's id.

    Raises:
        UsageError: nothing in the run has this name; says which agents there are.
    """
    agents = {event.agent for event in events if isinstance(event, DeliveryStarted)}
    named = frozenset(agent for agent in agents if place in (agent.type, str(agent)))
    steps = frozenset(event.step for event in events if isinstance(event, StepStarted) and event.step.startswith(place))
    if named:
        return Breakpoint(agents=named)
    if place and steps:
        return Breakpoint(steps=steps)
    known = ", ".join(sorted({agent.type for agent in agents})) or "none"
    raise UsageError(
        f"--break {place!r}: the run has no such agent and no such step, expected an agent ({known}), TYPE/KEY, or the "
        "id of a step as `repertory runs events` shows it"
    )


@dataclass(frozen=True, slots=True)
class _Watched:
    """An agent that stops before each message."""

    agent: Agent

    async def receive(self, incoming: Incoming) -> bytes:
        if _is_plain_pdb():
            _Debugger().set_trace(inspect.currentframe())
        else:
            breakpoint()
        return await self.agent.receive(incoming)


@dataclass(frozen=True, slots=True)
class _WatchedSavable(_Watched):
    """The same of one that can sleep."""

    async def save(self) -> bytes:
        assert isinstance(self.agent, Savable)
        return await self.agent.save()

    async def load(self, state: bytes) -> None:
        assert isinstance(self.agent, Savable)
        await self.agent.load(state)


def _is_plain_pdb() -> bool:
    return not os.environ.get("PYTHONBREAKPOINT") and sys.breakpointhook is sys.__breakpointhook__


def _is_library(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return "/site-packages/" in file or file.startswith(("<frozen", sysconfig.get_path("stdlib")))


class _Debugger(pdb.Pdb):
    """pdb that steps over the engine and libraries; a breakpoint that is set there holds all the same."""

    def __init__(self) -> None:
        super().__init__(nosigint=True)
        self.prompt = "(replay) "

    def stop_here(self, frame: FrameType) -> bool:
        """Whether a step ends in a frame: not in one of the engine or of an installed library."""
        return not is_machinery(frame) and not _is_library(frame) and super().stop_here(frame)

    def open(self, frame: FrameType) -> None:
        """Talks to the person at once, in this frame, then traces on where asked to.

        Raises:
            BdbQuit: when the person quits.
        """
        self.reset()
        outer: FrameType | None = frame
        while outer is not None:
            outer.f_trace = self.trace_dispatch
            self.botframe = outer
            outer = outer.f_back
        self.interaction(frame, None)
        if self.quitting:
            raise BdbQuit
        if self.stopframe is not self.botframe or self.breaks:
            sys.settrace(self.trace_dispatch)
