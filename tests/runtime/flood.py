"""Agents of autogen-core that send more than others can take."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from autogen_core import AgentId, MessageContext, RoutedAgent, TopicId, message_handler, type_subscription

from runtime import steps
from runtime.autogen import TeamBuilder
from runtime.codec import Json, canonical
from runtime.events import AgentName
from runtime.letters import Letters
from runtime.performance import Performance
from runtime.steps import StepCall, StepResult
from runtime.team import Resources, Team, TeamSpec

GATES: list[asyncio.Event] = []
"""What the slow agent waits for at its first message."""

HEARD: list[int] = []
"""What the slow agent has heard, in its order."""


@dataclass
class Flood:
    """Asks for so many messages."""

    count: int
    how: str
    """`publish`; `send`: all at once; `ask back`: the slow one asks the producer, which is busy; `self`."""
    size: int = 10


@dataclass
class Drop:
    """One of them."""

    number: int
    text: str
    asks_back: bool = False


@dataclass
class Back:
    """A question to the producer while it is busy."""


class Producer(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("Floods")

    @message_handler
    async def on_flood(self, message: Flood, ctx: MessageContext) -> int:
        text = "x" * message.size
        drops = [Drop(number, text, message.how == "ask back") for number in range(message.count)]
        match message.how:
            case "send":
                slow = AgentId("slow", "default")
                await asyncio.gather(*(self.send_message(drop, slow) for drop in drops))
            case "self":
                for drop in drops:
                    await self.publish_message(drop, TopicId("own", "default"))
                    await self.publish_message(drop, TopicId("drops", "default"))
            case _:
                for drop in drops:
                    await self.publish_message(drop, TopicId("drops", "default"))
        return message.count

    @message_handler
    async def on_back(self, message: Back, ctx: MessageContext) -> int:
        return 1


@type_subscription("drops")
class Slow(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("Is slow")

    @message_handler
    async def on_drop(self, message: Drop, ctx: MessageContext) -> None:
        if message.number == 0:
            await steps.perform(StepCall("tool", "wait", canonical(None), _opened))
        if message.asks_back:
            await self.send_message(Back(), AgentId("producer", "default"))
        HEARD.append(message.number)


async def _opened(_: str) -> StepResult:
    await GATES[0].wait()
    return StepResult(None)


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    builder = TeamBuilder()
    builder.add("producer", Producer, Producer)
    builder.add("slow", Slow, Slow)
    return builder.team()


def performance(flood: Flood) -> Performance:
    letters = Letters()
    letters.add_type(Flood)
    return Performance(
        "run", TeamSpec("flood", "tests.runtime.flood:build", {}), AgentName("producer"), letters.encode(flood)
    )
