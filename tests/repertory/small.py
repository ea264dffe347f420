"""A scenario that needs no model: one agent of its own answers, fails, waits or asks, as its request says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from autogen_core import AgentId, CancellationToken, MessageContext, RoutedAgent, message_handler
from autogen_core.tools import Tool

from agents.messages import Answer, JsonObject, Question, Reply, Request
from runtime.errors import StepFailed


def price(city: str) -> int:
    """What a night costs, in CNY."""
    return 100 * len(city)


class SmallDomain:
    """Knows how its results look."""

    def pages(self, result: JsonObject, steps: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        """One page."""
        lines = [f"- {tool}: {summary}" for tool, summary in steps.values()]
        return {"plan.md": "\n".join([f"# {result['plan']}", *lines]) + "\n"}


LARGE = 4_000_000
"""How many letters a large plan has; the journal, which compresses, stays far smaller."""


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
            case "large":
                return Answer(result={"status": "done", "plan": "x" * LARGE})
            case _:
                pass
        city = str(message.inputs.get("city", "北京"))
        found = await self._tools[0].run_json({"city": city}, CancellationToken())
        if message.text == "wait":
            await asyncio.Event().wait()
        status = "failed" if message.text == "partly" else "done"
        item = {"cost_cny": found["value"], "evidence": [found["evidence"]]}
        return Answer(result={"status": status, "plan": f"a night in {city}", "item": item})


SCENARIO = """\
name: small
domain: tests.repertory.small:SmallDomain
request: {request}
model: {{name: "scripted:answers.json"}}
agents:
  planner: {{kind: "tests.repertory.small:Solo"}}
  person: {{kind: person, placement: {{host: local}}}}
tools: ["tests.repertory.small:price"]
memory: {{remember: false}}
"""


def write_scenario(directory: Path, request: str = "go", more: str = "") -> Path:
    """The scenario file, with the file of answers that it names."""
    (directory / "answers.json").write_text("[]")
    file = directory / "small.yaml"
    file.write_text(SCENARIO.format(request=request) + more, encoding="utf-8")
    return file
