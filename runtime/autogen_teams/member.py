"""An agent of an AgentChat team on the engine: its manager or one of its participants, and the runtime that it sees.

A cancellation token spans all that comes of a task, through many agents. It is therefore a name that travels with the
messages; cancelling it is a message to every agent of the team, on record like any other.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, cast

from autogen_agentchat.conditions import ExternalTermination
from autogen_agentchat.messages import StopMessage
from autogen_agentchat.teams._group_chat import _events as events
from autogen_core import AgentId, BaseAgent, CancellationToken, MessageContext, TopicId
from autogen_core._message_handler_context import MessageHandlerContext

from runtime import steps
from runtime.autogen import DeliveryRuntime
from runtime.autogen_teams.asked import Asked, StateAsked, StateGiven, TerminationSet, TokenCancelled
from runtime.autogen_teams.graph import parts
from runtime.autogen_teams.letters import ChatLetters
from runtime.codec import Json, canonical, parse
from runtime.events import AgentName, Topic
from runtime.hosting.delivery import Delivery
from runtime.team import Incoming

FRONT = "the-team"
"""The agent that stands for the whole team; no participant can have this name, which is no identifier."""

KEY = "default"
"""The key of all agents of a team."""

CANCELLED = Topic("cancelled", KEY)
"""Where it is told that a token is cancelled; every agent of a team listens."""


class Tokens:
    """The cancellation tokens that an agent has met, by their names."""

    def __init__(self) -> None:
        self._tokens: dict[str, CancellationToken] = {}
        self._names: weakref.WeakKeyDictionary[CancellationToken, str] = weakref.WeakKeyDictionary()

    def named(self, name: str) -> CancellationToken:
        """The token of this name here."""
        token = self._tokens.get(name)
        if token is None:
            token = self._tokens[name] = CancellationToken()
            self._names[token] = name
        return token

    def name(self, token: CancellationToken | None) -> str | None:
        """The name of a token that came with a message; None for one that was made here."""
        return None if token is None else self._names.get(token)

    def forget(self, name: str) -> None:
        """Nothing comes with this token any more."""
        self._tokens.pop(name, None)


class MemberRuntime(DeliveryRuntime):
    """The runtime that an agent of a team sees."""

    def __init__(self, letters: ChatLetters, tokens: Tokens) -> None:
        super().__init__(letters)
        self._tokens = tokens

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Sends and awaits the response; cancelling the token cancels the wait, and reaches the recipient by its name.

        Raises:
            Exception: what the recipient raised, with its type.
        """
        payload = self._written(message, cancellation_token)
        _, response = _delivery().send(AgentName(recipient.type, recipient.key), payload, {})
        if cancellation_token is not None:
            cancellation_token.link_future(response)
        return self._letters.decode(await response)

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publishes; the token goes along."""
        payload = self._written(message, cancellation_token)
        _delivery().publish(Topic(topic_id.type, topic_id.source), payload, {})

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """Asks another agent of the team for its state."""
        return cast(Mapping[str, Any], await self.send_message(StateAsked(), agent))

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Gives another agent of the team its state."""
        await self.send_message(StateGiven(state=state), agent)

    def cancel(self, token: str) -> None:
        """Tells everyone that a token is cancelled."""
        _delivery().publish(CANCELLED, self._letters.encode(TokenCancelled(token=token)), {})

    def _written(self, message: Any, token: CancellationToken | None) -> bytes:
        body, name = self._letters.encode(message), self._tokens.name(token)
        if name is None:
            return body
        return canonical({**cast("dict[str, Json]", parse(body)), "token": name})


class Outlet:
    """What a team's manager takes for the team's queue: what it puts goes to the team's front."""

    def __init__(self, letters: ChatLetters) -> None:
        self._letters = letters

    async def put(self, said: Any) -> None:
        """Sends it to the front."""
        put_out(self._letters, said)


def put_out(letters: ChatLetters, said: Any) -> None:
    """Sends what the team says, or how it ends, to its front."""
    message = said if isinstance(said, events.GroupChatTermination) else events.GroupChatMessage(message=said)
    _delivery().publish(Topic(FRONT, KEY), letters.encode(message), {})


class Member:
    """An agent of a team as the engine sees it."""

    def __init__(self, agent: BaseAgent, letters: ChatLetters, tokens: Tokens) -> None:
        self.agent = agent
        self._letters = letters
        self._tokens = tokens

    async def receive(self, incoming: Incoming) -> bytes:
        """Hands the message to the agent; an event that it fails at ends the team's task, as it does in AutoGen."""
        message = self._letters.decode(incoming.payload)
        if isinstance(message, events.GroupChatStart):
            _nobody_speaks(self.agent)
        try:
            answer = await self._answer(message, incoming)
        except Exception as error:
            if incoming.topic is not None and not _tells_by_itself(message):
                put_out(self._letters, stopped_by(error))
            raise
        return self._letters.encode(answer)

    async def _answer(self, message: Any, incoming: Incoming) -> Any:
        match message:
            case StateAsked():
                return dict(await self.agent.save_state())
            case StateGiven(state=state):
                await self.agent.load_state(state)
            case TokenCancelled(token=name):
                self._tokens.named(name).cancel()
            case TerminationSet(number=number):
                set_termination(getattr(self.agent, "_termination_condition", None), number)
            case Asked():
                raise TypeError(f"a {type(message).__name__} is for the team and not for {self.agent.id}")
            case _:
                return await self._handled(message, incoming)
        return None

    async def _handled(self, message: Any, incoming: Incoming) -> Any:
        body = cast("dict[str, Json]", parse(incoming.payload))
        sender, topic, name = incoming.sender, incoming.topic, body.get("token")
        context = MessageContext(
            sender=None if sender is None else AgentId(sender.type, sender.key),
            topic_id=None if topic is None else TopicId(topic.type, topic.source),
            is_rpc=topic is None,
            cancellation_token=self._tokens.named(name) if isinstance(name, str) else CancellationToken(),
            message_id=incoming.message,
        )
        with MessageHandlerContext.populate_context(self.agent.id):
            answer = await self.agent.on_message(message, context)
        return answer if topic is None else None


class Unmade:
    """Stands for an agent that could not be made: whatever it is told fails, and the team hears of it."""

    def __init__(self, error: Exception, letters: ChatLetters) -> None:
        self._error = error
        self._letters = letters

    async def receive(self, incoming: Incoming) -> bytes:
        """Fails.

        Raises:
            Exception: what the agent's factory raised.
        """
        if incoming.topic is not None and incoming.topic != CANCELLED:
            put_out(self._letters, stopped_by(self._error))
        raise self._error


def set_termination(condition: Any, number: int) -> None:
    """Sets the external termination of this number."""
    found = externals(condition)
    if number < len(found):
        ExternalTermination.set(found[number])


def externals(condition: Any) -> list[ExternalTermination]:
    """The external terminations in a condition, in order."""
    if condition is None:
        return []
    return [part.value for part in parts(condition) if isinstance(part.value, ExternalTermination)]


def _nobody_speaks(agent: Any) -> None:
    """Where a task begins: a manager goes on waiting for whoever failed or was cancelled in the task before."""
    speakers: list[str] | None = getattr(agent, "_active_speakers", None)
    if speakers is not None:
        speakers.clear()


def _tells_by_itself(message: Any) -> bool:
    """Whether AutoGen's own handlers report it when they fail at this."""
    return isinstance(
        message,
        events.GroupChatRequestPublish
        | events.GroupChatAgentResponse
        | events.GroupChatTeamResponse
        | events.GroupChatError,
    )


def stopped_by(error: Exception) -> events.GroupChatTermination:
    """The end of a task that an error has stopped."""
    return events.GroupChatTermination(
        message=StopMessage(content="An exception occurred in the runtime.", source=FRONT),
        error=events.SerializableException.from_exception(error),
    )


def _delivery() -> Delivery:
    gate = steps.current.get()
    assert isinstance(gate, Delivery), "agents of a team speak inside of deliveries"
    return gate
