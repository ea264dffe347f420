"""Performs a scenario: everything is checked and made ready, the run is watched, its results are shown and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agents.messages import Request
from memory.ingest import ingest
from repertory import results
from repertory.check import check_scenario
from repertory.evidence import evidence_of, step_ids
from repertory.live import Watcher, watching
from repertory.model_choice import Choice, choose_model
from repertory.output import as_json, print_json, say
from repertory.pages import pages_of, print_page
from repertory.recording import recording_of
from repertory.records import opened
from repertory.settings import Settings
from runtime import clock
from runtime.codec import Json
from runtime.engine import Engine, Performance
from runtime.errors import BudgetExceeded, RunError
from runtime.events import AgentName
from runtime.journal import Journal
from runtime.letters import Letters
from scenarios.build import TeamConfig, knowledge_name, open_memory
from scenarios.load import LoadedScenario
from scenarios.scenario import AGENT_KINDS, Scenario


@dataclass(frozen=True)
class Order:
    """What a person asked for."""

    loaded: LoadedScenario
    engine: Literal["ray", "local"]
    out: Path
    """The directory of the results."""
    hosts: int = 3
    """How many Ray actors host the agents."""
    record: Path | None = None
    """Where to keep the model's answers."""
    json: bool = False


async def perform(order: Order, settings: Settings) -> int:
    """Perform a scenario and return the exit code: 0 when it is done, 1 when it ended with less than was asked for.

    Raises:
        UsageError: something that it needs is missing; nothing was performed.
        RunError: it failed; the journal says how.
    """
    loaded = order.loaded
    check_scenario(loaded)
    results.prepare(order.out, "--out")
    if order.record is not None:
        results.prepare(order.record.parent, "--record")
    choice = choose_model(loaded, settings)
    await learn_knowledge(loaded.scenario, settings)
    run = clock.new_id()
    async with opened(settings.journal) as journal:
        result = await _result(order, settings, choice, journal, run)
        await _keep(order, journal, run, result)
    is_done = not isinstance(result, Mapping) or result.get("status", "done") == "done"
    return 0 if is_done else 1


async def learn_knowledge(scenario: Scenario, settings: Settings) -> None:
    """Bring the long-term memory up to date with the scenario's documents."""
    if scenario.memory.knowledge is None:
        return
    folder = scenario.memory.knowledge
    knowledge = open_memory(settings.memory, scenario.memory).knowledge(knowledge_name(folder))

    def tell(done: int, total: int) -> None:
        if total:
            say(f"knowledge: {done} of {total} passages learned")

    await ingest(knowledge, Path(folder), progress=tell)


async def _result(order: Order, settings: Settings, choice: Choice, journal: Journal, run: str) -> Json:
    """Performs the run under its limit of time."""
    limit_s = order.loaded.scenario.limits.wall_s
    try:
        with watching(order.json) as watcher:
            performance = _performance(order, settings, choice, run, watcher)
            async with asyncio.timeout(limit_s):
                return _inner(await _engine(order, settings, journal).perform(performance))
    except TimeoutError:
        raise BudgetExceeded(f"run {run}: took {limit_s:g} s, which is limits.wall_s; raise it to go on") from None
    except RunError as error:
        if order.json:
            print_json({"run": run, "status": "failed", "error": str(error)})
        say(f"run {run} failed; `repertory runs show {run[:8]}` tells how far it came")
        raise


def _inner(answer: Json) -> Json:
    """The result that the answer of a planner holds; another agent's answer is the result itself."""
    return answer["result"] if isinstance(answer, Mapping) and set(answer) == {"result"} else answer


def _performance(order: Order, settings: Settings, choice: Choice, run: str, watcher: Watcher) -> Performance:
    scenario = order.loaded.scenario
    config = TeamConfig(
        scenario=scenario,
        folder=str(order.loaded.path.parent),
        model=choice.source,
        memory=str(settings.memory) if scenario.memory.remember or scenario.memory.knowledge else None,
    )
    return Performance(
        run=run,
        spec=config.spec(),
        recipient=first_recipient(scenario),
        payload=first_message(scenario),
        secrets=choice.secrets,
        ask=watcher.ask,
        on_event=watcher.on_event,
    )


def first_recipient(scenario: Scenario) -> AgentName:
    """The agent that is given the request; those of the cast go by their kind, others by their name."""
    kind = scenario.agents[scenario.start].kind
    return AgentName(kind if kind in AGENT_KINDS else scenario.start)


def first_message(scenario: Scenario) -> bytes:
    """The request as the engine sends it."""
    letters = Letters()
    letters.add_type(Request)
    return letters.encode(Request(text=scenario.request.strip(), inputs=scenario.inputs))


def _engine(order: Order, settings: Settings, journal: Journal) -> Engine:
    if order.engine == "local":
        from runtime.local import LocalEngine

        return LocalEngine(journal)
    from runtime.cluster import RayEngine
    from runtime.ray_local import ensure_ray

    ray = ensure_ray(settings.home, progress=say)
    return RayEngine(ray.address, settings.journal, hosts=order.hosts)


async def _keep(order: Order, journal: Journal, run: str, result: Json) -> None:
    """Writes the result and its pages, and shows the plan."""
    events = await journal.events(run)
    steps = await evidence_of(journal, events, step_ids(result))
    pages = pages_of(order.loaded, result, steps)
    paths = results.write_all(order.out, {**pages, "result.json": as_json(result)})
    if order.record is not None:
        recording = await recording_of(journal, events)
        paths += results.write_all(order.record.parent, {order.record.name: recording})
    if order.json:
        print_json(result)
    else:
        print_page(pages, result)
        say(f"\nwritten: {', '.join(map(str, paths))}; `repertory runs show {run[:8]}` tells how it came to be")
