"""The trip on the real engine: journaled, with evidence from the journal, and replayed to the letter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from autogen_core.memory import ListMemory
from autogen_core.tools import Tool

from agents.critic import Critic
from agents.executor import Executor
from agents.messages import Request
from agents.person import Person
from agents.planner import Planner
from agents.retriever import Retriever
from runtime.autogen import TeamBuilder
from runtime.codec import Json, canonical
from runtime.events import AgentName, AgentSlept, StepCompleted, StepStarted
from runtime.journal import MemoryJournal
from runtime.journaled import JournaledMemory, JournaledModel, JournaledTool
from runtime.local import LocalEngine
from runtime.performance import Performance
from runtime.replay import Manner, replay
from runtime.team import Resources, Rest, Team, TeamSpec
from scenarios.travel.domain import DATA, TravelDomain
from scenarios.travel.itinerary import TripResult
from tests.agents.team import PolicyModel
from tests.scenarios.test_travel_domain import FAMILY, failed, thoughtful
from tools.execute import Surroundings
from tools.faults import FaultRule, Faults
from tools.registry import ToolRegistry
from tools.travel.catalogue import load_catalogue
from tools.travel.tools import travel_tools


async def _nobody(_question: str) -> None:
    return None


async def _at_once(_delay_s: float) -> None:
    return None


def _tools(faults: Faults) -> list[Tool]:
    registry = ToolRegistry(travel_tools(load_catalogue(DATA)))
    return registry.wrapped(lambda single: JournaledTool(single, "read"), Surroundings(faults, _at_once))


def _faults(config: Mapping[str, Json]) -> Faults:
    """The injected faults that a run was begun with: by tool, the error and how many attempts meet it."""
    said = {name: cast(list[Any], each) for name, each in config.items() if name != "naps"}
    return Faults(tuple(FaultRule(tool=name, when={}, error=error, times=n) for name, (error, n) in said.items()))


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    model, domain, tools = JournaledModel(PolicyModel(thoughtful), "policy"), TravelDomain(), _tools(_faults(config))
    memories = [JournaledMemory(ListMemory(), name) for name in ("knowledge", "episodes", "preferences")]
    team = TeamBuilder()
    team.add("planner", Planner, lambda: Planner(model, domain, tools))
    team.add("executor", Executor, lambda: Executor(model, domain, tools))
    team.add("critic", Critic, lambda: Critic(model, domain))
    team.add("retriever", Retriever, lambda: Retriever(*memories))
    team.add("person", Person, lambda: Person(_nobody))
    return replace(team.team(), rest=Rest(deliveries=cast(int, config.get("naps", 100))))


async def perform(journal: MemoryJournal, faults: Mapping[str, Json] = {}) -> TripResult:
    request: Json = {"type": "Request", "data": Request(text=FAMILY).model_dump(mode="json")}
    spec = TeamSpec("trip", f"{__name__}:build", faults)
    answer = await LocalEngine(journal).perform(Performance("run1", spec, AgentName("planner"), canonical(request)))
    assert isinstance(answer, dict)
    return TripResult.model_validate(answer["result"])


async def test_what_the_trip_prints_names_steps_of_its_journal() -> None:
    journal = MemoryJournal()
    result = await perform(journal)
    assert failed(result) == []
    steps = {event.step for event in await journal.events("run1") if isinstance(event, StepCompleted)}
    printed = {step for day in result.plan.days for item in day.items for step in item.evidence}
    assert printed and printed <= steps


async def test_the_trip_replays_without_a_difference() -> None:
    journal = MemoryJournal()
    await perform(journal)
    events = await journal.events("run1")
    assert (await replay(journal, "run1")).events == len(events)


async def test_a_trip_with_retries_fallbacks_and_sold_out_tickets_replays() -> None:
    journal = MemoryJournal()
    faults: dict[str, Json] = {"hotel_search": ["unavailable", 1], "ticket_availability": ["timeout", 9]}
    await perform(journal, faults)
    events = await journal.events("run1")
    assert any(event.attempts > 1 for event in events if isinstance(event, StepCompleted)), "something was tried again"
    steps = {event.name for event in events if isinstance(event, StepStarted)}
    assert {"ticket_availability", "opening_calendar"} <= steps, "a fallback was asked"
    assert (await replay(journal, "run1", Manner(is_strict=True))).events == len(events)


async def test_a_trip_whose_agents_sleep_after_each_message_is_the_same_and_replays() -> None:
    journal, awake = MemoryJournal(), MemoryJournal()
    result = await perform(journal, {"naps": 1})
    assert result.plan == (await perform(awake)).plan
    events = await journal.events("run1")
    assert {event.agent.type for event in events if isinstance(event, AgentSlept)} >= {
        "executor",
        "critic",
        "retriever",
    }
    assert (await replay(journal, "run1", Manner(is_strict=True))).events == len(events)


async def test_a_trip_that_was_cut_off_replays_as_far_as_it_came() -> None:
    journal = MemoryJournal()
    await perform(journal)
    events, blobs = await journal.events("run1"), journal._blobs  # pyright: ignore[reportPrivateUsage]
    for length in range(20, len(events), 30):
        cut = MemoryJournal()
        await cut.append("run1", await cut.claim("run1"), events[:length], blobs)
        assert (await replay(cut, "run1")).events == length
