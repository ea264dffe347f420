"""How a subtask becomes a tool's call: the tools' own parameters, narrowed to what can be meant on this trip."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autogen_core.tools import ToolSchema
from pydantic import JsonValue

from agents.domain import Decision
from agents.messages import JsonObject, Scene, Subtask
from scenarios.travel import schemas
from scenarios.travel.view import View
from scenarios.travel.wording import brief, known
from tools.travel.catalogue import Catalogue
from tools.travel.places import CATEGORIES

SISTERS: Mapping[str, tuple[str, ...]] = {
    "ticket_availability": ("opening_calendar",),
    "attraction_lookup": ("ticket_availability",),
    "opening_calendar": ("ticket_availability",),
}
"""By tool: others that can serve a subtask that was planned with it."""

PRICE = "max_price_cny"

FILTERS: Mapping[str, str] = {
    "district": "城区",
    "category": "类别",
    "cuisine": "菜系",
    PRICE: "价格",
}
"""By parameter of a search: what a subtask's alternative calls it."""

Narrow = Callable[[View, Subtask, Catalogue], JsonObject]

PRICE_STEPS = (0.25, 0.35, 0.5)
"""Shares of the budget that the nights may cost: what a hotel's highest price is chosen from."""
MEAL_PRICES = (60, 100, 150)


@dataclass(frozen=True)
class Caller:
    """Offers the calls that a subtask may be carried out with."""

    catalogue: Catalogue

    def tools_for(self, subtask: Subtask) -> tuple[str, ...]:
        """The planned tool, then those that can serve as well."""
        return (subtask.tool, *SISTERS.get(subtask.tool, ()))

    def acting(self, scene: Scene, subtask: Subtask, tools: Sequence[ToolSchema]) -> Decision:
        """The decision on a tool and its arguments."""
        view = View(scene)
        calls = [self._call(view, subtask, tool) for tool in tools]
        return Decision(
            key=f"act:{subtask.id}",
            prompt="act",
            values={
                "task": brief(view.task),
                "known": known(view),
                "subtask": subtask.goal,
                "success": subtask.success,
                "tools": "、".join(tool["name"] for tool in tools),
            },
            schema=schemas.any_of(*calls),
            max_tokens=200,
        )

    def _call(self, view: View, subtask: Subtask, tool: ToolSchema) -> JsonObject:
        narrow = NARROWED.get(tool["name"])
        arguments = narrow(view, subtask, self.catalogue) if narrow is not None else _own(tool)
        return schemas.closed({"tool": schemas.one_of([tool["name"]]), "arguments": arguments})


def _own(tool: ToolSchema) -> JsonObject:
    """The parameters as the tool itself describes them."""
    parameters: JsonObject = json.loads(json.dumps(tool.get("parameters", {"type": "object", "properties": {}})))
    return parameters


def _is_wide(view: View, subtask: Subtask, name: str) -> bool:
    """Whether a search must not be narrowed by this filter: its alternative says so, or it found nothing with it.

    The price is given up first, and the others only when that has not helped.
    """
    refused = [one.arguments for one in view.scene.failures if one.code == "not_found" and one.arguments.get(name)]
    has_no_price = any(call.get(PRICE) is None for call in refused)
    return f"不限{FILTERS[name]}" in subtask.goal or bool(refused and (name == PRICE or has_no_price))


def _filter(view: View, subtask: Subtask, name: str, values: Sequence[JsonValue]) -> JsonObject:
    return schemas.one_of([None] if _is_wide(view, subtask, name) else [*values])


def _ticket(view: View, subtask: Subtask, catalogue: Catalogue) -> JsonObject:
    ages = view.task.party.children
    return schemas.closed(
        {
            "name": schemas.one_of([subtask.about]),
            "date": schemas.one_of([day.isoformat() for day in view.dates]),
            "adults": schemas.one_of([view.task.party.adults]),
            "child_ages": schemas.exactly(*(schemas.one_of([age]) for age in ages)),
        }
    )


def _lookup(view: View, subtask: Subtask, catalogue: Catalogue) -> JsonObject:
    return schemas.closed({"name": schemas.one_of([subtask.about])})


def _calendar(view: View, subtask: Subtask, catalogue: Catalogue) -> JsonObject:
    return schemas.closed(
        {
            "name": schemas.one_of([subtask.about]),
            "start_date": schemas.one_of([view.task.start_date.isoformat()]),
            "days": schemas.one_of([view.task.days]),
        }
    )


def _recommend(view: View, subtask: Subtask, catalogue: Catalogue) -> JsonObject:
    return schemas.closed(
        {
            "child_age": schemas.one_of([view.task.party.youngest]),
            "district": _filter(view, subtask, "district", [None, *catalogue.districts[:6]]),
            "category": _filter(view, subtask, "category", [None, *CATEGORIES]),
            "limit": schemas.one_of([8, 10]),
        }
    )


def _hotel(view: View, subtask: Subtask, catalogue: Catalogue) -> JsonObject:
    asked = view.task.hotel_district
    anywhere: list[JsonValue] = [] if asked else [*catalogue.districts[:6]]
    nights = max(1, view.task.nights)
    prices = [round(view.task.budget_cny * share / nights / 50) * 50 for share in PRICE_STEPS]
    room: list[JsonValue] = [True] if view.task.party.children else [True, None]
    return schemas.closed(
        {
            "district": _filter(view, subtask, "district", [asked, *anywhere]),
            PRICE: _filter(view, subtask, PRICE, prices),
            "family_room": schemas.one_of(room),
            "limit": schemas.one_of([5]),
        }
    )


def _restaurant(view: View, subtask: Subtask, catalogue: Catalogue) -> JsonObject:
    places: list[JsonValue] = [*view.task.must_visit, *view.facts.hotels, *view.facts.attractions]
    if view.task.hotel_district:
        places.append(view.task.hotel_district)
    return schemas.closed(
        {
            "near": schemas.one_of(places or [*catalogue.districts[:6]]),
            "cuisine": _filter(view, subtask, "cuisine", [None, *catalogue.cuisines]),
            PRICE: _filter(view, subtask, PRICE, MEAL_PRICES),
            "limit": schemas.one_of([5]),
        }
    )


def _transfer(view: View, subtask: Subtask, catalogue: Catalogue) -> JsonObject:
    places: list[JsonValue] = [*view.task.must_visit, *view.facts.hotels, *view.facts.attractions]
    if view.task.hotel_district:
        places.append(view.task.hotel_district)
    known_places = schemas.one_of(places or [*catalogue.districts[:6]])
    return schemas.closed({"origin": known_places, "destination": known_places})


NARROWED: Mapping[str, Narrow] = {
    "ticket_availability": _ticket,
    "attraction_lookup": _lookup,
    "opening_calendar": _calendar,
    "recommend_attractions": _recommend,
    "hotel_search": _hotel,
    "restaurant_search": _restaurant,
    "transfer_estimate": _transfer,
}
"""By tool: the schema of its arguments on this trip."""
