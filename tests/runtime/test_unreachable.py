"""Steps that cannot reach what they need: the run stands still, what is under way ends, and it can be gone on with."""

from __future__ import annotations

import asyncio

import pytest

from runtime import steps
from runtime.codec import Json, canonical
from runtime.errors import Unreachable
from runtime.events import RunCompleted, RunInterrupted, StepCompleted, StepStarted
from runtime.journal import MemoryJournal
from runtime.local import LocalEngine
from runtime.performance import recorded_performance
from runtime.replay import replay
from runtime.steps import StepCall, StepResult
from tests.runtime import teams
from tests.runtime.teams import Scripted, effect, performance


@pytest.mark.parametrize("is_metered", [False, True], ids=["free", "metered"])
async def test_what_is_under_way_ends_nothing_new_begins_and_the_step_is_performed_again(
    monkeypatch: pytest.MonkeyPatch, is_metered: bool
) -> None:
    is_back, tried, is_told = False, 0, asyncio.Event()

    async def reach(_: str) -> StepResult:
        nonlocal tried
        tried += 1
        if is_back:
            return StepResult("there")
        is_told.set()
        raise Unreachable("the server of sk-secret is down")

    async def slow(_: str) -> StepResult:
        await is_told.wait()
        await asyncio.sleep(0.01)
        return StepResult("slow")

    async def traveller(self: Scripted, data: dict[str, Json]) -> Json:
        model = StepCall("model", "far", canonical("ask"), reach, is_metered=is_metered)
        found = await asyncio.gather(
            steps.perform(model), steps.perform(StepCall("tool", "slow", canonical("slow"), slow, "irreversible"))
        )
        return [*(each.value for each in found), await effect("book", "irreversible")]

    monkeypatch.setitem(teams.HANDLERS, "echo", traveller)
    teams.EFFECTS.clear()
    journal = MemoryJournal()
    with pytest.raises(Unreachable, match="was stopped: the server"):
        await LocalEngine(journal).perform(performance("run", "echo"))
    events = await journal.events("run")
    [left] = [event for event in events if isinstance(event, RunInterrupted)]
    names = {event.step: event.name for event in events if isinstance(event, StepStarted)}
    assert (left.why, names[left.step]) == ("unreachable", "far")
    assert [names[event.step] for event in events if isinstance(event, StepCompleted)] == ["slow"]
    assert teams.EFFECTS == []
    is_back = True
    answer = await LocalEngine(journal).perform(await recorded_performance(journal, "run"))
    assert answer == ["there", "slow", "book"]
    assert (tried, teams.EFFECTS) == (2, ["book"])
    assert isinstance((await journal.events("run"))[-1], RunCompleted)
    assert (await replay(journal, "run")).is_whole
