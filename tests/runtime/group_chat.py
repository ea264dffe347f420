"""An AgentChat group chat whose participants write down what they are shown, on three ways of carrying messages."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseChatMessage, MessageFactory, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.teams._group_chat._chat_agent_container import ChatAgentContainer
from autogen_agentchat.teams._group_chat._events import GroupChatAgentResponse, GroupChatMessage, GroupChatStart
from autogen_agentchat.teams._group_chat._round_robin_group_chat import RoundRobinGroupChatManager
from autogen_core import AgentId, CancellationToken, MessageContext, SingleThreadedAgentRuntime, TopicId
from autogen_core._message_handler_context import MessageHandlerContext
from autogen_core._serialization import JSON_DATA_CONTENT_TYPE, MessageSerializer

from runtime.autogen import TeamBuilder
from runtime.codec import Json, canonical, parse
from runtime.routing import Subscription
from runtime.team import Resources, Team

NAMES: tuple[str, ...] = ("ada", "bob", "cyd")
TURNS = 7
TASK = "Plan a day"
MANAGER = "manager"

Histories = dict[str, list[str]]
"""What each participant has been shown, in its order."""

HISTORIES: dict[str, Histories] = {}
"""By run, where hosts of this process have made the participants."""

FACTORY = MessageFactory()


def chat_message(data: Any) -> BaseChatMessage:
    """A message that was dumped."""
    made = FACTORY.create(data)
    assert isinstance(made, BaseChatMessage)
    return made


class Listener(BaseChatAgent):
    """Says how much it has heard and what came last, so that whatever it misses changes the talk."""

    def __init__(self, name: str, histories: Histories) -> None:
        super().__init__(name, "Listens")
        self._heard = histories.setdefault(name, [])

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self._heard += [f"{message.source}: {message.to_text()}" for message in messages]
        text = (
            f"I have heard {len(self._heard)}, at last from {self._heard[-1].partition(':')[0] if self._heard else ''}"
        )
        return Response(chat_message=TextMessage(content=text, source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self._heard.clear()


async def shown_by(runtime: SingleThreadedAgentRuntime) -> Histories:
    """What the participants are shown when the chat is carried by a runtime of autogen-core's kind."""
    histories: Histories = {}
    team = RoundRobinGroupChat([Listener(name, histories) for name in NAMES], max_turns=TURNS, runtime=runtime)
    runtime.start()
    await team.run(task=TASK)
    await runtime.stop_when_idle()
    return histories


class PlainLinks(SingleThreadedAgentRuntime):
    """Carries each publish over a link for each pair of agents: in order on a link, and each as late as it likes."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._links: dict[tuple[AgentId | None, AgentId], asyncio.Lock] = {}
        self._carrying: set[asyncio.Task[None]] = set()

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        context = MessageContext(sender, topic_id, False, cancellation_token or CancellationToken(), message_id or "")
        for recipient in await self._subscription_manager.get_subscribed_recipients(topic_id):
            if recipient != sender:
                task = asyncio.create_task(self._carry(message, recipient, context))
                self._carrying.add(task)
                task.add_done_callback(self._carrying.discard)

    async def _carry(self, message: Any, recipient: AgentId, context: MessageContext) -> None:
        async with self._links.setdefault((context.sender, recipient), asyncio.Lock()):
            await turns(self._random.randrange(40))
            agent = await self._get_agent(recipient)
            with MessageHandlerContext.populate_context(recipient):
                await agent.on_message(message, context)


async def turns(count: int) -> None:
    """Lets everything else go on for so many turns of the event loop."""
    for _ in range(count):
        await asyncio.sleep(0)


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """The same chat as a team of this engine."""
    histories = HISTORIES.setdefault(resources.run, {})
    builder = TeamBuilder()
    builder.letters.add(_serializers())

    def container(name: str) -> Callable[[], ChatAgentContainer]:
        return lambda: ChatAgentContainer("group", "output", Listener(name, histories), FACTORY)

    def manager() -> RoundRobinGroupChatManager:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        names, said = list(NAMES), ["Listens"] * len(NAMES)
        return RoundRobinGroupChatManager(
            MANAGER, "group", "output", names, names, said, queue, None, TURNS, FACTORY, False
        )

    for name in NAMES:
        builder.add(name, ChatAgentContainer, container(name))
    builder.add(MANAGER, RoundRobinGroupChatManager, manager)
    builder.letters.add(_serializers())
    listening = [Subscription(topic, name) for name in NAMES for topic in (name, "group")]
    listening += [Subscription(topic, MANAGER) for topic in (MANAGER, "group", "output")]
    team = builder.team()
    return replace(team, subscriptions=(*team.subscriptions, *listening))


def first_message() -> bytes:
    """What starts the chat."""
    builder = TeamBuilder()
    builder.letters.add(_serializers())
    return builder.letters.encode(GroupChatStart(messages=[TextMessage(content=TASK, source="user")]))


@dataclass(frozen=True)
class _Events(MessageSerializer[Any]):
    """AgentChat's events hold messages of abstract classes, which pydantic writes and cannot read."""

    cls: type
    dump: Callable[[Any], Json]
    load: Callable[[Any], Any]

    @property
    def data_content_type(self) -> str:
        return JSON_DATA_CONTENT_TYPE

    @property
    def type_name(self) -> str:
        return self.cls.__name__

    def deserialize(self, payload: bytes) -> Any:
        return self.load(parse(payload))

    def serialize(self, message: Any) -> bytes:
        return canonical(self.dump(message))


def _serializers() -> list[MessageSerializer[Any]]:
    def dump(message: Any) -> Json:
        return cast(Json, message.model_dump(mode="json"))

    return [
        _Events(
            GroupChatStart,
            lambda event: [dump(message) for message in event.messages],
            lambda data: GroupChatStart(messages=[chat_message(message) for message in data]),
        ),
        _Events(
            GroupChatAgentResponse,
            lambda event: {"name": event.name, "message": dump(event.response.chat_message)},
            lambda data: GroupChatAgentResponse(
                name=data["name"], response=Response(chat_message=chat_message(data["message"]))
            ),
        ),
        _Events(
            GroupChatMessage,
            lambda event: dump(event.message),
            lambda data: GroupChatMessage(message=FACTORY.create(data)),
        ),
    ]
