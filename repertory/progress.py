"""What is going on in a run, as a pure fold over its events: who does what, and what it has cost so far.

`repertory/live.py` draws it while the run goes on; `runs show` draws the last one of a run that has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from runtime.events import (
    AgentName,
    AgentSlept,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    RunForked,
    RunStarted,
    StepCompleted,
    StepStarted,
)

Value = TypeVar("Value")

_VERBS = {
    "model": "asks the model",
    "tool": "calls",
    "retrieval": "searches",
    "memory": "remembers in",
    "question": "asks the person",
    "clock": "reads the clock",
    "timer": "waits",
    "random": "draws a number",
}


@dataclass(frozen=True)
class OpenStep:
    """A step that has started and not completed."""

    step: str
    agent: str
    kind: str
    name: str

    @property
    def words(self) -> str:
        """`calls ticket_availability`."""
        verb = _VERBS.get(self.kind, self.kind)
        return verb if self.kind in ("model", "question") else f"{verb} {self.name}"


@dataclass(frozen=True)
class AgentProgress:
    """One agent so far."""

    name: str
    deliveries: int = 0
    """Messages that it was given."""
    at_work: int = 0
    """How many of them it has not finished."""
    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    failures: int = 0
    """Steps and deliveries that failed."""
    last: str = ""
    """The last thing that it finished."""
    is_asleep: bool = False
    """Whether it was saved and dropped until its next message."""


@dataclass(frozen=True)
class Progress:
    """A run so far."""

    name: str = ""
    """The scenario's name."""
    started_at: float = 0.0
    last_at: float = 0.0
    """When the last event was taken, in seconds since 1970 (UTC)."""
    events: int = 0
    agents: Mapping[str, AgentProgress] = field(default_factory=dict[str, AgentProgress])
    """By name, in the order in which they first got something to do."""
    open_steps: Mapping[str, OpenStep] = field(default_factory=dict[str, OpenStep])
    deliveries: Mapping[str, str] = field(default_factory=dict[str, str])
    """The agent of each delivery that has not completed."""

    @property
    def elapsed_s(self) -> float:
        """Seconds from the first event to the last."""
        return max(0.0, self.last_at - self.started_at)

    def total(self, what: str) -> int:
        """The sum of one of the counts over all agents."""
        return sum(int(getattr(agent, what)) for agent in self.agents.values())

    def doing(self, agent: str) -> str:
        """What an agent is at: its open steps, or that it thinks, rests or sleeps."""
        steps = [step.words for step in self.open_steps.values() if step.agent == agent]
        if steps:
            return ", ".join(dict.fromkeys(steps))
        if self.agents[agent].is_asleep:
            return "asleep"
        return "at work" if self.agents[agent].at_work else ""


def progress_of(events: Iterable[AnyEvent]) -> Progress:
    """How far a run is after these events."""
    progress = Progress()
    for event in events:
        progress = advanced(progress, event)
    return progress


def advanced(progress: Progress, event: AnyEvent) -> Progress:
    """How far the run is after one more event; events that the view does not show only move the time."""
    progress = replace(
        progress,
        started_at=progress.started_at or event.at,
        last_at=max(progress.last_at, event.at),
        events=event.seq,
    )
    match event:
        case RunStarted():
            return replace(progress, name=event.name)
        case RunForked():
            return _forked(progress, event)
        case DeliveryStarted():
            return _delivery_started(progress, event)
        case DeliveryCompleted():
            return _delivery_completed(progress, event)
        case AgentSlept():
            return _with(progress, replace(_agent(progress, event.agent), is_asleep=True))
        case StepStarted():
            return _step_started(progress, event)
        case StepCompleted():
            return _step_completed(progress, event)
        case _:
            return progress


def _forked(progress: Progress, event: RunForked) -> Progress:
    """What came before was paid for by another run."""
    agents = {
        name: replace(agent, model_calls=0, tool_calls=0, input_tokens=0, output_tokens=0, failures=0)
        for name, agent in progress.agents.items()
    }
    return replace(progress, name=event.name, agents=agents, started_at=event.at)


def _delivery_started(progress: Progress, event: DeliveryStarted) -> Progress:
    agent = _agent(progress, event.agent)
    progress = replace(progress, deliveries={**progress.deliveries, event.delivery: agent.name})
    begun = replace(agent, deliveries=agent.deliveries + 1, at_work=agent.at_work + 1, is_asleep=False)
    return _with(progress, begun)


def _delivery_completed(progress: Progress, event: DeliveryCompleted) -> Progress:
    agent = _agent(progress, event.agent)
    failed = event.failure is not None
    progress = replace(progress, deliveries=_without(progress.deliveries, event.delivery))
    return _with(progress, replace(agent, at_work=max(0, agent.at_work - 1), failures=agent.failures + failed))


def _step_started(progress: Progress, event: StepStarted) -> Progress:
    agent = progress.deliveries.get(event.delivery, "")
    step = OpenStep(event.step, agent, event.kind, event.name)
    return replace(progress, open_steps={**progress.open_steps, event.step: step})


def _step_completed(progress: Progress, event: StepCompleted) -> Progress:
    step = progress.open_steps.get(event.step)
    if step is None:
        return progress
    progress = replace(progress, open_steps=_without(progress.open_steps, event.step))
    agent = progress.agents.get(step.agent)
    if agent is None:
        return progress
    failed = event.failure is not None
    if event.origin != "live":
        return _with(progress, replace(agent, last=f"{step.words} ({event.origin})"))
    seconds = max(0.0, event.ended_at - event.started_at)
    counted = replace(
        agent,
        model_calls=agent.model_calls + (step.kind == "model"),
        tool_calls=agent.tool_calls + (step.kind == "tool"),
        input_tokens=agent.input_tokens + event.usage.get("input_tokens", 0),
        output_tokens=agent.output_tokens + event.usage.get("output_tokens", 0),
        failures=agent.failures + failed,
        last=f"{step.words} ({'failed, ' if failed else ''}{seconds:.1f} s)",
    )
    return _with(progress, counted)


def _agent(progress: Progress, name: AgentName) -> AgentProgress:
    shown = label(name)
    return progress.agents.get(shown, AgentProgress(shown))


def label(name: AgentName) -> str:
    """An agent's name for people: without the key where that is the usual one."""
    return name.type if name.key == "default" else f"{name.type} {name.key}"


def _with(progress: Progress, agent: AgentProgress) -> Progress:
    return replace(progress, agents={**progress.agents, agent.name: agent})


def _without(mapping: Mapping[str, Value], key: str) -> Mapping[str, Value]:
    return {name: value for name, value in mapping.items() if name != key}
