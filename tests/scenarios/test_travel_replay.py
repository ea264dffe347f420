"""The trip on the real engine: journaled, with evidence from the journal, and replayed to the letter."""

from __future__ import annotations

from collections.abc import Mapping

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
from runtime.engine import Performance
from runtime.events import AgentName, StepCompleted
from runtime.journal import MemoryJournal
from runtime.journaled import JournaledMemory, JournaledModel, JournaledTool
from runtime.local import LocalEngine
from runtime.replay import replay
from runtime.team import Resources, Team, TeamSpec
from scenarios.travel.domain import DATA, TravelDomain
from scenarios.travel.itinerary import TripResult
from tests.agents.team import PolicyModel
from tests.scenarios.test_travel_domain import FAMILY, failed, thoughtful
from tools.registry import ToolRegistry
from tools.travel.catalogue import load_catalogue
from tools.travel.tools import travel_tools


async def _nobody(_question: str) -> None:
    return None


def _tools() -> list[Tool]:
    registry = ToolRegistry(travel_tools(load_catalogue(DATA)))
    return registry.wrapped(lambda single: JournaledTool(single, "read"))


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    model, domain, tools = JournaledModel(PolicyModel(thoughtful), "policy"), TravelDomain(), _tools()
    memories = [JournaledMemory(ListMemory(), name) for name in ("knowledge", "episodes", "preferences")]
    team = TeamBuilder()
    team.add("planner", Planner, lambda: Planner(model, domain, tools))
    team.add("executor", Executor, lambda: Executor(model, domain, tools))
    team.add("critic", Critic, lambda: Critic(model, domain))
    team.add("retriever", Retriever, lambda: Retriever(*memories))
    team.add("person", Person, lambda: Person(_nobody))
    return team.team()


async def perform(journal: MemoryJournal) -> TripResult:
    request: Json = {"type": "Request", "data": Request(text=FAMILY).model_dump(mode="json")}
    spec = TeamSpec("trip", f"{__name__}:build", {})
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
