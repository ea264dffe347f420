"""Our own stand-in for upstream's unpublished test package: the agents and messages that its tests name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autogen_core import BaseAgent, DefaultTopicId, MessageContext, RoutedAgent, default_subscription, message_handler


@dataclass
class MessageType:
    """A message without content."""


@dataclass
class ContentMessage:
    content: str


@dataclass
class CascadingMessageType:
    round: int


class NoopAgent(BaseAgent):
    """Is registered, never spoken to."""

    def __init__(self) -> None:
        super().__init__("does nothing")

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        raise NotImplementedError


class LoopbackAgent(RoutedAgent):
    """Counts, keeps and gives back what it gets."""

    def __init__(self) -> None:
        super().__init__("loops back")
        self.received_messages: list[Any] = []

    @property
    def num_calls(self) -> int:
        return len(self.received_messages)

    @message_handler
    async def on_any(self, message: MessageType | ContentMessage, ctx: MessageContext) -> MessageType | ContentMessage:
        self.received_messages.append(message)
        return message


@default_subscription
class LoopbackAgentWithDefaultSubscription(LoopbackAgent):
    """The same, listening to the default topic."""


@default_subscription
class CascadingAgent(RoutedAgent):
    """Publishes one message for each that it gets, until the last round."""

    def __init__(self, max_rounds: int) -> None:
        super().__init__("cascades")
        self.num_calls, self._max_rounds = 0, max_rounds

    @message_handler
    async def on_round(self, message: CascadingMessageType, ctx: MessageContext) -> None:
        self.num_calls += 1
        if message.round < self._max_rounds:
            await self.publish_message(CascadingMessageType(message.round + 1), DefaultTopicId())
