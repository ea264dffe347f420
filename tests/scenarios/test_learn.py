"""From tool results to facts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from autogen_core import CancellationToken
from pydantic import JsonValue

from runtime.errors import UsageError
from scenarios.travel.checks import criticise
from scenarios.travel.choices import Choices, DayChoice
from scenarios.travel.compose import compose
from scenarios.travel.facts import Facts
from scenarios.travel.itinerary import Party
from scenarios.travel.learn import learn, learn_failure
from scenarios.travel.schedule import needed_transfers
from tests.scenarios.trip import PALACE, SATURDAY, SCIENCE, SUNDAY, TASK, ZOO, attraction
from tools.travel.catalogue import load_catalogue
from tools.travel.tools import travel_tools

BEIJING = Path(__file__).parents[2] / "scenarios/travel/data/beijing"


class Desk:
    """The real travel tools over the real data, and what was learned from them."""

    def __init__(self) -> None:
        self._tools = {tool.name: tool for tool in travel_tools(load_catalogue(BEIJING))}
        self.facts = Facts()
        self._calls = 0

    async def ask(self, tool: str, arguments: Mapping[str, JsonValue]) -> None:
        self._calls += 1
        step = f"step{self._calls}"
        outcome: dict[str, Any] = await self._tools[tool].run_json(arguments, CancellationToken())
        if outcome["status"] == "ok":
            self.facts = learn(self.facts, outcome["tool"], arguments, outcome["value"], step)
        else:
            code, value = outcome["error"]["code"], outcome["value"]
            self.facts = learn_failure(self.facts, tool, arguments, code, value, step)


async def test_a_trip_planned_with_the_real_tools_and_data_passes_every_check() -> None:
    desk = Desk()
    for name in ("故宫", "中国科技馆", "北京动物园"):
        await desk.ask("attraction_lookup", {"name": name})
        await desk.ask("restaurant_search", {"near": name})
        for day in (SATURDAY, SUNDAY):
            asked: dict[str, JsonValue] = {"name": name, "date": str(day), "adults": 2, "child_ages": [5]}
            await desk.ask("ticket_availability", asked)
    await desk.ask("hotel_search", {"district": "东城区", "family_room": True})
    meals = list(desk.facts.restaurants)
    choices = Choices(
        days=(
            DayChoice(date=SATURDAY, visits=("故宫", "北京动物园"), lunch=meals[0], dinner=meals[-1]),
            DayChoice(date=SUNDAY, visits=("中国科技馆",), dinner=meals[-2]),
        ),
        hotel=next(iter(desk.facts.hotels)),
    )
    for origin, destination in needed_transfers(TASK, choices, desk.facts):
        await desk.ask("transfer_estimate", {"origin": origin, "destination": destination})
    verdict = criticise(TASK, choices, desk.facts, compose(TASK, choices, desk.facts))
    assert [check for check in verdict.checks if not check.passed] == []
    assert all(source.summary for source in desk.facts.sources.values())


async def test_a_closed_day_is_learned_from_the_failure() -> None:
    desk = Desk()
    await desk.ask("attraction_lookup", {"name": "国家博物馆"})
    asked: dict[str, JsonValue] = {"name": "国家博物馆", "date": "2026-12-07", "adults": 2, "child_ages": [5]}
    await desk.ask("ticket_availability", asked)
    monday = SUNDAY.replace(day=7)
    ticket = desk.facts.ticket("国家博物馆", monday)
    assert ticket is not None
    assert (ticket.available, ticket.note) == (False, "每周一闭馆")


def test_a_sold_out_answer_without_further_facts_still_tells_that_there_is_no_ticket() -> None:
    known = learn(Facts(), "attraction_lookup", {"name": "故宫"}, attraction(PALACE, aliases="故宫"), "look")
    asked: dict[str, JsonValue] = {"name": "故宫", "date": str(SATURDAY), "adults": 2, "child_ages": [5]}
    told = learn_failure(known, "ticket_availability", asked, "sold_out", None, "office")
    ticket = told.ticket(PALACE, SATURDAY)
    assert ticket is not None
    assert (ticket.available, ticket.note, ticket.evidence) == (False, "已售罄", ("office",))
    assert ticket.is_for(Party(adults=2, children=(5,)))


@pytest.mark.parametrize(("tool", "code"), [("ticket_availability", "timeout"), ("hotel_search", "not_found")])
def test_other_failures_teach_nothing(tool: str, code: str) -> None:
    assert learn_failure(Facts(), tool, {"name": PALACE}, code, None, "step") == Facts()


def test_a_foreign_tool_teaches_nothing() -> None:
    assert learn(Facts(), "weather", {}, {"name": PALACE}, "step") == Facts()


def test_what_is_learned_twice_keeps_both_steps_and_the_fields_of_each() -> None:
    first = learn(Facts(), "recommend_attractions", {}, {"attractions": [{"name": ZOO, "visit_min": 120}]}, "one")
    both = learn(first, "attraction_lookup", {"name": "动物园"}, {"name": ZOO, "category": "zoo"}, "two")
    fact = both.attraction("动物园")
    assert fact is not None
    assert (fact.visit_min, fact.category, fact.evidence) == (120, "zoo", ("one", "two"))


def test_the_calendar_overrules_the_weekly_hours() -> None:
    known = learn(Facts(), "attraction_lookup", {"name": SCIENCE}, attraction(SCIENCE, closed_weekdays="6"), "look")
    closed = known.opening(SCIENCE, SATURDAY)
    assert closed is not None
    assert (closed.open, closed.reason) == (False, "每周六休息")
    days: JsonValue = [{"date": str(SATURDAY), "open": True, "hours": "10:00-12:00"}]
    told = learn(known, "opening_calendar", {"name": SCIENCE}, {"name": SCIENCE, "days": days}, "calendar")
    opening = told.opening(SCIENCE, SATURDAY)
    assert opening is not None
    assert (opening.spans, opening.evidence) == (((600, 720),), ("calendar",))


def test_a_result_that_is_no_fact_names_tool_field_and_value() -> None:
    with pytest.raises(UsageError, match=r"transfer_estimate returned 'soon' as minutes"):
        learn(Facts(), "transfer_estimate", {"origin": "a", "destination": "b"}, {"minutes": "soon"}, "step")
