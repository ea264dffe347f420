from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, cast

import pytest
from autogen_core.memory import MemoryContent, MemoryMimeType
from pydantic import JsonValue

from agents.limits import Limits
from agents.messages import Amendment, JsonObject, Request, Scene
from runtime.errors import MissingInput
from scenarios.travel.domain import DATA, TravelDomain
from scenarios.travel.itinerary import TripResult
from tests.agents.team import Cast, Evident, Policy, PolicyModel, evident, first
from tools.execute import Surroundings
from tools.faults import parse_faults
from tools.registry import ToolRegistry
from tools.tool import tool
from tools.travel.catalogue import load_catalogue
from tools.travel.tools import travel_tools

FAMILY = (
    "我们一家三口（孩子5岁）2026年12月5日到北京玩3天，预算5000元，"
    "想去故宫和中国科学技术馆，住东城区，要有家庭房，别太赶。"
)
READ: JsonObject = {
    "destination": "北京",
    "days": 3,
    "budget_cny": 5000,
    "people": 3,
    "child_ages": [5],
    "start_date": "2026年12月5日",
    "must_visit": ["故宫", "中国科学技术馆"],
    "hotel_district": "东城区",
    "wishes": ["家庭房", "别太赶"],
}
PALACE, SCIENCE = "故宫博物院", "中国科学技术馆"


def subtask(tool_name: str, about: str, success: str, alternative: str, *needs: str) -> JsonValue:
    return {
        "tool": tool_name,
        "about": about,
        "needs": list(needs),
        "success": success,
        "alternative": alternative,
    }


SUBTASKS: list[JsonValue] = [
    subtask("ticket_availability", PALACE, "有票", "国家自然博物馆"),
    subtask("recommend_attractions", "亲子景点", "至少3个", "不限城区"),
    subtask("hotel_search", "酒店", "至少1家", "不限价格", "s1"),
]
PLAN: JsonValue = {"subtasks": SUBTASKS}


async def _pause(_seconds: float) -> None:
    """Retries need not wait in tests."""


def tools(*faults: JsonObject) -> list[Evident]:
    registry = ToolRegistry(travel_tools(load_catalogue(DATA)))
    return evident(registry.wrapped(around=Surroundings(parse_faults(list(faults)), _pause)))


def decides(schema: JsonObject) -> set[str]:
    """What a schema asks for."""
    properties = schema.get("properties")
    return set(properties) if isinstance(properties, dict) else set()


def thoughtful(prompt: str, schema: JsonObject) -> JsonValue:
    """Reads the request as written and takes the first of everything that is offered."""
    if "child_ages" in decides(schema):
        return READ
    if "subtasks" in decides(schema) and "还缺" not in prompt:
        return PLAN
    return first(schema)


def days(schema: JsonObject) -> list[dict[str, Any]]:
    """The ways in which a day's visits may be answered, one for each first visit."""
    visits_ = cast(Any, schema)["properties"]["visits"]
    return cast(list[dict[str, Any]], visits_.get("anyOf", [visits_]))


def firsts(schema: JsonObject) -> list[str]:
    """The visits that a day may begin with."""
    return [day["prefixItems"][0]["enum"][0] for day in days(schema)]


def seconds(schema: JsonObject, name: str) -> list[str]:
    """The visits that may follow the first one."""
    items = days(schema)[firsts(schema).index(name)]["items"]
    return cast(list[str], items["enum"]) if items else []


def team(policy: Policy, *faults: JsonObject) -> tuple[Cast, PolicyModel]:
    model = PolicyModel(policy)
    return Cast(model, TravelDomain(), tools(*faults)), model


async def trip(policy: Policy, *faults: JsonObject, rounds: int = 2) -> TripResult:
    cast_, _ = team(policy, *faults)
    cast_.limits = Limits(rounds=rounds)
    return TripResult.model_validate(await cast_.answer(Request(text=FAMILY)))


def failed(result: TripResult) -> list[str]:
    return [check.name for check in result.checks if not check.passed]


def visits(result: TripResult) -> dict[str, list[str]]:
    return {day.date.isoformat(): [item.name for item in day.items if item.kind == "visit"] for day in result.plan.days}


def flat(groups: Iterable[Iterable[str]]) -> set[str]:
    return {name for group in groups for name in group}


async def test_the_family_trip_passes_all_checks() -> None:
    result = await trip(thoughtful)
    assert failed(result) == []
    assert flat(visits(result).values()) >= {PALACE, SCIENCE}
    assert result.plan.hotel is not None
    assert result.plan.hotel.district == "东城区"
    assert result.usage.model_calls <= 20


async def test_everything_that_is_printed_names_the_step_that_it_came_from() -> None:
    result = await trip(thoughtful)
    stated = [item for day in result.plan.days for item in day.items if item.kind != "rest"]
    assert stated
    assert all(step.startswith("step") for item in stated for step in item.evidence)
    assert all(item.evidence for item in stated)
    assert result.plan.hotel is not None and result.plan.hotel.evidence


async def test_without_evidence_nothing_is_printed() -> None:
    mute = ToolRegistry(travel_tools(load_catalogue(DATA))).wrapped()
    cast_ = Cast(PolicyModel(thoughtful), TravelDomain(), mute)
    result = TripResult.model_validate(await cast_.answer(Request(text=FAMILY)))
    assert [item for day in result.plan.days for item in day.items] == []
    assert result.plan.hotel is None
    assert "must_visits_present" in failed(result)


async def test_another_hotel_and_other_visits_of_the_models_are_another_plan() -> None:
    def other(prompt: str, schema: JsonObject) -> JsonValue:
        if "hotel" in decides(schema):
            return {"hotel": cast(Any, schema)["properties"]["hotel"]["enum"][-1]}
        return thoughtful(prompt, schema)

    usual, changed = await trip(thoughtful), await trip(other)
    assert usual.plan.hotel is not None and changed.plan.hotel is not None
    assert usual.plan.hotel.name != changed.plan.hotel.name
    assert usual.plan.budget.total_cny != changed.plan.budget.total_cny


def shunning(*names: str) -> Policy:
    """Takes none of these visits unless there is no other."""

    def policy(prompt: str, schema: JsonObject) -> JsonValue:
        others: list[JsonValue] = []
        if "visits" in decides(schema):
            others += [name for name in firsts(schema) if name not in names]
        return {"visits": [others[0]]} if others else thoughtful(prompt, schema)

    return policy


careless = shunning(PALACE, SCIENCE)


async def test_a_model_that_plans_badly_gets_a_bad_plan_that_says_so() -> None:
    result = await trip(careless, rounds=0)
    assert "must_visits_present" in failed(result)
    assert not flat(visits(result).values()) & {PALACE, SCIENCE}


async def test_what_is_missing_goes_back_as_an_amendment_and_is_repaired() -> None:
    cast_, model = team(careless)
    result = TripResult.model_validate(await cast_.answer(Request(text=FAMILY)))
    assert failed(result) == []
    assert flat(visits(result).values()) >= {PALACE, SCIENCE}
    placing = [prompt for prompt, schema, _ in model.calls if "date" in decides(schema)]
    assert any(f"把“{PALACE}”安排进去" in prompt for prompt in placing)


async def test_a_day_offers_neither_what_is_closed_nor_what_does_not_fit() -> None:
    cast_, model = team(thoughtful)
    await cast_.answer(Request(text=FAMILY))
    asked = [(prompt, schema) for prompt, schema, _ in model.calls if "visits" in decides(schema)]
    saturday = next(schema for prompt, schema in asked if "现在排12月5日" in prompt)
    monday = next(schema for prompt, schema in asked if "现在排12月7日" in prompt)
    assert {PALACE, SCIENCE} <= set(firsts(saturday))
    assert SCIENCE not in seconds(saturday, PALACE)
    assert not {PALACE, SCIENCE} & set(firsts(monday))


def sold_out(**when: JsonValue) -> JsonObject:
    return {"tool": "ticket_availability", "when": {"name": PALACE, **when}, "error": "sold_out"}


async def test_sold_out_on_one_day_moves_the_visit_and_says_so() -> None:
    fault: JsonObject = {
        "tool": "ticket_availability",
        "when": {"name": PALACE, "date": "2026-12-05"},
        "error": "sold_out",
    }
    result = await trip(thoughtful, fault)
    assert failed(result) == []
    assert PALACE in visits(result)["2026-12-06"]
    assert any(PALACE in note and "已安排在12月6日" in note for note in result.plan.notes)


async def test_sold_out_on_all_days_takes_the_alternative_and_says_so() -> None:
    result = await trip(thoughtful, sold_out())
    assert failed(result) == ["must_visits_present"]
    planned = flat(visits(result).values())
    assert "国家自然博物馆" in planned and PALACE not in planned
    assert any("按预案改为“国家自然博物馆”" in note for note in result.plan.notes)


async def test_the_alternative_is_asked_for_when_the_model_forgets_it() -> None:
    result = await trip(shunning("国家自然博物馆"), sold_out())
    assert "国家自然博物馆" in flat(visits(result).values())


async def test_a_search_that_fails_is_planned_for_again() -> None:
    def lazy(prompt: str, schema: JsonObject) -> JsonValue:
        if "subtasks" in decides(schema) and "还缺" not in prompt:
            ticket = subtask("ticket_availability", SCIENCE, "有票", "国家自然博物馆")
            return {"subtasks": [*SUBTASKS[:2], ticket]}
        return thoughtful(prompt, schema)

    cast_, model = team(lazy)
    result = TripResult.model_validate(await cast_.answer(Request(text=FAMILY)))
    assert result.plan.hotel is not None
    assert any("没有酒店候选" in prompt for prompt, _, _ in model.calls)


async def test_a_hotel_search_that_never_works_leaves_a_plan_that_says_so() -> None:
    result = await trip(thoughtful, {"tool": "hotel_search", "error": "unavailable"})
    assert result.plan.hotel is None
    assert failed(result) == ["hotel_in_district"]


async def test_an_expensive_hotel_is_given_up_when_the_budget_does_not_bear_it() -> None:
    def spoilt(prompt: str, schema: JsonObject) -> JsonValue:
        if "child_ages" in decides(schema):
            return READ | {"budget_cny": 2600}
        if "hotel" in decides(schema):
            return {"hotel": cast(Any, schema)["properties"]["hotel"]["enum"][-1]}
        return thoughtful(prompt, schema)

    cast_, model = team(spoilt)
    result = TripResult.model_validate(await cast_.answer(Request(text=FAMILY.replace("5000", "2600"))))
    hotels = [text for _, schema, text in model.calls if "hotel" in decides(schema)]
    assert len(hotels) > 1 and hotels[0] != hotels[-1]
    assert "within_budget" not in failed(result)


async def test_what_is_missing_is_asked_of_the_person() -> None:
    def reader(prompt: str, schema: JsonObject) -> JsonValue:
        if "child_ages" in decides(schema) and "总预算多少元" not in prompt:
            return READ | {"budget_cny": None}
        return thoughtful(prompt, schema)

    cast_, _ = team(reader)
    cast_.replies = {"总预算": "5000"}
    result = TripResult.model_validate(await cast_.answer(Request(text=FAMILY.replace("，预算5000元", ""))))
    assert cast_.questions == ["总预算多少元？"]
    assert result.task.budget_cny == 5000


async def test_missing_and_nobody_to_ask_names_the_field() -> None:
    cast_, _ = team(lambda _prompt, _schema: READ | {"budget_cny": None})
    with pytest.raises(MissingInput, match="budget_cny"):
        await cast_.answer(Request(text=FAMILY.replace("，预算5000元", "")))


async def test_the_next_trip_of_the_same_traveller_uses_what_was_learned() -> None:
    def reader(prompt: str, schema: JsonObject) -> JsonValue:
        return READ | {"wishes": []} if "child_ages" in decides(schema) else thoughtful(prompt, schema)

    cast_, model = team(thoughtful)
    await cast_.answer(Request(text=FAMILY))
    calls = len(model.calls)
    again = Cast(PolicyModel(reader), TravelDomain(), tools())
    again.memories = cast_.memories
    await again.answer(Request(text=FAMILY))
    assert all("偏好：别太赶" not in prompt for prompt, _, _ in model.calls[:calls])
    told = [prompt for prompt, _, _ in cast(PolicyModel, again.model).calls]
    assert any("偏好：别太赶" in prompt for prompt in told)
    assert any("上次：北京3天：2026-12-05 故宫博物院" in prompt for prompt in told)


async def test_knowledge_reaches_the_planning_prompt() -> None:
    cast_, model = team(thoughtful)
    await cast_.memories[0].add(MemoryContent(content="故宫周一闭馆", mime_type=MemoryMimeType.TEXT))
    await cast_.answer(Request(text=FAMILY))
    assert "知识：故宫周一闭馆" in model.calls[1][0]


async def test_a_tool_of_ones_own_can_be_planned_and_its_result_is_told() -> None:
    def snow(day: str) -> str:
        """Whether it snows."""
        return f"snow on {day}"

    def curious(prompt: str, schema: JsonObject) -> JsonValue:
        if "subtasks" in decides(schema) and "还缺" not in prompt:
            return {"subtasks": [*SUBTASKS, subtask("snow", "snow", "查到结果", "")]}
        if "'snow'" in str(schema) and "arguments" in str(schema):
            return {"tool": "snow", "arguments": {"day": "2026-12-05"}}
        return thoughtful(prompt, schema)

    registry = ToolRegistry([*travel_tools(load_catalogue(DATA)), tool(snow, effect="read")])
    model = PolicyModel(curious)
    cast_ = Cast(model, TravelDomain(), evident(registry.wrapped()))
    result = TripResult.model_validate(await cast_.answer(Request(text=FAMILY)))
    assert failed(result) == []
    assert any("snow on 2026-12-05" in prompt for prompt, _, _ in model.calls)


async def test_a_calm_pace_offers_two_visits_a_day_and_grown_ups_three() -> None:
    def adults(prompt: str, schema: JsonObject) -> JsonValue:
        if "child_ages" in decides(schema):
            return READ | {"people": 2, "child_ages": [], "wishes": []}
        return first(schema)

    cast_, model = team(thoughtful)
    await cast_.answer(Request(text=FAMILY))
    assert _most_visits(model) == 2
    cast_, model = team(adults)
    await cast_.answer(Request(text=FAMILY.replace("我们一家三口（孩子5岁）", "两个人").replace("，别太赶", "")))
    assert _most_visits(model) == 3


def _most_visits(model: PolicyModel) -> int:
    offered = [days(schema) for _, schema, _ in model.calls if "visits" in decides(schema)]
    return max(int(day["maxItems"]) for variants in offered for day in variants)


def test_a_repair_reopens_only_what_the_amendments_name() -> None:
    choices: JsonObject = {"hotel": {}, "day:2026-12-05": {}, "day:2026-12-06": {}, "meals": {}}
    scene = Scene(task={}, choices=choices)
    domain = TravelDomain()
    hotel = Amendment(decision="hotel", text="")
    assert set(domain.reopen(scene, [hotel])) == {"day:2026-12-05", "day:2026-12-06", "meals"}
    day = Amendment(decision="day:2026-12-06", text="")
    assert set(domain.reopen(scene, [day])) == {"hotel", "day:2026-12-05"}


def test_the_request_is_read_under_a_closed_schema() -> None:
    decision = TravelDomain().perceiving(Request(text=FAMILY), date(2026, 11, 23))
    assert decision.temperature == 0.0
    assert decision.schema["additionalProperties"] is False
