from __future__ import annotations

from autogen_core import AgentId, SingleThreadedAgentRuntime
from pydantic import JsonValue

from agents.critic import Critic
from agents.messages import Fact, JsonObject, Review, Scene, Verdict
from tests.agents.errand import Errand
from tests.agents.team import PolicyModel, scripted

SCENE = Scene(
    task={"thing": "pears", "budget": 5},
    facts=(Fact(tool="market", arguments={}, value={"corner": 3, "palace": 9}, evidence="step1"),),
)


async def reviewed(model: PolicyModel, plan: JsonObject, *, last: bool = False) -> Verdict:
    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
    await Critic.register(runtime, "critic", lambda: Critic(model, Errand()))
    runtime.start()
    verdict = await runtime.send_message(Review(scene=SCENE, plan=plan, last=last), AgentId("critic", "default"))
    await runtime.stop()
    assert isinstance(verdict, Verdict)
    return verdict


async def test_a_failed_check_becomes_an_amendment_without_asking_the_model() -> None:
    model = scripted([])
    verdict = await reviewed(model, {"shop": "palace", "price": 9})
    assert [(check.name, check.passed) for check in verdict.checks] == [("budget", False)]
    assert [(one.decision, one.exclude) for one in verdict.amendments] == [("shop", ("palace",))]
    assert model.calls == []


async def test_the_model_judges_the_whole_when_the_checks_have_passed() -> None:
    verdict = await reviewed(scripted([{"good": False}]), {"shop": "corner", "price": 3})
    assert [(check.name, check.passed) for check in verdict.checks] == [("budget", True), ("judgement", False)]
    assert verdict.spent.model_calls == 1


async def test_the_last_review_is_judged_whatever_the_checks_say() -> None:
    verdict = await reviewed(scripted([{"good": True}]), {"shop": "palace", "price": 9}, last=True)
    assert [(check.name, check.passed) for check in verdict.checks] == [("budget", False), ("judgement", True)]


async def test_a_judgement_that_stays_invalid_is_said_to_be_missing() -> None:
    answers: list[JsonValue | str] = ["no"] * 3
    verdict = await reviewed(scripted(answers), {"shop": "corner", "price": 3})
    assert not verdict.checks[-1].passed
    assert "stays invalid" in verdict.checks[-1].detail
    assert verdict.spent.model_calls == 3
