"""An agent that books without a model: a room, another room, and then tickets, which a person must approve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autogen_core import CancellationToken, MessageContext, RoutedAgent, message_handler
from autogen_core.tools import Tool
from pydantic import JsonValue

from agents.messages import Answer, Request
from runtime.errors import StepFailed


class Booker(RoutedAgent):
    """Books two rooms and tickets; fails for good where the request says so."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        super().__init__("Books")
        self._tools = {tool.name: tool for tool in tools}

    @message_handler
    async def on_request(self, message: Request, ctx: MessageContext) -> Answer:
        """What became of each booking."""
        stay: dict[str, JsonValue] = {"arrival": "2026-12-05", "nights": 2, "price_cny": 1200}
        rooms = [await self._call("hold_hotel_room", {"hotel": name, **stay}) for name in ("甲", "乙")]
        if message.text == "fail":
            raise StepFailed("no table for dinner", "sold_out")
        visit: dict[str, JsonValue] = {"name": "故宫", "date": "2026-12-05", "tickets": 3, "price_cny": 120}
        tickets = await self._call("issue_tickets", visit)
        return Answer(result={"status": "done", "rooms": rooms, "tickets": tickets})

    async def _call(self, name: str, arguments: Mapping[str, JsonValue]) -> JsonValue:
        found = await self._tools[name].run_json(arguments, CancellationToken())
        return {key: found[key] for key in ("status", "value", "error")}
