"""Performs a scenario: everything is checked and made ready, the run is watched, its results are shown and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from agents.messages import Request
from memory.ingest import ingest
from repertory import results
from repertory.asked import asked_as_json, lines, undo_report, who
from repertory.check import check_scenario
from repertory.deployment import served
from repertory.evidence import evidence_of, step_ids
from repertory.limits import WALL
from repertory.live import watching
from repertory.model_choice import Choice, choose_model, known_name
from repertory.output import as_json, print_json, say
from repertory.pages import pages_of, print_page
from repertory.recording import recording_of
from repertory.records import chosen, opened
from repertory.settings import Settings
from repertory.traces import both, traced
from runtime import clock
from runtime.codec import Json
from runtime.errors import (
    BudgetExceeded,
    ClusterLost,
    RunAborted,
    RunError,
    Unreachable,
    UsageError,
    WaitingForPerson,
)
from runtime.events import AgentName, RunAborting, StepDecided
from runtime.journal import Journal
from runtime.letters import Letters
from runtime.people import raise_limits
from runtime.performance import Engine, Performance, recorded_performance
from scenarios.equipment import knowledge_name, open_memory
from scenarios.kept_data import KeptData
from scenarios.load import LoadedScenario
from scenarios.outside import tool_secrets
from scenarios.scenario import AGENT_KINDS, Scenario
from scenarios.team_config import BUILDER, TeamConfig
from serving.blueprint import ServeRequest
from tools.listed import ListedTool


@dataclass(frozen=True)
class Resumption:
    """How a person wants a run performed."""

    engine: Literal["ray", "local"]
    out: Path | None
    """The directory of the results; none: `out/` and the scenario's name."""
    hosts: int = 3
    """How many Ray actors host the agents."""
    json: bool = False
    limits: Mapping[str, float] = field(default_factory=dict[str, float])
    """New limits for a run that is gone on with, by name."""
    endpoint: str | None = None
    """Where the model of a run that is gone on with answers now; None: where it did."""


@dataclass(frozen=True, kw_only=True)
class Order(Resumption):
    """What a person asked for."""

    loaded: LoadedScenario
    out: Path
    """The directory of the results."""
    record: Path | None = None
    """Where to keep the model's answers."""


@dataclass(frozen=True)
class Stage:
    """What a run is performed for: its scenario, where that lies, and what is to become of the result."""

    scenario: Scenario
    folder: Path
    order: Resumption


async def perform(order: Order, settings: Settings) -> int:
    """Perform a scenario and return the exit code: 0 when it is done, 1 when it ended with less than was asked for.

    Raises:
        UsageError: something that it needs is missing; nothing was performed.
        RunError: it failed; the journal says how.
    """
    loaded = order.loaded
    listed = await check_scenario(loaded, settings.variables)
    results.prepare(order.out, "--out")
    if order.record is not None:
        results.prepare(order.record.parent, "--record")
    choice = choose_model(loaded, settings)
    await learn_knowledge(loaded.scenario, settings)
    performance = performance_of(loaded, settings, choice, listed)
    stage = Stage(loaded.scenario, loaded.path.parent, order)
    async with opened(settings.journal) as journal:
        return await play(stage, performance, settings, journal)


async def resume(name: str, order: Resumption, settings: Settings) -> int:
    """Go on with a run that did not end, and return the exit code as `perform` does.

    Raises:
        UsageError: there is no such run, it has ended, or its results cannot be written.
        RunError: it failed; the journal says how.
    """
    async with opened(settings.journal) as journal:
        found = chosen(await journal.runs(), name)
        if found.status in ("done", "failed"):
            raise UsageError(f"run {found.run[:8]} has ended ({found.status}); nothing is left to resume")
        recorded = await recorded_performance(journal, found.run)
        if recorded.spec.builder != BUILDER:
            from repertory.team_runs import resume_team

            return await resume_team(recorded, order, settings, journal)
        config = TeamConfig.model_validate(recorded.spec.config, strict=False)
        stage, found_at = stage_of(config, order, settings)
        if recordable := {limit: value for limit, value in order.limits.items() if limit != WALL}:
            await raise_limits(journal, found.run, recordable)
        return await play(stage, found_at.given_to(recorded), settings, journal)


@dataclass(frozen=True)
class Surroundings:
    """What a run that is on record needs and its record does not say."""

    secrets: Mapping[str, str] = field(repr=False)
    addresses: Mapping[str, str]

    def given_to(self, performance: Performance) -> Performance:
        """The performance with all of it."""
        return replace(performance, secrets=self.secrets, addresses=self.addresses)


def stage_of(config: TeamConfig, order: Resumption, settings: Settings) -> tuple[Stage, Surroundings]:
    """The stage of a run that is on record, made ready, and what it needs.

    Raises:
        UsageError: its results cannot be written, or its model cannot be served.
    """
    scenario = config.scenario
    out = order.out or Path("out") / scenario.name
    results.prepare(out, "--out")
    address, of_model = _address(config, order, settings), {}
    if order.endpoint is not None or scenario.model.endpoint is not None:
        of_model = settings.secrets
    stage = Stage(scenario, Path(config.folder), replace(order, out=out))
    return stage, Surroundings({**of_model, **tool_secrets(scenario, settings.variables)}, address)


def _address(config: TeamConfig, order: Resumption, settings: Settings) -> dict[str, str]:
    """Where the run's model answers now, if that may be elsewhere than on record."""
    name = config.model.name
    if order.endpoint is not None:
        if config.model.kind != "endpoint":
            raise UsageError(f"--endpoint: found {order.endpoint!r}, expected nothing: the run's model is {name}")
        known_name(order.endpoint, name, settings.api_key)
        return {"model": order.endpoint}
    if config.model.kind == "endpoint" and config.scenario.model.endpoint is None:
        return {"model": served(ServeRequest(model=name), settings).url}
    return {}


async def play(stage: Stage, performance: Performance, settings: Settings, journal: Journal) -> int:
    """Perform a run, show and keep its result, and return the exit code as `perform` does."""
    result = await _result(stage, performance, settings, journal)
    await _keep(stage, journal, performance.run, result)
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


async def _result(stage: Stage, performance: Performance, settings: Settings, journal: Journal) -> Json:
    """Performs the run under its limit of time."""
    run = performance.run
    limit_s = stage.order.limits.get(WALL, stage.scenario.limits.wall_s)
    try:
        with watching(stage.order.json) as watcher:
            async with traced(run, performance.spec.config, journal) as trace:
                watched = replace(
                    performance,
                    ask=watcher.ask,
                    on_event=both(watcher.on_event, trace),
                    on_pause=watcher.on_pause,
                    by=who(),
                    wall_s=limit_s,
                )
                return named(inner(await engine_of(stage.order, settings, journal).perform(watched)), run)
    except RunError as error:
        await tell_end(stage.order, journal, run, error)
        raise


async def tell_end(order: Resumption, journal: Journal, run: str, error: RunError) -> None:
    """Shows how a run stands that came to no result; keeps it where a person or an undo is part of it."""
    events = await journal.events(run)
    asked, undone = asked_as_json(run, events), undo_report(events)
    status = STATUS.get(type(error), "failed")
    result = {"run": run, "status": status, "error": str(error), "asked": asked, "undone": undone}
    shown = {name: value for name, value in result.items() if value != []}
    if asked or undone or any(isinstance(event, StepDecided | RunAborting) for event in events):
        results.write_all(order.out or Path("out"), {"result.json": as_json(shown)})
    if order.json:
        print_json(shown)
    for line in lines(run, events):
        say(line)
    if isinstance(error, Unreachable):
        say(
            f"nothing is lost: when it is back, `repertory resume {run[:8]}` asks again and goes on; "
            f"`repertory resume {run[:8]} --endpoint URL` asks another server of the same model"
        )
    elif isinstance(error, BudgetExceeded):
        say(f"`repertory resume {run[:8]} --set limits.NAME=VALUE` goes on with a higher limit")
    elif status in ("failed", "aborted"):
        say(f"run {run} {status}; `repertory runs show {run[:8]}` tells how far it came")


STATUS: Mapping[type[RunError], str] = {
    WaitingForPerson: "waiting",
    BudgetExceeded: "interrupted",
    Unreachable: "interrupted",
    ClusterLost: "interrupted",
    RunAborted: "aborted",
}
"""What `result.json` says of runs that came to no result."""


def inner(answer: Json) -> Json:
    """The result that the answer of a planner holds; another agent's answer is the result itself."""
    return answer["result"] if isinstance(answer, Mapping) and set(answer) == {"result"} else answer


def named(result: Json, run: str) -> Json:
    """A result that names its run; agents do not know the run's id, so that their doings do not depend on it."""
    return {**result, "run": run} if isinstance(result, Mapping) and "run" in result else result


def performance_of(
    loaded: LoadedScenario, settings: Settings, choice: Choice, listed: dict[str, ListedTool]
) -> Performance:
    """A new run of a scenario."""
    scenario = loaded.scenario
    config = TeamConfig(
        scenario=scenario,
        folder=str(loaded.path.parent),
        model=choice.source,
        memory=settings.memory if scenario.memory.remember or scenario.memory.knowledge else None,
        mcp=listed,
        state=str(settings.home / "state" / scenario.name),
        kept_data=KeptData.of(scenario.data),
    )
    return Performance(
        run=clock.new_id(),
        spec=config.spec(),
        recipient=first_recipient(scenario),
        payload=first_message(scenario),
        secrets={**choice.secrets, **tool_secrets(scenario, settings.variables)},
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


def engine_of(order: Resumption, settings: Settings, journal: Journal) -> Engine:
    """The engine that a person wants."""
    if order.engine == "local":
        from runtime.collector import collect_rarely
        from runtime.local import LocalEngine

        collect_rarely()
        return LocalEngine(journal)
    from runtime.cluster import RayEngine
    from runtime.on_ray.ray_local import ensure_ray

    ray = ensure_ray(settings.home, progress=say)
    return RayEngine(ray.address, settings.journal, hosts=order.hosts)


async def _keep(stage: Stage, journal: Journal, run: str, result: Json) -> None:
    """Writes the result and its pages, and shows the plan."""
    order, out = stage.order, stage.order.out or Path("out")
    events = await journal.events(run)
    steps = await evidence_of(journal, events, step_ids(result))
    pages = pages_of(stage.scenario.domain, stage.folder, result, steps)
    paths = results.write_all(out, {**pages, "result.json": as_json(result)})
    if isinstance(order, Order) and order.record is not None:
        recording = await recording_of(journal, events)
        paths += results.write_all(order.record.parent, {order.record.name: recording})
    if order.json:
        print_json(result)
    else:
        print_page(pages, result)
        say(f"\nwritten: {', '.join(map(str, paths))}; `repertory runs show {run[:8]}` tells how it came to be")
