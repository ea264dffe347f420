from __future__ import annotations

import pytest
from autogen_core import AgentId, SingleThreadedAgentRuntime
from autogen_core.tools import Tool
from pydantic import JsonValue

from agents.limits import Limits
from agents.messages import JsonObject, Request
from agents.planner import Planner
from runtime.errors import MissingInput, StepFailed
from tests.agents.errand import Errand
from tests.agents.stalls import Stall, no, ok
from tests.agents.team import Cast, PolicyModel, scripted

WISH: JsonValue = {"thing": "pears", "budget": 5}
GOOD: JsonValue = {"good": True}


def step(tool: str, *needs: str, instead: str = "") -> JsonValue:
    return {"tool": tool, "needs": list(needs), "instead": instead}


def planned(*steps: JsonValue) -> JsonValue:
    return {"subtasks": list(steps)}


def ask(tool: str) -> JsonValue:
    return {"tool": tool, "arguments": {"thing": "pears"}}


Answers = list[JsonValue | str]


def cast(answers: Answers, *stalls: Tool) -> tuple[Cast, PolicyModel]:
    model = scripted(answers)
    return Cast(model, Errand(), [*stalls, Stall("way", ok({"minutes": 5}, "way1"))]), model


async def test_a_request_goes_all_the_way_to_an_answer() -> None:
    team, _ = cast(
        [WISH, planned(step("market")), ask("market"), {"shop": "corner"}, GOOD], Stall("market", ok({"corner": 3}))
    )
    result = await team.answer(Request(text="pears please"))
    assert result["plan"] == {"shop": "corner", "price": 3}
    assert result["spent"] == {"model_calls": 5, "tool_calls": 2, **_tokens(result)}


def _tokens(result: JsonObject) -> JsonObject:
    spent = result["spent"]
    assert isinstance(spent, dict)
    return {name: spent[name] for name in ("input_tokens", "output_tokens")}


async def test_another_choice_of_the_model_is_another_plan() -> None:
    market = ok({"corner": 3, "square": 4})
    team, _ = cast([WISH, planned(step("market")), ask("market"), {"shop": "square"}, GOOD], Stall("market", market))
    assert (await team.answer(Request(text="pears")))["plan"] == {"shop": "square", "price": 4}


async def test_a_failed_check_comes_back_as_an_amendment_that_narrows_the_choice() -> None:
    answers: Answers = [WISH, planned(step("market")), ask("market"), {"shop": "palace"}, {"shop": "corner"}, GOOD]
    team, model = cast(answers, Stall("market", ok({"corner": 3, "palace": 9})))
    result = await team.answer(Request(text="pears"))
    assert result["plan"] == {"shop": "corner", "price": 3}
    prompt, schema, _ = model.calls[4]
    assert "too dear" in prompt
    assert schema["properties"] == {"shop": {"enum": ["corner"]}}


async def test_what_still_fails_after_the_rounds_is_said_openly() -> None:
    answers: Answers = [WISH, planned(step("market")), ask("market"), {"shop": "palace"}, GOOD]
    team, _ = cast(answers, Stall("market", ok({"palace": 9})))
    team.limits = Limits(rounds=0)
    result = await team.answer(Request(text="pears"))
    assert result["plan"] == {"shop": "palace", "price": 9}
    assert {"name": "budget", "passed": False, "detail": "9 of 5"} in _checks(result)


def _checks(result: JsonObject) -> list[JsonValue]:
    checks = result["checks"]
    assert isinstance(checks, list)
    return checks


async def test_a_choice_that_stays_invalid_is_left_open_and_the_checks_say_so() -> None:
    bad: JsonValue = {"shop": "nowhere"}
    answers: Answers = [WISH, planned(step("market")), ask("market"), bad, bad, bad, GOOD]
    team, _ = cast(answers, Stall("market", ok({"corner": 3})))
    team.limits = Limits(rounds=0)
    result = await team.answer(Request(text="pears"))
    assert result["plan"] == {"shop": None, "price": None}
    assert {"name": "budget", "passed": False, "detail": "None of 5"} in _checks(result)


async def test_gaps_in_the_facts_are_planned_for_again() -> None:
    answers: Answers = [
        WISH,
        planned(step("market")),
        ask("market"),
        planned(step("shop")),
        ask("shop"),
        {"shop": "s"},
        GOOD,
    ]
    team, model = cast(answers, Stall("market", no("closed")), Stall("shop", ok({"s": 2})))
    assert (await team.answer(Request(text="pears")))["plan"] == {"shop": "s", "price": 2}
    assert "no offer yet" in model.calls[3][0]


async def test_subtasks_see_what_those_that_they_need_have_found() -> None:
    plan = planned(step("market"), step("shop", "s1"))
    answers: Answers = [WISH, plan, ask("market"), ask("shop"), {"shop": "corner"}, GOOD]
    team, model = cast(answers, Stall("market", ok({"corner": 3})), Stall("shop", ok({"s": 5})))
    await team.answer(Request(text="pears"))
    assert "corner" not in model.calls[2][0]
    assert "{'corner': 3}" in model.calls[3][0]


async def test_a_plan_with_a_cycle_gets_a_repair_turn() -> None:
    cycle, straight = planned(step("market", "s1")), planned(step("market"))
    team, model = cast([WISH, cycle, straight, ask("market"), {"shop": "c"}, GOOD], Stall("market", ok({"c": 3})))
    assert (await team.answer(Request(text="pears")))["plan"] == {"shop": "c", "price": 3}
    assert "成环" in model.calls[2][0]


async def test_more_subtasks_than_the_limit_get_a_repair_turn() -> None:
    many = planned(*[step("market")] * 7)
    team, model = cast(
        [WISH, many, planned(step("market")), ask("market"), {"shop": "c"}, GOOD], Stall("market", ok({"c": 3}))
    )
    await team.answer(Request(text="pears"))
    assert "7 个" in model.calls[2][0]


async def test_what_is_missing_is_asked_and_read_again_with_the_answer() -> None:
    answers: Answers = [{"thing": None, "budget": 5}, WISH, planned(step("market")), ask("market"), {"shop": "c"}, GOOD]
    team, model = cast(answers, Stall("market", ok({"c": 3})))
    team.replies = {"buy": "pears"}
    await team.answer(Request(text="shopping"))
    assert team.questions == ["What shall I buy?"]
    assert "shopping\nWhat shall I buy?pears" in model.calls[1][0]


async def test_missing_and_nobody_to_ask_fails_with_the_fields_name() -> None:
    team, _ = cast([{"thing": None, "budget": 5}])
    with pytest.raises(MissingInput) as missing:
        await team.answer(Request(text="shopping"))
    assert missing.value.field == "thing"


async def test_a_model_that_cannot_read_the_request_fails_the_run() -> None:
    team, _ = cast(["what?"] * 3)
    with pytest.raises(StepFailed, match="perceive"):
        await team.answer(Request(text="pears"))


async def test_the_next_request_of_the_same_person_knows_what_was_learned() -> None:
    once: Answers = [WISH, planned(step("market")), ask("market"), {"shop": "corner"}, GOOD]
    team, model = cast([*once, *once], Stall("market", ok({"corner": 3})))
    await team.answer(Request(text="pears"))
    await team.answer(Request(text="pears again"))
    assert "likes short ways" not in model.calls[1][0]
    assert "likes short ways" in model.calls[6][0]


async def test_agents_without_a_state_sleep_and_wake_without_a_word() -> None:
    runtime = SingleThreadedAgentRuntime()
    await Planner.register(runtime, "planner", lambda: Planner(scripted([]), Errand()))
    planner = await runtime.try_get_underlying_agent_instance(AgentId("planner", "default"), Planner)
    assert await planner.save_state() == {}
    await planner.load_state({})
