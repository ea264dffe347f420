"""A scenario that needs no model: one agent of its own answers, fails, waits or asks, as its request says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from autogen_core import AgentId, CancellationToken, MessageContext, RoutedAgent, message_handler
from autogen_core.models import ChatCompletionClient, SystemMessage, UserMessage
from autogen_core.tools import Tool
from pydantic import JsonValue

from agents.messages import Answer, JsonObject, Question, Reply, Request
from agents.prompts import Prompts
from runtime.errors import StepFailed


def price(city: str) -> int:
    """What a night costs, in CNY."""
    return cost_of(city)


def cost_of(city: str) -> int:
    """What a test may have changed."""
    return 100 * len(city)


def place(city: str) -> str:
    """Where a tool's relative paths begin, whatever the city."""
    return str(Path.cwd())


class SmallDomain:
    """Knows how its results look."""

    def pages(self, result: JsonObject, steps: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        """One page."""
        lines = [f"- {tool}: {summary}" for tool, summary in steps.values()]
        return {"plan.md": "\n".join([f"# {result['plan']}", *lines]) + "\n"}


class Solo(RoutedAgent):
    """Answers alone."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        super().__init__("Answers alone")
        self._tools = tools

    @message_handler
    async def on_request(self, message: Request, ctx: MessageContext) -> Answer:
        """The price of a night, or whatever else the request wants."""
        match message.text:
            case "fail":
                raise StepFailed("the booking office is closed")
            case "ask":
                question = Question(field="city", text="Which city?")
                reply = await self.send_message(question, AgentId("person", "default"))
                return Answer(result={"status": "done", "plan": reply.text if isinstance(reply, Reply) else None})
            case _:
                pass
        counts = [await self._counted()] if message.text == "count" else []
        city = str(message.inputs.get("city", "北京"))
        found = await self._tools[0].run_json({"city": city}, CancellationToken())
        if message.text == "twice":
            found = await self._tools[0].run_json({"city": city * 2}, CancellationToken())
        if found["status"] == "failed":
            raise StepFailed(found["error"]["message"], found["error"]["code"])
        if message.text == "wait":
            await asyncio.Event().wait()
        counts += [await self._counted()] if counts else []
        status = "failed" if message.text == "partly" else "done"
        item = {"cost_cny": found["value"], "evidence": [found["evidence"]]}
        result: JsonObject = {"status": status, "plan": f"a night in {city}", "item": item}
        return Answer(result={**result, "counts": counts} if counts else result)

    async def _counted(self) -> JsonValue:
        reply = await self.send_message(Question(field="count", text="How often?"), AgentId("counter", "default"))
        assert isinstance(reply, Reply)
        return reply.text


class Counter(RoutedAgent):
    """Says how often it has been asked."""

    def __init__(self) -> None:
        super().__init__("Counts")
        self._count = 0

    @message_handler
    async def on_question(self, message: Question, ctx: MessageContext) -> Reply:
        """The number of this question."""
        self._count += 1
        return Reply(text=str(self._count))

    async def save_state(self) -> Mapping[str, int]:
        """Its count."""
        return {"count": self._count}

    async def load_state(self, state: Mapping[str, int]) -> None:
        """Takes up its count."""
        self._count = state["count"]


class Judge(RoutedAgent):
    """Asks its model twice: once in words of its own, once in those of the prompt `judge`."""

    def __init__(self, model: ChatCompletionClient, prompts: Prompts) -> None:
        super().__init__("Judges")
        self._model = model
        self._prompts = prompts

    @message_handler
    async def on_request(self, message: Request, ctx: MessageContext) -> Answer:
        """Both answers."""
        judge = self._prompts.get("judge")
        asked = [SystemMessage(content="Hello"), SystemMessage(content=judge.system)]
        return Answer(result={"status": "done", "plan": "", "said": [await self._said(each) for each in asked]})

    async def _said(self, message: SystemMessage) -> str:
        return str((await self._model.create([message, UserMessage(content="?", source="me")])).content)


class Teller(RoutedAgent):
    """Has its model tell something that takes a while."""

    def __init__(self, model: ChatCompletionClient) -> None:
        super().__init__("Tells")
        self._model = model

    @message_handler
    async def on_request(self, message: Request, ctx: MessageContext) -> Answer:
        """What the model tells."""
        asked = UserMessage(content="Count from 1 to 300, in words, one number a line.", source="me")
        told = await self._model.create([asked], extra_create_args={"max_tokens": 200, "temperature": 0.0})
        return Answer(result={"status": "done", "plan": str(told.content)})


SCENARIO = """\
name: small
domain: tests.repertory.small:SmallDomain
request: {request}
model: {{name: "scripted:answers.json"}}
agents:
  planner: {{kind: "tests.repertory.small:Solo"}}
  person: {{kind: person, placement: {{host: local}}}}
tools: [{{import: "tests.repertory.small:price", effect: read}}]
memory: {{remember: false}}
"""


def write_scenario(directory: Path, request: str = "go", more: str = "") -> Path:
    """The scenario file, with the file of answers that it names."""
    (directory / "answers.json").write_text("[]")
    file = directory / "small.yaml"
    file.write_text(SCENARIO.format(request=request) + more, encoding="utf-8")
    return file
