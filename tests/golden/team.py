"""The team of the golden journals. It must stay as it is: its records are replayed by every later version.

A planner asks a scripted model, has two clerks look things up at once, and plans again when one of them meets a fault.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from autogen_core import AgentId, CancellationToken, MessageContext, RoutedAgent, TopicId, message_handler
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import FunctionTool
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

from runtime import clock
from runtime.autogen import TeamBuilder
from runtime.codec import Json
from runtime.errors import StepFailed
from runtime.journaled import JournaledModel, JournaledTool
from runtime.routing import Subscription
from runtime.team import Resources, Team


class Wish(BaseModel):
    """What is asked of the team."""

    city: str
    manner: str = "plain"


class LookUp(BaseModel):
    """What is asked of a clerk."""

    place: str


class Found(BaseModel):
    """What a clerk answers."""

    place: str
    price: int
    how_many: int


class Plan(BaseModel):
    """What the team answers."""

    text: str
    total: int
    number: str


def price(place: str) -> int:
    """What it costs."""
    if place == "the closed palace":
        raise StepFailed("the palace is closed", "closed")
    return 10 * len(place)


class Planner(RoutedAgent):
    """Plans, and plans again when something was closed."""

    def __init__(self, model: JournaledModel) -> None:
        super().__init__("plans")
        self._model = model
        self._talk: list[LLMMessage] = [SystemMessage(content="You plan a day. Answer with places, one a line.")]

    @message_handler
    async def on_wish(self, message: Wish, ctx: MessageContext) -> Plan:
        """The plan."""
        found: list[Found] = []
        asked = f"A day in {message.city}, {message.manner}."
        while True:
            places = await self._think(asked)
            await self.publish_message(Wish(city=message.city), TopicId("progress", "default"))
            try:
                found = list(await asyncio.gather(*(self._look_up(place) for place in places)))
                break
            except StepFailed as failure:
                asked = f"That did not work: {failure}. Other places."
        careless = 0
        if message.manner == "careless":
            careless = time.time_ns() % 1_000_000  # what no agent may depend on
        text = f"{clock.today()}: {', '.join(each.place for each in found)}"
        return Plan(text=text, total=sum(each.price for each in found) + careless, number=clock.new_id())

    async def _think(self, asked: str) -> list[str]:
        self._talk.append(UserMessage(content=asked, source="planner"))
        answer = await self._model.create(self._talk, extra_create_args={"temperature": 0})
        self._talk.append(AssistantMessage(content=str(answer.content), source="model"))
        return str(answer.content).splitlines()

    async def _look_up(self, place: str) -> Found:
        answer = await self.send_message(LookUp(place=place), AgentId("clerk", str(len(place) % 2)))
        assert isinstance(answer, Found)
        return answer


class Clerk(RoutedAgent):
    """Looks up prices and counts what it was asked."""

    def __init__(self) -> None:
        super().__init__("looks up")
        self._tool = JournaledTool(FunctionTool(price, "What it costs.", name="price"), "idempotent")
        self._count = 0

    @message_handler
    async def on_look_up(self, message: LookUp, ctx: MessageContext) -> Found:
        """The price."""
        self._count += 1
        cost = await self._tool.run_json({"place": message.place}, CancellationToken())
        return Found(place=message.place, price=cost, how_many=self._count)


class Reporter(RoutedAgent):
    """Hears of the progress."""

    def __init__(self) -> None:
        super().__init__("reports")
        self._heard = 0

    @message_handler
    async def on_progress(self, message: Wish, ctx: MessageContext) -> None:
        """Counts."""
        self._heard += 1


ANSWERS: Mapping[str, list[str]] = {
    "plain": ["the zoo\nthe old wall\nthe lake"],
    "careless": ["the zoo\nthe lake"],
    "faulty": ["the zoo\nthe closed palace", "the zoo\nthe lake"],
}


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """The team; `config["answers"]` says which answers the model gives."""
    model = JournaledModel(ReplayChatCompletionClient(list(ANSWERS[str(config["answers"])])), "scripted")
    builder = TeamBuilder()
    builder.add("planner", Planner, lambda: Planner(model))
    builder.add("clerk", Clerk, Clerk)
    builder.add("reporter", Reporter, Reporter)
    team = builder.team()
    return Team(team.agents, (*team.subscriptions, Subscription("progress", "reporter")))
