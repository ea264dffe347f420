"""The runtime that an agent on a host sees: whatever it asks of it is done by the driver's, where the record is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autogen_core import (
    Agent,
    AgentId,
    AgentMetadata,
    AgentRuntime,
    AgentType,
    CancellationToken,
    MessageSerializer,
    Subscription,
    TopicId,
)

from runtime.autogen_cluster.errors import LivesElsewhere
from runtime.autogen_cluster.freight import pack
from runtime.autogen_cluster.line import Line
from runtime.autogen_cluster.pace import Pace
from runtime.autogen_local.mail import Here, here
from runtime.errors import UsageError
from runtime.letters import agent_type_name

Origin = tuple[str, int, int]
"""Whose handler sends: the delivery, the runtime's generation in which it began, and how many messages it had sent."""


@dataclass(slots=True)
class HereOnHost(Here):
    """Whose handler runs on a host."""

    pace: Pace = field(default_factory=Pace)


class HostRuntime(AgentRuntime):
    """Passes on what agents of a host ask for, over the line to the driver."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._pace = Pace()
        """Of what is sent outside of handlers."""

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Sends and awaits the response, as `RayAgentRuntime.send_message` does and with what it raises.

        Raises:
            CannotTravel: also when the message has no bytes.
        """
        token = cancellation_token or CancellationToken()
        answer = await self._begun("send", (message, recipient, sender, message_id), token)
        token.link_future(answer)
        return await answer

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publishes; returns when the driver has it, which is before anyone has handled it."""
        token = cancellation_token or CancellationToken()
        await (await self._begun("publish", (message, topic_id, sender, message_id), token))

    async def _begun(self, verb: str, arguments: tuple[Any, ...], token: CancellationToken) -> asyncio.Future[Any]:
        """Hands a message to the line, when there is room for it; messages of one handler in their order."""
        found = here.get()
        origin = found if isinstance(found, HereOnHost) and found.runtime is self else None
        pace = self._pace if origin is None else origin.pace
        await pace.room(lambda: self._line.call("room", _cause(origin)))
        body = pack((*arguments, _cause(origin)))
        if origin is not None:
            origin.sent += 1
        pace.count(len(body))
        return self._line.call_packed(verb, body, token)

    async def _ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        return await self._line.call("ask", method, arguments, options)

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """The id of an agent; made at once unless `lazy`."""
        own = id_or_type if isinstance(id_or_type, AgentId) else AgentId(agent_type_name(id_or_type), key)
        if not lazy:
            await self._ask("get", own, lazy=False)
        return own

    async def register_factory(
        self,
        type: str | AgentType,
        agent_factory: Callable[[], Any],
        *,
        expected_class: type[Any] | None = None,
    ) -> AgentType:
        """Registers an agent type with the driver, to which the factory travels."""
        await self._ask("register_factory", type, agent_factory, expected_class=expected_class)
        return AgentType(agent_type_name(type))

    async def register_agent_instance(self, agent_instance: Agent, agent_id: AgentId) -> AgentId:
        """Refused: an instance belongs to its process, and what it is told would not reach this one.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"agent {agent_id} exists on a host already; register a factory for it, or do it in the driver"
        )

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[Any] = Agent) -> Any:
        """Refused: agents talk through messages.

        Raises:
            LivesElsewhere: always.
        """
        raise LivesElsewhere(f"agent {id} was asked for by an agent on a host; send it a message instead")

    async def add_subscription(self, subscription: Subscription) -> None:
        """Adds a subscription."""
        await self._ask("add_subscription", subscription)

    async def remove_subscription(self, id: str) -> None:
        """Removes a subscription."""
        await self._ask("remove_subscription", id)

    def add_message_serializer(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Registers more message types for the record, which the driver writes."""
        self._line.tell("ask", "add_message_serializer", (serializer,), {})

    async def save_state(self) -> Mapping[str, Any]:
        """The states of all agents that have been made."""
        state: Mapping[str, Any] = await self._ask("save_state")
        return state

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Gives agents their states."""
        await self._ask("load_state", state)

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """What an agent says of itself."""
        metadata: AgentMetadata = await self._ask("agent_metadata", agent)
        return metadata

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """The state of one agent."""
        state: Mapping[str, Any] = await self._ask("agent_save_state", agent)
        return state

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Gives one agent its state."""
        await self._ask("agent_load_state", agent, state)


def _cause(here: Here | None) -> Origin | None:
    return None if here is None else (here.delivery, here.generation, here.sent)
