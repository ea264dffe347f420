"""What a run may use: refused before it happens, counted from the record, and raised by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from runtime.budget import Budget, Meter, Price, estimated_tokens
from runtime.codec import Json
from runtime.errors import BudgetExceeded
from runtime.events import LimitsRaised, StepCompleted, StepStarted
from runtime.journal import MemoryJournal
from runtime.local import LocalEngine
from runtime.people import raise_limits
from runtime.performance import recorded_performance
from runtime.replay import replay
from tests.runtime.teams import EFFECTS, performance


def call(step: str, tokens: int) -> StepStarted:
    return StepStarted(step=step, delivery="d", kind="model", name="qwen", request="q", is_metered=True, tokens=tokens)


def done(step: str, usage: Mapping[str, int]) -> StepCompleted:
    return StepCompleted(step=step, delivery="d", result="r", usage=dict(usage))


def test_tokens_count_what_was_used_what_is_under_way_and_the_next_prompt() -> None:
    meter = Meter(Budget(tokens=100))
    meter.apply(call("a", 60))
    assert meter.refusal(call("b", 40)) is None
    refusal = meter.refusal(call("b", 41))
    assert refusal is not None and "limits.tokens is 100: 60 used" in refusal.reason
    meter.apply(done("a", {"input_tokens": 30, "output_tokens": 20}))
    assert meter.refusal(call("b", 50)) is None


def test_money_is_counted_by_the_models_price() -> None:
    meter = Meter(Budget(cost=1.0, prices={"qwen": Price(input=1.0, output=3.0)}))
    meter.apply(call("a", 1))
    meter.apply(done("a", {"input_tokens": 100_000, "output_tokens": 200_000}))
    assert meter.used["cost"] == pytest.approx(0.7)
    assert meter.refusal(call("b", 300_000)) is None
    refusal = meter.refusal(call("b", 400_000))
    assert refusal is not None and refusal.why == "budget"
    meter.apply(LimitsRaised(limits={"cost": 2.0}))
    assert meter.refusal(call("b", 400_000)) is None


def test_an_estimate_rounds_up() -> None:
    assert [estimated_tokens(size) for size in (0, 1, 4, 5)] == [0, 1, 1, 2]


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_a_run_stops_before_the_call_that_would_exceed_its_limit_and_goes_on_with_more(limit: int) -> None:
    EFFECTS.clear()
    journal = MemoryJournal()
    budget: dict[str, Json] = {"tool_calls": limit}
    with pytest.raises(BudgetExceeded, match=f"limits.tool_calls is {limit}"):
        await LocalEngine(journal).perform(performance("run", "eager", budget=budget))
    assert len(EFFECTS) == limit
    resumed = replace(await recorded_performance(journal, "run"), quiet_s=0.02)
    with pytest.raises(BudgetExceeded):
        await LocalEngine(journal).perform(resumed)
    assert len(EFFECTS) == limit
    await raise_limits(journal, "run", {"tool_calls": 4})
    assert await LocalEngine(journal).perform(resumed) == "four"
    assert sorted(EFFECTS) == ["four", "one", "three", "two"], "nothing was done twice"
    await replay(journal, "run")
