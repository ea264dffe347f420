from __future__ import annotations

from collections.abc import Sequence

from autogen_core import AgentId, SingleThreadedAgentRuntime
from autogen_core.models import ChatCompletionClient
from autogen_core.tools import Tool
from pydantic import BaseModel, JsonValue

from agents.executor import Executor
from agents.messages import Assignment, Call, Finding, LookUp, Scene, Subtask
from agents.outcome import read_outcome
from tests.agents.errand import Errand
from tests.agents.stalls import Stall, no, ok
from tests.agents.team import scripted

PEARS: JsonValue = {"tool": "market", "arguments": {"thing": "pears"}}


def assignment(alternative: str = "") -> Assignment:
    subtask = Subtask(id="s1", goal="ask market", tool="market", success="an offer", alternative=alternative)
    return Assignment(scene=Scene(task={"thing": "pears", "budget": 5}), subtask=subtask)


async def told(model: ChatCompletionClient, tools: Sequence[Tool], message: BaseModel) -> Finding:
    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
    await Executor.register(runtime, "executor", lambda: Executor(model, Errand(), tools))
    runtime.start()
    finding = await runtime.send_message(message, AgentId("executor", "1"))
    await runtime.stop()
    assert isinstance(finding, Finding)
    return finding


async def test_a_subtask_becomes_a_fact_with_the_step_that_proves_it() -> None:
    finding = await told(scripted([PEARS]), [Stall("market", ok({"corner": 3}, "step7"))], assignment())
    assert [(fact.tool, fact.value, fact.evidence) for fact in finding.facts] == [("market", {"corner": 3}, "step7")]
    assert finding.failures == ()
    assert (finding.spent.model_calls, finding.spent.tool_calls) == (1, 1)


async def test_a_tool_that_says_retry_gives_the_model_its_correction() -> None:
    market = Stall("market", no("invalid_arguments", status="retry"), ok({"corner": 3}))
    plums: JsonValue = {"tool": "market", "arguments": {"thing": "plums"}}
    model = scripted([PEARS, plums])
    finding = await told(model, [market], assignment())
    assert market.asked == ["pears", "plums"]
    assert "it is invalid_arguments" in model.calls[1][0]
    assert finding.failures == ()
    assert (finding.spent.model_calls, finding.spent.tool_calls) == (2, 2)


async def test_a_tool_that_is_never_content_is_reported_after_the_repair_turns() -> None:
    market = Stall("market", no("not_found", status="retry"))
    finding = await told(scripted([PEARS, PEARS, PEARS]), [market], assignment())
    assert [failure.code for failure in finding.failures] == ["not_found"]
    assert finding.facts == ()
    assert finding.spent.tool_calls == 3


async def test_a_failure_gives_the_alternative_its_turn_and_is_told() -> None:
    market, shop = Stall("market", no("sold_out")), Stall("shop", ok({"shop": 4}))
    model = scripted([PEARS, {"tool": "shop", "arguments": {"thing": "pears"}}])
    finding = await told(model, [market, shop], assignment(alternative="shop"))
    assert [fact.tool for fact in finding.facts] == ["shop"]
    assert [(failure.tool, failure.code) for failure in finding.failures] == [("market", "sold_out")]


async def test_a_result_that_misses_the_success_criterion_counts_as_failed() -> None:
    market, shop = Stall("market", ok({})), Stall("shop", ok({"shop": 4}))
    model = scripted([PEARS, {"tool": "shop", "arguments": {"thing": "pears"}}])
    finding = await told(model, [market, shop], assignment(alternative="shop"))
    assert [failure.code for failure in finding.failures] == ["empty"]
    assert [fact.tool for fact in finding.facts] == ["market", "shop"]


async def test_arguments_that_the_tool_repaired_are_the_facts_arguments() -> None:
    repaired = ok({"corner": 3}) | {"repairs": [{"field": "thing", "found": "peers", "used": "pears"}]}
    peers: JsonValue = {"tool": "market", "arguments": {"thing": "peers"}}
    finding = await told(scripted([peers]), [Stall("market", repaired)], assignment())
    assert finding.facts[0].arguments == {"thing": "pears"}


async def test_look_ups_ask_no_model_and_keep_their_order() -> None:
    calls = tuple(Call(tool="market", arguments={"thing": thing}) for thing in ("a", "b"))
    market = Stall("market", ok({"first": 1}), no("closed"))
    finding = await told(scripted([]), [market], LookUp(calls=calls))
    assert [fact.value for fact in finding.facts] == [{"first": 1}]
    assert [failure.arguments for failure in finding.failures] == [{"thing": "b"}]
    assert finding.spent.model_calls == 0


async def test_a_planned_tool_that_does_not_exist_is_a_failure() -> None:
    finding = await told(scripted([]), [], assignment())
    assert [failure.code for failure in finding.failures] == ["not_found"]


def test_a_tool_that_knows_no_outcomes_has_simply_succeeded() -> None:
    outcome = read_outcome({"price": 3})
    assert (outcome.status, outcome.value) == ("ok", {"price": 3})
    assert read_outcome("plain").value == "plain"
    assert read_outcome(Call(tool="a", arguments={})).value == {"tool": "a", "arguments": {}}
