"""What a run is made of: a specification that travels as plain Json, and the team that a builder makes of it.

Every process that hosts agents of a run builds the team from the same specification, so a specification is all that
must be kept to perform, recover or replay a run. The engine knows agents only by the small protocol in here; what they
are made of (autogen-core's agents, say) is an adapter's business.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, Protocol, cast, runtime_checkable

from runtime.budget import Budget
from runtime.codec import Json
from runtime.errors import UsageError
from runtime.events import AgentName, Topic
from runtime.routing import AgentPolicy, Routes, Subscription

Ask = Callable[[str], Awaitable[str | None]]
"""Asks the person at the terminal; None when there is nobody."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message as an agent gets it."""

    message: str
    """Its id."""
    sender: AgentName | None
    topic: Topic | None
    payload: bytes
    """`{"type": …, "data": …}`, canonical."""
    cancelled: CancelSignal


class CancelSignal:
    """Tells a handler that its sender gave up waiting; set at most once."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []
        self.is_set = False

    def listen(self, callback: Callable[[], None]) -> None:
        """Calls back when it is set, at once if it is already."""
        if self.is_set:
            callback()
        else:
            self._listeners.append(callback)

    def set(self) -> None:
        """Calls every listener, in the order in which they came."""
        if not self.is_set:
            self.is_set = True
            for callback in self._listeners:
                callback()


class Agent(Protocol):
    """What the engine asks of an agent."""

    async def receive(self, incoming: Incoming) -> bytes:
        """Handles a message; returns the response's payload. Reaches the world through `runtime.steps.current` only."""
        ...


@runtime_checkable
class Savable(Protocol):
    """An agent that can be put to sleep: all that it keeps from one message to the next is in what it saves."""

    async def save(self) -> bytes:
        """Its state, canonical; changes nothing and asks for no step."""
        ...

    async def load(self, state: bytes) -> None:
        """Puts an agent that was just made into a saved state."""
        ...


@lru_cache(maxsize=256)
def is_savable(cls: type[Agent]) -> bool:
    """Whether the agents of a class are `Savable`; to ask that of each agent takes longer than many steps."""
    return issubclass(cls, Savable)


AgentFactory = Callable[[AgentName], Awaitable[Agent]]


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent type: how its agents are made, and what the sequencer must know of it."""

    factory: AgentFactory
    policy: AgentPolicy = field(default_factory=AgentPolicy)


@dataclass(frozen=True, slots=True)
class Rest:
    """When an agent that can be saved is put to sleep, once it has nothing to do."""

    idle_s: float = 60.0
    """After so many seconds in which it was told nothing."""
    deliveries: int = 100
    """At once, when it has had so many deliveries since it was made or woken: so few are done again in a recovery."""


@dataclass(frozen=True, slots=True)
class Team:
    """All agent types of a run, their subscriptions, how much they may use together, and when they sleep."""

    agents: Mapping[str, AgentSpec]
    subscriptions: tuple[Subscription, ...] = ()
    budget: Budget = field(default_factory=Budget)
    rest: Rest = field(default_factory=Rest)

    def routes(self) -> Routes:
        """The part of it that the sequencer decides on."""
        return Routes({name: spec.policy for name, spec in self.agents.items()}, self.subscriptions, self.budget)


@dataclass(frozen=True, slots=True)
class TeamSpec:
    """A team as plain facts."""

    name: str
    """The scenario's name."""
    builder: str
    """`module:function` that makes a `Team` of `config` and `Resources`."""
    config: Mapping[str, Json]
    """What the builder needs; never a secret."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What a process offers to the builder that is not part of the specification."""

    run: str
    """The run's id."""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """API keys by name; in memory only."""
    ask: Ask | None = None
    """How to reach a person, in the process that drives the run."""
    engine: Literal["local", "ray", "replay"] = "local"
    """Whether agents of the run share this process or a Ray cluster; in a replay no model, tool, memory or blackboard
    is ever asked, so none has to be there."""
    addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    """See `runtime.performance.Performance`."""
    keyed_as: str = ""
    """The run that the keys of effects name, where it is not this one: see `effects_run`."""

    @property
    def effects_run(self) -> str:
        """The run that the keys of effects name; the same for all performances of a chaos run, which are compared."""
        return self.keyed_as or self.run


class Builder(Protocol):
    """Makes a team."""

    def __call__(self, config: Mapping[str, Json], resources: Resources) -> Team:
        """The team for this specification, with its models, tools and memories already wrapped as steps."""
        ...


def find_builder(name: str) -> Builder:
    """The function that `module:function` names.

    Raises:
        UsageError: when there is no such module or function.
    """
    module, _, function = name.partition(":")
    try:
        return cast(Builder, getattr(importlib.import_module(module), function))
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the run's team is built by {name!r}, which cannot be imported here: {error}") from error
