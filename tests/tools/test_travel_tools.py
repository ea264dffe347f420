"""The eight tools as agents call them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from autogen_core import CancellationToken
from autogen_core.tools import Tool

from tools.execute import Surroundings
from tools.faults import parse_faults
from tools.outcome import ToolOutcome
from tools.registry import ToolRegistry
from tools.travel.catalogue import Catalogue
from tools.travel.tools import travel_tools


async def never(seconds: float) -> None:
    """Waits for nothing."""


async def ask(catalogue: Catalogue, name: str, /, *faults: dict[str, Any], **arguments: Any) -> ToolOutcome:
    registry = ToolRegistry(travel_tools(catalogue))
    tools = {each.name: each for each in registry.wrapped(around=Surroundings(parse_faults(faults), never))}
    return ToolOutcome.model_validate(await tools[name].run_json(arguments, CancellationToken()))


async def value(catalogue: Catalogue, name: str, /, **arguments: Any) -> Any:
    got = await ask(catalogue, name, **arguments)
    assert got.status == "ok", got.error
    return json.loads(json.dumps(got.value))


def schema(each: Tool) -> dict[str, Any]:
    parameters = each.schema.get("parameters")
    assert parameters is not None
    return parameters["properties"]


def test_the_family_has_eight_reading_tools_with_described_parameters(catalogue: Catalogue) -> None:
    registry = ToolRegistry(travel_tools(catalogue))
    registry.check()
    assert registry.names() == [
        "attraction_lookup",
        "recommend_attractions",
        "ticket_availability",
        "opening_calendar",
        "hotel_search",
        "restaurant_search",
        "transfer_estimate",
        "budget_sum",
    ]
    assert {registry.get(name).effect for name in registry.names()} == {"read"}
    for each in registry.wrapped():
        assert all("description" in parameter for parameter in schema(each).values()), each.name


def test_dates_and_categories_are_guided_by_the_schema(catalogue: Catalogue) -> None:
    tools = {each.name: schema(each) for each in travel_tools(catalogue)}
    assert tools["ticket_availability"]["date"]["format"] == "date"
    assert tools["recommend_attractions"]["category"]["anyOf"][0]["enum"][:2] == ["museum", "palace"]


async def test_a_misspelt_attraction_is_looked_up(catalogue: Catalogue) -> None:
    got = await ask(catalogue, "attraction_lookup", name="故官")
    assert isinstance(got.value, dict) and got.value["name"] == "故宫博物院" and got.repairs[0].found == "故官"


async def test_an_unknown_attraction_fails_and_an_unclear_one_is_asked_back(catalogue: Catalogue) -> None:
    unknown, unclear = (
        await ask(catalogue, "attraction_lookup", name="长城"),
        await ask(catalogue, "attraction_lookup", name="地坛"),
    )
    assert (unknown.status, unclear.status) == ("failed", "retry")
    assert unclear.error is not None and "天坛公园" in unclear.error.message


async def test_recommendations_suit_the_child_and_the_district(catalogue: Catalogue) -> None:
    found = await value(catalogue, "recommend_attractions", child_age=3)
    assert [row["name"] for row in found["attractions"]] == ["中国科学技术馆", "天坛公园"]
    found = await value(catalogue, "recommend_attractions", child_age=5, district="东城", limit=1)
    assert [row["district"] for row in found["attractions"]] == ["东城区"]
    found = await value(catalogue, "recommend_attractions", category="科技馆")
    assert [row["category"] for row in found["attractions"]] == ["science"]
    nothing = await ask(catalogue, "recommend_attractions", district="东城区", category="zoo")
    assert nothing.status == "retry" and nothing.error is not None and nothing.error.code == "not_found"


async def test_tickets_for_a_family(catalogue: Catalogue) -> None:
    got = await value(catalogue, "ticket_availability", name="故宫", date="2026-12-05", adults=2, child_ages=[5])
    assert (got["name"], got["date"], got["available"], got["total_cny"]) == ("故宫博物院", "2026-12-05", True, 80)
    assert (got["adults"], got["child_ages"]) == (2, [5])


async def test_tickets_of_a_closed_day_fail_with_facts_for_a_new_plan(catalogue: Catalogue) -> None:
    got = await ask(catalogue, "ticket_availability", name="故宫", date="2026-12-07")
    assert got.status == "failed" and got.error is not None and got.error.code == "closed"
    assert "it is open on 2026-12-08" in got.error.message
    assert isinstance(got.value, dict) and got.value["available"] is False and got.value["next_open"] == "2026-12-08"


@pytest.mark.parametrize("wrong", [{"adults": 0}, {"child_ages": [25]}, {"adults": -1}, {"date": "5 December"}])
async def test_impossible_parties_and_dates_are_asked_back(catalogue: Catalogue, wrong: dict[str, Any]) -> None:
    got = await ask(catalogue, "ticket_availability", **{"name": "故宫", "date": "2026-12-05", **wrong})
    assert got.status == "retry" and got.error is not None and next(iter(wrong)) in got.error.message


async def test_when_the_ticket_office_is_down_the_calendar_answers(catalogue: Catalogue) -> None:
    down = {"tool": "ticket_availability", "error": "unavailable"}
    got = await ask(catalogue, "ticket_availability", down, name="故官", date="2026年12月7日", adults=2)
    assert (got.status, got.tool) == ("ok", "opening_calendar")
    assert isinstance(got.value, dict) and isinstance(got.value["days"], list)
    first = got.value["days"][0]
    assert isinstance(first, dict) and (first["date"], first["open"]) == ("2026-12-07", False)


async def test_sold_out_is_an_answer_and_has_no_fallback(catalogue: Catalogue) -> None:
    rule = {"tool": "ticket_availability", "when": {"name": "故宫"}, "error": "sold_out"}
    got = await ask(catalogue, "ticket_availability", rule, name="紫禁城", date="2026-12-05")
    assert (got.status, got.tool, got.attempts) == ("failed", "ticket_availability", 1)
    assert got.error is not None and got.error.code == "sold_out"


async def test_the_calendar_tells_each_day(catalogue: Catalogue) -> None:
    got = await value(catalogue, "opening_calendar", name="故宫", start_date="2026-12-05", days=3)
    assert [(day["date"], day["open"], day["hours"]) for day in got["days"]] == [
        ("2026-12-05", True, "08:30-16:30"),
        ("2026-12-06", True, "08:30-16:30"),
        ("2026-12-07", False, None),
    ]


async def test_hotels_by_district_price_and_family_room(catalogue: Catalogue) -> None:
    found = await value(catalogue, "hotel_search")
    assert [row["name"] for row in found["hotels"]] == ["湖畔酒店(奥林匹克店)", "东单旅馆"]
    found = await value(catalogue, "hotel_search", district="东城", max_price_cny="500元", family_room=True)
    assert [row["price_cny"] for row in found["hotels"]] == [420]
    got = await ask(catalogue, "hotel_search", district="东城区", max_price_cny=100)
    assert got.status == "retry" and got.error is not None and "must be at least 420" in got.error.message
    got = await ask(catalogue, "hotel_search", district="朝阳区", family_room=True)
    assert got.error is not None and "without family_room" in got.error.message


async def test_restaurants_near_a_place_and_within_a_district(catalogue: Catalogue) -> None:
    found = await value(catalogue, "restaurant_search", near="故宫", max_price_cny=200)
    assert [row["name"] for row in found["restaurants"]] == ["老灶面馆", "金炉烤鸭店"]
    assert found["restaurants"][0]["distance_km"] == 0.28
    found = await value(catalogue, "restaurant_search", near="东城区", cuisine="不限")
    assert [row["name"] for row in found["restaurants"]] == ["金炉烤鸭店", "老灶面馆"]
    assert (await ask(catalogue, "restaurant_search", near="故宫", max_price_cny=1)).status == "retry"


async def test_a_transfer_between_any_two_places(catalogue: Catalogue) -> None:
    got = await value(catalogue, "transfer_estimate", origin="湖畔酒店", destination="故官")
    assert (got["origin"], got["destination"]) == ("湖畔酒店(奥林匹克店)", "故宫博物院")
    assert (got["mode"], got["distance_km"], got["cost_cny"]) == ("地铁", 12.6, 5)


async def test_a_budget_is_added_up_to_the_cent(catalogue: Catalogue) -> None:
    lines = [
        {"name": "门票", "amount_cny": "180元"},
        {"name": "早餐", "amount_cny": 0.1},
        {"name": "水", "amount_cny": 0.2},
    ]
    got = await value(catalogue, "budget_sum", lines=lines)
    assert got["total_cny"] == 180.3 and len(got["lines"]) == 3
    assert (await ask(catalogue, "budget_sum", lines=[])).status == "retry"
