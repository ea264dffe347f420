"""Agents on hosts that send more than others can take, for the tests of `RayAgentRuntime`; hosts import this file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from autogen_core import AgentId, MessageContext, RoutedAgent, TopicId, message_handler

SLOW_TOPIC = TopicId("slow:", "default")
SLOW_S = 0.01
"""How long the slow agent takes for a message."""


@dataclass
class Flood:
    """Asks for so many messages of a size."""

    count: int
    size: int
    back: int = 0
    """How many of that size the one who gets one sends back before it answers."""
    recipient: str = ""
    """To whom they are sent all at once; where it is empty they are published one after another."""


@dataclass
class Drop:
    number: int
    text: str
    back: int = 0
    sender: str = ""


@dataclass
class Ask:
    """What the slow agent has heard."""


@dataclass
class Heard:
    numbers: list[int]
    held_bytes: int
    """How much it has held at most."""


class Flooder(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("floods")

    @message_handler
    async def on_flood(self, message: Flood, ctx: MessageContext) -> int:
        if not message.recipient:
            for number in range(message.count):
                await self.publish_message(Drop(number, text_of(number, message.size)), SLOW_TOPIC)
            return message.count
        to = AgentId.from_str(message.recipient)

        async def drop(number: int) -> None:
            await self.send_message(Drop(number, text_of(number, message.size), message.back, str(self.id)), to)

        await asyncio.gather(*map(drop, range(message.count)))
        return message.count

    @message_handler
    async def on_drop(self, message: Drop, ctx: MessageContext) -> None:
        """One that came back."""


class Slow(RoutedAgent):
    """Takes one message after another, whatever comes."""

    def __init__(self) -> None:
        super().__init__("is slow")
        self._heard: list[int] = []
        self._held = self._held_at_most = 0
        self._turn = asyncio.Lock()

    @message_handler
    async def on_drop(self, message: Drop, ctx: MessageContext) -> None:
        self._heard.append(message.number)
        self._held += len(message.text)
        self._held_at_most = max(self._held, self._held_at_most)
        for number in range(message.back):
            back = Drop(number, text_of(number, len(message.text)))
            await self.send_message(back, AgentId.from_str(message.sender))
        async with self._turn:
            await asyncio.sleep(SLOW_S)
        self._held -= len(message.text)

    @message_handler
    async def on_ask(self, message: Ask, ctx: MessageContext) -> Heard:
        return Heard(self._heard, self._held_at_most)


def text_of(number: int, size: int) -> str:
    """A text of this size, another one for each number."""
    return f"{number:09d}" * (size // 9)
