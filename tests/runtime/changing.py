"""A team of autogen-core agents whose code a test can change between record and replay."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from autogen_core import AgentId, CancellationToken, MessageContext, RoutedAgent, message_handler
from autogen_core.memory import ListMemory, MemoryContent
from autogen_core.models import LLMMessage, SystemMessage, UserMessage
from autogen_core.tools import FunctionTool
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

from runtime import clock, steps
from runtime.autogen import TeamBuilder
from runtime.codec import Json, canonical
from runtime.events import AgentName
from runtime.journal import MemoryJournal
from runtime.journaled import JournaledMemory, JournaledModel, JournaledTool
from runtime.local import LocalEngine
from runtime.performance import Performance
from runtime.steps import StepCall, StepResult
from runtime.team import Resources, Rest, Team, TeamSpec


@dataclass
class Ways:
    """How the agents behave; a replay of a run with other ways must stop."""

    prompt: str = "You plan trips."
    model: str = "scripted"
    temperature: float = 0.0
    city: str = "Beijing"
    tool: str = "price"
    tool_doc: str = "What a night costs."
    query: str = "family trips"
    question: str = "Which day?"
    saying: str = "go"
    recipient: str = "first"
    is_look_done: bool = True
    is_extra_done: bool = False
    is_reversed: bool = False
    error: str = ""
    is_careless: bool = False
    is_forgetful: bool = False
    answer: str = "planned"


WAYS = Ways()
COUNTS = {"calls": 0}


@contextmanager
def other(**changes: Any) -> Generator[None]:
    """Other ways while the block runs."""
    before = {name: getattr(WAYS, name) for name in changes}
    try:
        for name, value in changes.items():
            assert name in {each.name for each in fields(Ways)}
            setattr(WAYS, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(WAYS, name, value)


class Word(BaseModel):
    """What agents say to each other."""

    text: str


def price(city: str) -> int:
    """What a night costs."""
    return 100 * len(city)


async def look(name: str) -> Json:
    """A plain step of kind tool."""

    async def perform(_: str) -> StepResult:
        return StepResult(name.upper())

    return (await steps.perform(StepCall("tool", name, canonical({"look": name}), perform))).value


async def ask_person(question: str) -> Json:
    """A question to a person."""

    async def perform(_: str) -> StepResult:
        return StepResult("Saturday")

    return (await steps.perform(StepCall("question", "person", canonical({"question": question}), perform))).value


@dataclass
class Lead(RoutedAgent):
    """Remembers, asks, thinks, looks things up, and has others note what it found."""

    heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__("leads")

    def _tool(self, name: str) -> JournaledTool:
        return JournaledTool(FunctionTool(price, WAYS.tool_doc, name=name), "read")

    @message_handler
    async def on_word(self, message: Word, ctx: MessageContext) -> Word:
        """The whole work."""
        COUNTS["calls"] += 1
        memory = JournaledMemory(ListMemory(), "episodes")
        await memory.query(WAYS.query)
        await ask_person(WAYS.question)
        model = JournaledModel(ReplayChatCompletionClient(["a plan"]), WAYS.model)
        prompt: list[LLMMessage] = [
            SystemMessage(content=WAYS.prompt),
            UserMessage(content=message.text, source="user"),
        ]
        tool = self._tool(WAYS.tool)
        thought = await model.create(prompt, tools=[tool], extra_create_args={"temperature": WAYS.temperature})
        self.heard.append(str(thought.content))
        if WAYS.is_extra_done:
            await look("extra")
        if WAYS.is_look_done:
            await look("map")
        if WAYS.error:
            raise RuntimeError(WAYS.error)
        await self._tool("price").run_json({"city": WAYS.city}, CancellationToken())
        names = ["first", "second"]
        sent = [self._note(name) for name in (names[::-1] if WAYS.is_reversed else names)]
        notes = await asyncio.gather(*sent)
        await memory.add(MemoryContent(content="done", mime_type="text/plain"))
        careless = f" {COUNTS['calls']}" if WAYS.is_careless else ""
        return Word(text=f"{WAYS.answer}: {', '.join(note.text for note in notes)}{careless} {clock.new_id()}")

    async def _note(self, name: str) -> Word:
        recipient = WAYS.recipient if name == "first" else name
        answer = await self.send_message(Word(text=WAYS.saying), AgentId("clerk", recipient))
        assert isinstance(answer, Word)
        return answer


class Clerk(RoutedAgent):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__("notes")
        self.notes: list[str] = []

    @message_handler
    async def on_word(self, message: Word, ctx: MessageContext) -> Word:
        """Answers with how many notes there are."""
        self.notes.append(message.text)
        await look(f"note {len(self.notes)}")
        return Word(text=f"{self.id.key} {len(self.notes)}")

    async def save_state(self) -> Mapping[str, Any]:
        """Its notes."""
        return {"notes": [] if WAYS.is_forgetful else list(self.notes)}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes up its notes."""
        self.notes = list(state["notes"])


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """The team."""
    builder = TeamBuilder()
    builder.add("lead", Lead, Lead)
    builder.add("clerk", Clerk, Clerk)
    return replace(builder.team(), rest=Rest(deliveries=cast(int, config.get("naps", 100))))


async def recorded(naps: int = 100) -> MemoryJournal:
    """A journal with a run of the team as it is, whose agents sleep after so many deliveries."""
    journal = MemoryJournal()
    payload = canonical({"type": "Word", "data": {"text": "three days"}})
    spec = TeamSpec("changing", f"{__name__}:build", {"naps": naps})
    await LocalEngine(journal).perform(Performance("run", spec, AgentName("lead"), payload))
    return journal
