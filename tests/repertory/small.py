"""A scenario that needs no model: one agent of its own answers, fails, waits or asks, as its request says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from autogen_core import AgentId, CancellationToken, MessageContext, RoutedAgent, message_handler
from autogen_core.models import ChatCompletionClient, SystemMessage, UserMessage
from autogen_core.tools import Tool

from agents.messages import Answer, JsonObject, Question, Reply, Request
from agents.prompts import Prompts
from runtime.errors import StepFailed


def price(city: str) -> int:
    """What a night costs, in CNY."""
    return cost_of(city)


def cost_of(city: str) -> int:
    """What a test may have changed."""
    return 100 * len(city)


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
        city = str(message.inputs.get("city", "北京"))
        found = await self._tools[0].run_json({"city": city}, CancellationToken())
        if message.text == "twice":
            found = await self._tools[0].run_json({"city": city * 2}, CancellationToken())
        if found["status"] == "failed":
            raise StepFailed(found["error"]["message"], found["error"]["code"])
        if message.text == "wait":
            await asyncio.Event().wait()
        status = "failed" if message.text == "partly" else "done"
        item = {"cost_cny": found["value"], "evidence": [found["evidence"]]}
        return Answer(result={"status": status, "plan": f"a night in {city}", "item": item})


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
