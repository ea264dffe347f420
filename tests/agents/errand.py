"""The smallest domain that uses the whole cast: buy a thing in one of the shops that sell it, within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, cast

from autogen_core.tools import ToolSchema
from pydantic import JsonValue

from agents.domain import Conclusion, Decision, Reading
from agents.messages import (
    Amendment,
    Call,
    Checked,
    Fact,
    Failure,
    JsonObject,
    Question,
    Request,
    Scene,
    Subtask,
)


def objects(**properties: JsonValue) -> JsonObject:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


class Errand:
    """Buys `task["thing"]` for at most `task["budget"]`."""

    def perceiving(self, request: Request, today: date) -> Decision:
        schema = objects(thing={"type": ["string", "null"]}, budget={"type": "integer"})
        values = {"request": request.text, "places": today.isoformat()}
        return Decision(key="perceive", prompt="perceive", values=values, schema=schema)

    def read(self, perceived: JsonObject, request: Request, today: date) -> Reading:
        if perceived["thing"] is None:
            return Reading(None, (Question(field="thing", text="What shall I buy?"),))
        return Reading({**perceived, **request.inputs})

    def recall_text(self, task: JsonObject) -> str:
        return str(task["thing"])

    def planning(self, scene: Scene, tools: Sequence[ToolSchema], limit: int) -> Decision:
        row = objects(
            tool={"enum": [tool["name"] for tool in tools]}, needs={"type": "array"}, instead={"type": "string"}
        )
        wanted = "；".join(one.text for one in scene.amendments) or "-"
        liked = "；".join(note.text for note in scene.memories.preferences) or "-"
        values = {"tools": "", "task": str(scene.task), "known": liked, "amendments": wanted, "limit": str(limit)}
        schema = objects(subtasks={"type": "array", "items": row})
        return Decision(key="subtasks", prompt="plan", values=values, schema=schema)

    def subtasks(self, answer: JsonObject) -> tuple[Subtask, ...]:
        rows = cast(list[dict[str, Any]], answer["subtasks"])
        return tuple(
            Subtask(
                id=f"s{number}",
                goal=f"ask {row['tool']}",
                tool=row["tool"],
                needs=tuple(row["needs"]),
                success="an offer",
                alternative=row["instead"],
            )
            for number, row in enumerate(rows, start=1)
        )

    def gaps(self, scene: Scene) -> tuple[Amendment, ...]:
        return () if scene.facts else (Amendment(decision="subtasks", text="no offer yet"),)

    def tools_for(self, subtask: Subtask) -> tuple[str, ...]:
        return (subtask.tool,)

    def acting(self, scene: Scene, subtask: Subtask, tools: Sequence[ToolSchema]) -> Decision:
        known = "；".join(str(fact.value) for fact in scene.facts) or "-"
        values = {"task": str(scene.task), "known": known, "subtask": subtask.goal, "success": "", "tools": ""}
        schema = objects(tool={"enum": [tool["name"] for tool in tools]}, arguments=objects(thing={"type": "string"}))
        return Decision(key=f"act:{subtask.id}", prompt="act", values=values, schema=schema)

    def shortfall(self, subtask: Subtask, fact: Fact) -> Failure | None:
        if fact.value:
            return None
        return Failure(tool=fact.tool, arguments=fact.arguments, code="empty", message="no offer")

    def alternative(self, subtask: Subtask, failure: Failure) -> Subtask | None:
        return (
            subtask.model_copy(update={"tool": subtask.alternative, "alternative": ""}) if subtask.alternative else None
        )

    def look_ups(self, scene: Scene) -> tuple[Call, ...]:
        chosen = cast(dict[str, str], scene.choices.get("shop", {})).get("shop")
        known = any(fact.tool == "way" for fact in scene.facts)
        return () if chosen is None or known else (Call(tool="way", arguments={"thing": chosen}),)

    def choosing(self, scene: Scene) -> Decision | None:
        if "shop" in scene.choices:
            return None
        excluded = {name for one in scene.amendments for name in one.exclude}
        schema = objects(shop={"enum": [name for name in sorted(self._offers(scene)) if name not in excluded]})
        amendments = "；".join(one.text for one in scene.amendments) or "-"
        values = {"task": str(scene.task), "known": "", "candidates": "", "amendments": amendments}
        return Decision(key="shop", prompt="choose_hotel", values=values, schema=schema)

    def reopen(self, scene: Scene, amendments: Sequence[Amendment]) -> JsonObject:
        again = {one.decision for one in amendments}
        return {key: value for key, value in scene.choices.items() if key not in again}

    def compose(self, scene: Scene) -> JsonObject:
        shop = cast(dict[str, str], scene.choices.get("shop", {})).get("shop")
        return {"shop": shop, "price": self._offers(scene).get(str(shop))}

    def checks(self, scene: Scene, plan: JsonObject) -> tuple[Checked, ...]:
        price, budget = plan["price"], scene.task["budget"]
        is_good = isinstance(price, int) and isinstance(budget, int) and price <= budget
        return (Checked(name="budget", passed=is_good, detail=f"{price} of {budget}"),)

    def amendments(self, scene: Scene, plan: JsonObject) -> tuple[Amendment, ...]:
        if all(check.passed for check in self.checks(scene, plan)):
            return ()
        dear = tuple(name for name, price in self._offers(scene).items() if price > int(str(scene.task["budget"])))
        return (Amendment(decision="shop", text="too dear", exclude=dear),)

    def judging(self, scene: Scene, plan: JsonObject) -> Decision:
        values = {"task": "", "plan": str(plan), "checks": ""}
        return Decision(key="judgement", prompt="judge", values=values, schema=objects(good={"type": "boolean"}))

    def judged(self, scene: Scene, answer: JsonObject) -> tuple[Checked, tuple[Amendment, ...]]:
        return Checked(name="judgement", passed=answer["good"] is True, detail=""), ()

    def result(self, conclusion: Conclusion) -> JsonObject:
        checks: list[JsonValue] = [check.model_dump() for check in conclusion.checks]
        return {"plan": conclusion.plan, "checks": checks, "spent": conclusion.spent.model_dump()}

    def lessons(self, conclusion: Conclusion) -> tuple[str, tuple[str, ...]]:
        return f"bought at {conclusion.plan['shop']}", ("likes short ways",)

    def _offers(self, scene: Scene) -> dict[str, int]:
        found = [fact.value for fact in scene.facts if fact.tool != "way" and isinstance(fact.value, dict)]
        return {name: price for value in found for name, price in value.items() if isinstance(price, int)}
