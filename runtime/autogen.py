"""The adapter for autogen-core's agents: they run on this engine unchanged; the engine below does not know them.

An agent's code sees autogen-core's own interfaces: its messages arrive through `on_message`, and what it sends or
publishes goes through an `AgentRuntime` that passes it to the delivery that runs. First version: agents are made by the
team's builder; what an agent could ask of a whole runtime (registering others, saving all state) is refused by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import getmembers, isawaitable
from typing import Any, cast

from autogen_core import (
    Agent as AutoGenAgent,
)
from autogen_core import (
    AgentId,
    AgentInstantiationContext,
    AgentMetadata,
    AgentRuntime,
    AgentType,
    BaseAgent,
    CancellationToken,
    MessageContext,
    MessageSerializer,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
)
from autogen_core import Subscription as AutoGenSubscription
from autogen_core._message_handler_context import MessageHandlerContext
from autogen_core._subscription_context import SubscriptionInstantiationContext

from runtime import steps
from runtime.autogen_local.runtime import RayAgentRuntime as RayAgentRuntime
from runtime.codec import Json, canonical, parse
from runtime.errors import UsageError
from runtime.events import AgentName, Topic
from runtime.hosting.delivery import Delivery
from runtime.letters import Letters
from runtime.routing import AgentPolicy, Subscription
from runtime.team import AgentSpec, Incoming, Team

Factory = Callable[[], BaseAgent | Awaitable[BaseAgent]]
"""Makes an agent, as autogen-core's `register` takes it."""


@dataclass(slots=True)
class TeamBuilder:
    """Gathers autogen-core agents into a `Team`; the counterpart of registering them with a runtime."""

    letters: Letters = field(default_factory=Letters)
    _agents: dict[str, AgentSpec] = field(default_factory=dict[str, AgentSpec])
    _subscriptions: list[Subscription] = field(default_factory=list[Subscription])

    def add(self, name: str, cls: type[BaseAgent], factory: Factory, policy: AgentPolicy | None = None) -> None:
        """Adds an agent type with the class's own subscriptions and message types.

        Raises:
            UsageError: when the name is taken, or a subscription is of a kind that the sequencer cannot decide on.
        """
        if name in self._agents:
            raise UsageError(f"the team has two agent types {name!r}; give one of them another name")
        for _, serializers in cls._handles_types():  # pyright: ignore[reportPrivateUsage]  # as `register` does it
            self.letters.add(serializers)
        for produced in _produced_types(cls):
            self.letters.add_type(produced)
        self._agents[name] = AgentSpec(_Maker(factory, self.letters).make, policy or AgentPolicy())
        self._subscriptions += [translated(found) for found in _subscriptions(cls, name)]

    def team(self) -> Team:
        """The team of all that was added."""
        return Team(dict(self._agents), tuple(self._subscriptions))


def _produced_types(cls: type[BaseAgent]) -> Iterator[type]:
    for _, member in getmembers(cls, lambda member: getattr(member, "is_message_handler", False)):
        yield from (found for found in member.produces_types if isinstance(found, type))


def _subscriptions(cls: type[BaseAgent], name: str) -> list[AutoGenSubscription]:
    found: list[AutoGenSubscription] = []
    with SubscriptionInstantiationContext.populate_context(AgentType(name)):
        for unbound in cls._unbound_subscriptions():  # pyright: ignore[reportPrivateUsage]  # as `register` does it
            made = unbound()
            if isawaitable(made):
                raise UsageError(f"a subscription of {cls.__name__} is made by an async function; make it a plain one")
            found += made
    return [*found, TypePrefixSubscription(topic_type_prefix=f"{name}:", agent_type=name)]


def translated(subscription: AutoGenSubscription) -> Subscription:
    """A subscription as the sequencer decides on it.

    Raises:
        UsageError: when it is of a kind that it cannot decide on.
    """
    if isinstance(subscription, TypeSubscription):
        return Subscription(subscription.topic_type, subscription.agent_type)
    if isinstance(subscription, TypePrefixSubscription):
        return Subscription(subscription.topic_type_prefix, subscription.agent_type, is_prefix=True)
    raise UsageError(
        f"a subscription of type {type(subscription).__name__} was found; "
        "the sequencer decides on TypeSubscription and TypePrefixSubscription"
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    factory: Factory
    letters: Letters

    async def make(self, name: AgentName) -> _Hosted:
        """The agent, made inside autogen-core's instantiation context."""
        own_id, runtime = AgentId(name.type, name.key), DeliveryRuntime(self.letters)
        with AgentInstantiationContext.populate_context((runtime, own_id)):
            made = self.factory()
            agent = await made if isawaitable(made) else made
        await agent.bind_id_and_runtime(own_id, runtime)
        return _Sleeping(agent, self.letters) if _is_savable(type(agent)) else _Hosted(agent, self.letters)


def _is_savable(cls: type[BaseAgent]) -> bool:
    """Whether an agent's class says itself what its state is; autogen-core's own answer is an empty one."""
    return cls.save_state is not BaseAgent.save_state and cls.load_state is not BaseAgent.load_state


@dataclass(frozen=True, slots=True)
class _Hosted:
    """An autogen-core agent as the engine sees it."""

    agent: BaseAgent
    letters: Letters

    async def receive(self, incoming: Incoming) -> bytes:
        """Hands the message to the agent's own `on_message`."""
        token = CancellationToken()
        incoming.cancelled.listen(token.cancel)
        sender, topic = incoming.sender, incoming.topic
        context = MessageContext(
            sender=None if sender is None else AgentId(sender.type, sender.key),
            topic_id=None if topic is None else TopicId(topic.type, topic.source),
            is_rpc=topic is None,
            cancellation_token=token,
            message_id=incoming.message,
        )
        message = self.letters.decode(incoming.payload)
        with MessageHandlerContext.populate_context(self.agent.id):
            response = await self.agent.on_message(message, context)
        return self.letters.encode(response if topic is None else None)


@dataclass(frozen=True, slots=True)
class _Sleeping(_Hosted):
    """An agent that says what its state is, and so can be put to sleep."""

    async def save(self) -> bytes:
        """What `save_state` says.

        Raises:
            UsageError: it is no JSON.
        """
        return canonical(cast(Json, await self.agent.save_state()))

    async def load(self, state: bytes) -> None:
        """Gives it to `load_state`."""
        await self.agent.load_state(cast(Mapping[str, Any], parse(state)))


class DeliveryRuntime(AgentRuntime):
    """The runtime that an agent sees: it passes on to the delivery that runs."""

    def __init__(self, letters: Letters) -> None:
        self._letters = letters

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Sends and awaits the response; ids are derived, a given `message_id` is not used.

        Raises:
            Undeliverable: when there is no such agent type, or its factory fails.
            Exception: what the recipient raised, with its type.
        """
        delivery = _current()
        await delivery.room()
        sent, response = delivery.send(AgentName(recipient.type, recipient.key), self._letters.encode(message), {})
        if cancellation_token is not None:
            cancellation_token.link_future(response)
        try:
            return self._letters.decode(await response)
        except asyncio.CancelledError:
            if response.cancelled():
                delivery.cancel(sent)
            raise

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publishes; returns when it is on its way, which is before anyone has handled it."""
        delivery = _current()
        await delivery.room()
        delivery.publish(Topic(topic_id.type, topic_id.source), self._letters.encode(message), {})

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """The id of an agent; it is made at its first message, whatever `lazy` says."""
        if isinstance(id_or_type, AgentId):
            return id_or_type
        return AgentId(id_or_type if isinstance(id_or_type, str) else id_or_type.type, key)

    async def register_factory(
        self,
        type: str | AgentType,
        agent_factory: Callable[[], Any],
        *,
        expected_class: type[Any] | None = None,
    ) -> AgentType:
        """Refused inside of a handler."""
        raise _refusal("register an agent type")

    async def register_agent_instance(self, agent_instance: AutoGenAgent, agent_id: AgentId) -> AgentId:
        """Refused inside of a handler."""
        raise _refusal("register an agent")

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[Any] = AutoGenAgent) -> Any:
        """Refused: agents talk through messages."""
        raise _refusal("reach into another agent")

    async def save_state(self) -> Mapping[str, Any]:
        """Refused: the journal is the state of a run."""
        raise _refusal("save the state of the whole run")

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Refused: the journal is the state of a run."""
        raise _refusal("load the state of the whole run")

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """What is known of an agent without asking it."""
        return AgentMetadata(type=agent.type, key=agent.key, description="")

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """Refused: agents talk through messages."""
        raise _refusal("save another agent's state")

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Refused: agents talk through messages."""
        raise _refusal("load another agent's state")

    async def add_subscription(self, subscription: AutoGenSubscription) -> None:
        """Refused inside of a handler."""
        raise _refusal("add a subscription")

    async def remove_subscription(self, id: str) -> None:
        """Refused inside of a handler."""
        raise _refusal("remove a subscription")

    def add_message_serializer(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Registers more message types for this process."""
        self._letters.add(serializer if isinstance(serializer, Sequence) else [serializer])


def _current() -> Delivery:
    delivery = steps.current.get()
    if not isinstance(delivery, Delivery):
        raise UsageError("an agent sent a message outside of a message handler, where nothing would record it")
    return delivery


def _refusal(what: str) -> UsageError:
    return UsageError(f"an agent tried to {what} from inside of a message handler; do it where the team is built")
