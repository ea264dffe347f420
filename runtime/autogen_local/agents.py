"""The agents of a `RayAgentRuntime` in the calling process: their factories, and each agent made once.

An agent is made at its first message. Whoever comes while its factory still runs waits for the same agent; a factory
that fails fails for all who wait, and is tried again for the next one.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from autogen_core import Agent, AgentId, AgentInstantiationContext, AgentRuntime
from autogen_core.logging import AgentConstructionExceptionEvent

from runtime.autogen_local.errors import RegistrationError, UnknownAgent, UnregisteredInstance

AnyFactory = Callable[..., Agent | Awaitable[Agent]]

log = logging.getLogger("autogen_core")
events = logging.getLogger("autogen_core.events")


class Elsewhere(Protocol):
    """Other processes in which agents may live."""

    def consider(self, agent_type: str, factory: AnyFactory, expected: type[Any] | None) -> None:
        """Decides whether agents of a type may live there."""
        ...

    def keep(self, agent_type: str, why: str) -> None:
        """Agents of a type stay in this process."""
        ...

    async def make(self, agent_id: AgentId) -> Agent | None:
        """Makes an agent there and returns what stands for it here; None where its type stays."""
        ...


class Agents:
    """Agent types and the agents that were made of them."""

    def __init__(self, runtime: AgentRuntime, elsewhere: Elsewhere | None = None) -> None:
        self._runtime = runtime
        self._elsewhere = elsewhere
        self._factories: dict[str, tuple[AnyFactory, type[Any] | None]] = {}
        self._instance_types: dict[str, type[Agent]] = {}
        self._made: dict[AgentId, Agent] = {}
        self._being_made: dict[AgentId, asyncio.Future[Agent]] = {}

    @property
    def types(self) -> tuple[str, ...]:
        """All agent types, in the order of their registration."""
        return (*self._factories, *self._instance_types)

    def made(self) -> Mapping[AgentId, Agent]:
        """The agents that have been made."""
        return dict(self._made)

    def add_factory(self, agent_type: str, factory: AnyFactory, expected_class: type[Any] | None) -> None:
        """Registers a type by its factory.

        Raises:
            RegistrationError: when the type is registered already.
        """
        if agent_type in self.types:
            raise RegistrationError(f"an agent type {agent_type!r} is registered already; choose another name")
        self._factories[agent_type] = (factory, expected_class)
        if self._elsewhere is not None:
            self._elsewhere.consider(agent_type, factory, expected_class)

    async def add_instance(self, agent: Agent, agent_id: AgentId) -> None:
        """Registers an agent that exists already.

        Raises:
            RegistrationError: when the id is taken, or its type is one of a factory or of another class.
        """
        if agent_id in self._made:
            raise RegistrationError(f"an agent {agent_id} is registered already; choose another key")
        if agent_id.type in self._factories:
            raise RegistrationError(f"agent type {agent_id.type!r} has a factory; an instance cannot be added to it")
        known = self._instance_types.setdefault(agent_id.type, type(agent))
        if known is not type(agent):
            raise RegistrationError(
                f"agents of type {agent_id.type!r} are {known.__name__}, not {type(agent).__name__}"
            )
        if self._elsewhere is not None:
            self._elsewhere.keep(
                agent_id.type, f"a {known.__name__} was registered that exists in this process already"
            )
        await agent.bind_id_and_runtime(id=agent_id, runtime=self._runtime)
        self._made[agent_id] = agent

    async def get(self, agent_id: AgentId) -> Agent:
        """The agent, made now if it is new.

        Raises:
            UnknownAgent: when its type is not registered.
            UnregisteredInstance: when its type has instances only, and none of this key.
            Exception: what the factory raised.
        """
        if (agent := self._made.get(agent_id)) is not None:
            return agent
        if (pending := self._being_made.get(agent_id)) is not None:
            return await asyncio.shield(pending)
        pending = self._being_made[agent_id] = asyncio.get_running_loop().create_future()
        try:
            agent = self._made[agent_id] = await self._make(agent_id)
            pending.set_result(agent)
            return agent
        except BaseException as error:
            pending.set_exception(error)
            pending.exception()  # whoever waits gets it; nobody may wait
            raise
        finally:
            del self._being_made[agent_id]

    async def _make(self, agent_id: AgentId) -> Agent:
        factory, expected = self._factory(agent_id)
        with AgentInstantiationContext.populate_context((self._runtime, agent_id)):
            try:
                if self._elsewhere is not None and (agent := await self._elsewhere.make(agent_id)) is not None:
                    return agent
                made = factory(*self._arguments(factory, agent_id))
                agent = await made if inspect.isawaitable(made) else made
                if not (hasattr(agent, "on_message") if expected is None else isinstance(agent, expected)):
                    raise RegistrationError(
                        f"the factory of agent type {agent_id.type!r} made a {type(agent).__name__}, "
                        f"not the {(expected or Agent).__name__} that it was registered for"
                    )
                return agent
            except BaseException as error:
                events.info(AgentConstructionExceptionEvent(agent_id=agent_id, exception=error))
                log.error("Error constructing agent %s", agent_id, exc_info=True)
                raise

    def _factory(self, agent_id: AgentId) -> tuple[AnyFactory, type[Any] | None]:
        if agent_id.type in self._instance_types:
            raise UnregisteredInstance(
                f"there is no agent {agent_id}: its type has registered instances only. Register it, or, if the "
                "default topic was to reach another one, register that without skipping its class subscriptions"
            )
        if agent_id.type not in self._factories:
            known = ", ".join(sorted(self.types)) or "none"
            raise UnknownAgent(f"there is no agent type {agent_id.type!r}; registered are: {known}")
        return self._factories[agent_id.type]

    def _arguments(self, factory: AnyFactory, agent_id: AgentId) -> tuple[Any, ...]:
        parameters = inspect.signature(factory).parameters.values()
        count = sum(parameter.default is parameter.empty for parameter in parameters)
        if count not in (0, 2):
            raise RegistrationError(
                f"the factory of agent type {agent_id.type!r} needs {count} arguments; expected none"
            )
        if count == 2:
            warnings.warn("a factory with two arguments is deprecated; use AgentInstantiationContext", stacklevel=2)
        return (self._runtime, agent_id) if count else ()
