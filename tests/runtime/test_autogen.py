"""autogen-core's agents on this engine: typed messages, topics, errors with their type, cancellation, wrapped calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from autogen_core import (
    AgentId,
    CancellationToken,
    DefaultTopicId,
    MessageContext,
    RoutedAgent,
    TopicId,
    default_subscription,
    event,
    message_handler,
    rpc,
    type_subscription,
)
from autogen_core.memory import ListMemory, MemoryContent, MemoryMimeType
from autogen_core.models import CreateResult, RequestUsage, UserMessage
from autogen_core.tools import FunctionTool
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

from runtime.autogen import TeamBuilder
from runtime.codec import Json, canonical
from runtime.errors import StepFailed, Undeliverable
from runtime.events import AgentName, MessageCancelled, StepStarted
from runtime.journal import MemoryJournal
from runtime.journaled import EVIDENCE, JournaledMemory, JournaledModel, JournaledTool
from runtime.local import LocalEngine
from runtime.performance import Performance
from runtime.prompt_chain import unchain
from runtime.replay import replay
from runtime.team import Resources, Team, TeamSpec


class Task(BaseModel):
    text: str


class Result(BaseModel):
    text: str
    details: list[str] = []


@dataclass
class News:
    text: str


class Worker(RoutedAgent):
    """Answers tasks with its model, a tool and a memory, all journaled."""

    def __init__(self, model: JournaledModel, tool: JournaledTool, memory: JournaledMemory) -> None:
        super().__init__("works")
        self._model, self._tool, self._memory = model, tool, memory

    @rpc
    async def on_task(self, message: Task, ctx: MessageContext) -> Result:
        if message.text == "fail":
            raise StepFailed("cannot", "no_way")
        answer = await self._model.create([UserMessage(content=message.text, source="user")])
        looked = await self._tool.run_json({"word": message.text}, CancellationToken())
        await self._memory.add(MemoryContent(content=message.text, mime_type=MemoryMimeType.TEXT))
        known = await self._memory.query(message.text)
        evidence = [str(entry.metadata[EVIDENCE]) for entry in known.results if entry.metadata]
        return Result(text=str(answer.content), details=[looked["found"], looked[EVIDENCE][0], *evidence])


class Lead(RoutedAgent):
    """Delegates to two workers at once, publishes, and reports."""

    def __init__(self) -> None:
        super().__init__("leads")

    @message_handler
    async def on_task(self, message: Task, ctx: MessageContext) -> Result:
        if message.text == "cancel":
            return await self._cancel()
        if message.text in ("fail", "unknown"):
            return await self._unhappy(message)
        first, second = await asyncio.gather(
            self.send_message(Task(text="one"), AgentId("worker", "1")),
            self.send_message(Task(text="two"), AgentId("worker", "2")),
        )
        await self.publish_message(News(text="done"), DefaultTopicId())
        await self.publish_message(News(text="weather"), TopicId("weather", "here"))
        return Result(text=f"{first.text} {second.text}", details=[*first.details, *second.details])

    async def _unhappy(self, message: Task) -> Result:
        recipient = AgentId("worker" if message.text == "fail" else "nobody", "1")
        try:
            return cast(Result, await self.send_message(message, recipient))
        except StepFailed as error:
            return Result(text=f"StepFailed {error.code}: {error}")
        except Undeliverable as error:
            return Result(text=f"Undeliverable: {error}")

    async def _cancel(self) -> Result:
        token = CancellationToken()
        asked = asyncio.ensure_future(
            self.send_message(Task(text="wait"), AgentId("sleeper", "1"), cancellation_token=token)
        )
        await asyncio.sleep(0.01)
        token.cancel()
        try:
            return cast(Result, await asked)
        except asyncio.CancelledError:
            return Result(text="cancelled")


class Sleeper(RoutedAgent):
    """Waits until it is cancelled."""

    def __init__(self) -> None:
        super().__init__("sleeps")

    @rpc
    async def on_task(self, message: Task, ctx: MessageContext) -> Result:
        waiting = asyncio.ensure_future(asyncio.sleep(3600))
        ctx.cancellation_token.link_future(waiting)
        await waiting
        return Result(text="never")


@default_subscription
@type_subscription("weather")
class Reader(RoutedAgent):
    """Keeps the news."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__("reads")
        self._heard = heard

    @event
    async def on_news(self, message: News, ctx: MessageContext) -> None:
        assert ctx.topic_id is not None
        self._heard.append(f"{self.id.key}: {message.text}")


HEARD: list[str] = []


def shout(word: str) -> dict[str, str]:
    """Shouts a word."""
    return {"found": word.upper()}


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    def worker() -> Worker:
        return Worker(
            JournaledModel(ReplayChatCompletionClient(["model says"]), "scripted"),
            JournaledTool(FunctionTool(shout, "Shouts a word."), "read"),
            JournaledMemory(ListMemory(), "notes"),
        )

    builder = TeamBuilder()
    builder.add("lead", Lead, Lead)
    builder.add("worker", Worker, worker)
    builder.add("sleeper", Sleeper, Sleeper)
    builder.add("reader", Reader, lambda: Reader(HEARD))
    return builder.team()


async def perform(text: str) -> tuple[Any, MemoryJournal]:
    HEARD.clear()
    journal = MemoryJournal()
    payload = canonical({"type": "Task", "data": {"text": text}})
    order = Performance("run", TeamSpec("autogen", f"{__name__}:build", {}), AgentName("lead"), payload)
    return await LocalEngine(journal).perform(order), journal


async def test_agents_ask_one_another_and_publish_with_their_own_types() -> None:
    answer, _ = await perform("go")
    assert answer["text"] == "model says model says"
    assert answer["details"][:2] == ["ONE", "s"]
    assert sorted(HEARD) == ["default: done", "here: weather"]


async def test_every_model_tool_and_memory_call_is_a_step_that_a_replay_answers() -> None:
    _, journal = await perform("go")
    kinds = [e.kind for e in await journal.events("run") if isinstance(e, StepStarted)]
    assert sorted(set(kinds)) == ["memory", "model", "retrieval", "tool"]
    replayed = await replay(journal, "run")
    assert (replayed.model_calls, replayed.tool_calls) == (2, 2)


async def test_a_prompt_is_recorded_as_a_chain_of_its_messages() -> None:
    _, journal = await perform("go")
    [first, _] = [e for e in await journal.events("run") if isinstance(e, StepStarted) and e.kind == "model"]
    request = msgspec.json.decode(await journal.blob(first.request))
    blobs = dict(journal._blobs)  # pyright: ignore[reportPrivateUsage]  # all of them, to walk the chain
    messages = unchain(request["prompt"], blobs.__getitem__)
    assert messages == [{"content": "one", "source": "user", "type": "UserMessage"}]


async def test_an_error_keeps_its_type_and_code_on_the_way_back() -> None:
    assert (await perform("fail"))[0]["text"] == "StepFailed no_way: cannot"


async def test_a_message_to_an_unknown_agent_is_undeliverable_at_its_sender() -> None:
    assert (await perform("unknown"))[0]["text"].startswith("Undeliverable: there is no agent type 'nobody'")


async def test_a_cancelled_token_reaches_the_handler_of_the_other_agent() -> None:
    answer, journal = await perform("cancel")
    assert answer["text"] == "cancelled"
    assert [e for e in await journal.events("run") if isinstance(e, MessageCancelled)]
    await replay(journal, "run")


async def test_a_streamed_answer_is_one_step_and_comes_in_its_pieces() -> None:
    usage = RequestUsage(prompt_tokens=1, completion_tokens=2)
    result = CreateResult(finish_reason="stop", content="a b", usage=usage, cached=False)
    model = JournaledModel(ReplayChatCompletionClient([result]), "scripted")
    seen: list[str] = []

    class Streamer(RoutedAgent):
        def __init__(self) -> None:
            super().__init__("streams")

        @rpc
        async def on_task(self, message: Task, ctx: MessageContext) -> Result:
            async for piece in model.create_stream([UserMessage(content="x", source="user")]):
                seen.append(piece if isinstance(piece, str) else "end")
            return Result(text="ok")

    builder = TeamBuilder()
    builder.add("lead", Streamer, Streamer)
    TEAMS["stream"] = builder.team()
    journal = MemoryJournal()
    payload = canonical({"type": "Task", "data": {"text": "x"}})
    spec = TeamSpec("stream", f"{__name__}:find", {"team": "stream"})
    await LocalEngine(journal).perform(Performance("run", spec, AgentName("lead"), payload))
    assert seen[-1] == "end"
    assert len([e for e in await journal.events("run") if isinstance(e, StepStarted)]) == 1


TEAMS: dict[str, Team] = {}


def find(config: Mapping[str, Json], resources: Resources) -> Team:
    return TEAMS[str(config["team"])]
