"""From a scenario to a team: the one place where agents, tools, memory and models meet. Called in every host.

The runtime keeps a `TeamSpec` (plain facts, no secret) in the journal and calls `build` wherever agents of the run
live. Each model, tool and memory is wrapped on the way (`runtime/journaled.py`): whatever an agent calls is on record.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, TypedDict, cast

from autogen_core import BaseAgent
from autogen_core.memory import ListMemory, Memory
from autogen_core.models import ChatCompletionClient
from autogen_core.tools import Tool
from pydantic import BaseModel, ConfigDict, JsonValue

from agents.critic import Critic
from agents.decide import Asking
from agents.domain import Domain
from agents.executor import Executor
from agents.limits import Limits
from agents.person import Person
from agents.planner import Planner
from agents.prompts import Prompts
from agents.retriever import Retriever
from memory.embed import choose_embedder
from memory.long_term import LongTermMemory
from memory.ray_blackboard import RayBlackboard
from memory.rerank import CrossEncoderReranker
from memory.short_term import DictBlackboard
from runtime import steps
from runtime.autogen import Factory, TeamBuilder
from runtime.blobs import digest
from runtime.board import JournaledBoard
from runtime.budget import Budget, Price
from runtime.codec import Json, canonical
from runtime.errors import UsageError
from runtime.journaled import JournaledMemory, JournaledModel, JournaledTool
from runtime.routing import AgentPolicy, Placement
from runtime.sequencer import UNDO
from runtime.steps import NeedsPerson, StepCall, StepResult
from runtime.team import Ask, Resources, Team, TeamSpec
from scenarios import scenario as schema
from scenarios.kept_data import KeptData
from scenarios.outside import Outside
from scenarios.python_reference import find_python
from scenarios.scenario import AGENT_KINDS, Scenario
from scenarios.undoing import UndoCall, Undoer, undo_calls
from serving.absent import AbsentModel
from serving.source import ModelSource, open_model
from tools.approval import Approval, Bound
from tools.execute import Surroundings
from tools.faults import FaultRule, Faults
from tools.listed import ListedTool
from tools.registry import ToolRegistry
from tools.spec import Fallback, RetryPolicy
from tools.tool import SingleTool
from tools.travel.booking import booking_tools
from tools.travel.catalogue import load_catalogue
from tools.travel.tools import travel_tools

BUILDER = "scenarios.build:build"
"""How a journal names this module's `build`."""


class TeamConfig(BaseModel):
    """What a journal keeps of a scenario: enough to build its team again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scenario: Scenario
    folder: str
    """The directory of the scenario file, where modules of one's own are found."""
    model: ModelSource
    memory: str | None
    """The directory of the long-term memory; None when nothing is remembered and nothing known."""
    prompts: dict[str, str] = {}
    """Texts in place of the prompts that come with the cast, by name; how a fork edits them."""
    mcp: dict[str, ListedTool] = {}
    """What the scenario's MCP servers said of their tools when the run began, by the names that agents use."""
    state: str | None = None
    """The directory where tools keep what lasts beyond a run; None where nothing is kept."""
    kept_data: KeptData | None = None
    """The scenario's data as it was when the run began."""

    def spec(self) -> TeamSpec:
        """The same as plain facts."""
        config = cast(Mapping[str, Json], self.model_dump(mode="json", by_alias=True))
        return TeamSpec(self.scenario.name, BUILDER, config)


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """The team of a `TeamConfig`.

    Raises:
        UsageError: when something that the scenario names is not there or not what it has to be.
    """
    return _Wiring(TeamConfig.model_validate(config, strict=False), resources).team()


def knowledge_name(folder: str) -> str:
    """The collection that the documents of a folder are kept in."""
    return f"{Path(folder).name}-{digest(folder.encode())[:8]}"


def open_memory(directory: Path, memory: schema.Memory) -> LongTermMemory:
    """The long-term memory that a scenario asks for; models are loaded at their first use."""
    reranker = CrossEncoderReranker(memory.reranker) if memory.reranker else None
    return LongTermMemory(directory, choose_embedder(memory.embedder or "auto"), reranker=reranker)


def load_domain(reference: str, folder: Path | None = None, data: str | None = None) -> Domain:
    """The domain that `module:Class` names; a class that takes an argument is given the directory of the data.

    Raises:
        UsageError: when there is no such module or class, or the data is not in order.
    """
    found = find_python(reference, folder)
    has_data = data is not None and bool(inspect.signature(found).parameters)
    return cast(Domain, found(Path(cast(str, data))) if has_data else found())


def registry_of(scenario: Scenario, outside: Outside, *, is_whole: bool = True) -> ToolRegistry:
    """The scenario's tools: those of the travel family where it has data for them, its own, and those from outside.

    Raises:
        UsageError: when a tool is unknown, cannot be loaded, or its data is not in order.
    """
    family: dict[str, Tool] = dict(_family(Path(scenario.data))) if scenario.data else {}
    family |= {tool.name: tool for tool in booking_tools(outside.state)} if scenario.data else {}
    listed = {label for entry in scenario.tools for label in entry.labels}
    registry = ToolRegistry()
    for entry in scenario.tools:
        for tool in _entered(entry, family, outside):
            registry.add(_changed(tool, entry, listed))
    if is_whole:
        registry.check()
    return registry


@lru_cache(maxsize=8)
def _family(data: Path) -> Mapping[str, Tool]:
    """The travel family over a directory; read once in each process."""
    return {tool.name: tool for tool in travel_tools(load_catalogue(data))}


def _entered(entry: schema.Tool, family: Mapping[str, Tool], outside: Outside) -> list[SingleTool]:
    """The tools that an entry of the scenario stands for, as they are by themselves."""
    if entry.mcp is not None:
        return outside.mcp_tools(entry, entry.mcp)
    if entry.http is not None:
        return [outside.http_tool(entry, entry.http)]
    return [_tool(entry, family, outside.folder)]


def _tool(entry: schema.Tool, family: Mapping[str, Tool], folder: Path) -> SingleTool:
    if entry.import_ is not None:
        return ToolRegistry().load(entry.import_, folder=folder)
    if entry.label not in family:
        known = ", ".join(sorted(family)) or "none, since the scenario has no data"
        raise UsageError(
            f"tool: found {entry.label!r}, expected one of the family ({known}), or import: module:function"
        )
    return ToolRegistry().add(family[entry.label])


def _changed(tool: SingleTool, entry: schema.Tool, listed: Set[str]) -> SingleTool:
    """The tool with the scenario's settings in place of its own; it falls back only on tools of the scenario."""
    said: dict[str, object] = {
        "name": entry.name,
        "timeout_s": entry.timeout_s,
        "effect": entry.effect,
        "undo": entry.undo,
    }
    changes = {name: value for name, value in said.items() if value is not None}
    if entry.approval is not None:
        changes["approval"] = _approval(entry.approval)
    if entry.retries is not None:
        changes["retry"] = RetryPolicy(entry.retries)
    own = tool.spec.fallback
    if entry.fallback is not None and (own is None or own.tool != entry.fallback):
        changes["fallback"] = Fallback(entry.fallback)
    elif own is not None and own.tool not in listed:
        changes["fallback"] = None
    return tool.changed(**changes)


def _approval(said: str | schema.ApprovalRule) -> Approval | None:
    if isinstance(said, schema.ApprovalRule):
        bounds = {name: Bound(each.above, each.below, tuple(each.one_of)) for name, each in said.when.items()}
        return Approval(bounds)
    return Approval() if said == "always" else None


class _Manner(TypedDict):
    limits: Limits
    asking: Asking


@dataclass(frozen=True)
class _Wiring:
    """One team in the making."""

    config: TeamConfig
    resources: Resources

    def team(self) -> Team:
        builder = TeamBuilder()
        for name, agent in self.config.scenario.agents.items():
            self._add(builder, name, agent)
        if any(self._registry.get(name).spec.undo for name in self._registry.names()):
            local = AgentPolicy(placement=Placement("local"))
            builder.add(
                UNDO, Undoer, lambda: Undoer(undo_calls(self._registry, self._undoing, self.resources.run)), local
            )
        return replace(builder.team(), budget=self._budget())

    def _budget(self) -> Budget:
        """What the run may use, which is checked where a step starts and not by its agents."""
        limits, price = self.config.scenario.limits, self.config.scenario.model.price
        prices = {} if price is None else {self.config.model.name: Price(price.input, price.output)}
        return Budget(limits.model_calls, limits.tool_calls, limits.tokens, limits.cost, prices)

    def _undoing(self, tool: Tool) -> Tool:
        return JournaledTool(tool, "idempotent", run=self.resources.run)

    def _add(self, builder: TeamBuilder, name: str, agent: schema.Agent) -> None:
        policy = AgentPolicy(placement=_placement(self.config.scenario, agent))
        if agent.kind in AGENT_KINDS:
            cls, factory = self._cast(agent.kind)
            builder.add(agent.kind, cls, factory, policy)
        else:
            cls, factory = self._own(agent.kind)
            builder.add(name, cls, factory, policy)

    def _cast(self, kind: str) -> tuple[type[BaseAgent], Factory]:
        """The class of a kind of the cast, and how one is made; parts are made when the first agent needs them."""
        match kind:
            case "planner":
                return Planner, lambda: Planner(
                    self._model(), self._domain(), self._tools(), **self._manner(), board=self._board
                )
            case "executor":
                return Executor, lambda: Executor(self._model(), self._domain(), self._tools(), **self._manner())
            case "critic":
                return Critic, lambda: Critic(self._model(), self._domain(), **self._manner(), board=self._board)
            case "retriever":
                return Retriever, lambda: Retriever(*self._memories())
            case _:
                return Person, lambda: Person(
                    _recorded(self.resources.ask, waits=self.config.scenario.questions == "wait")
                )

    def _own(self, reference: str) -> tuple[type[BaseAgent], Factory]:
        """An agent of the scenario's own: a class, or a function whose return annotation is one."""
        found = find_python(reference, Path(self.config.folder))
        cls: Any = found if inspect.isclass(found) else inspect.signature(found, eval_str=True).return_annotation
        if not (inspect.isclass(cls) and issubclass(cls, BaseAgent)):
            raise UsageError(
                f"agent {reference!r}: found {cls!r}, expected a function that returns an agent, or a class"
            )
        wanted = inspect.signature(found).parameters

        def make() -> BaseAgent:
            offered = {"model": self._model, "tools": self._tools, "domain": self._domain, "prompts": self._prompts}
            return cast(BaseAgent, found(**{name: offer() for name, offer in offered.items() if name in wanted}))

        return cls, make

    def _prompts(self) -> Prompts:
        return Prompts(texts=self.config.prompts)

    def _domain(self) -> Domain:
        return load_domain(self.config.scenario.domain, Path(self.config.folder), self._data)

    @cached_property
    def _data(self) -> str | None:
        """The directory of the scenario's data; in a replay, and where it is not there, as the run has kept it.

        Raises:
            UsageError: it is needed, was not kept, and is not here.
        """
        said, kept = self.config.scenario.data, self.config.kept_data
        if said is None or (Path(said).is_dir() and not self._is_replay):
            return said
        if kept is not None and kept.directory == said:
            return str(kept.restored())
        if not Path(said).is_dir():
            raise UsageError(
                f"data: found no directory {said}, expected the scenario's data as the run was begun with it; the run "
                "has kept no copy, so put the files there"
            )
        return said

    @cached_property
    def _board(self) -> JournaledBoard:
        """The run's blackboard: in Ray's object store, or in this process where all agents live in it."""
        is_spread = self.resources.engine == "ray"
        return JournaledBoard(RayBlackboard(self.resources.run) if is_spread else DictBlackboard())

    def _manner(self) -> _Manner:
        """How the cast works: its limits, and how models are asked."""
        model = self.config.scenario.model
        asking = Asking(
            prompts=self._prompts(),
            temperature=model.temperature,
            seed=model.seed,
            max_tokens=model.max_tokens,
        )
        return {"limits": self._limits(), "asking": asking}

    def _limits(self) -> Limits:
        limits = self.config.scenario.limits
        executors = sum(agent.count for agent in self.config.scenario.agents.values() if agent.kind == "executor")
        return Limits(
            rounds=limits.rounds,
            subtasks=limits.subtasks,
            model_calls=None,
            tool_calls=None,
            executors=max(1, executors),
        )

    @property
    def _is_replay(self) -> bool:
        """Whether every step is answered from the journal, so that what stands behind it need not be there."""
        return self.resources.engine == "replay"

    def _model(self) -> ChatCompletionClient:
        source = self.config.model
        if self._is_replay:
            return JournaledModel(AbsentModel(source), source.name, is_metered=True)
        return JournaledModel(open_model(source, self.resources.secrets), source.name, is_metered=True)

    @cached_property
    def _registry(self) -> ToolRegistry:
        scenario = self.config.scenario.model_copy(update={"data": self._data})
        return registry_of(scenario, self._outside)

    def _tools(self) -> Sequence[Tool]:
        rules = tuple(
            FaultRule(tool=fault.tool, when=dict(fault.when), error=fault.error, times=fault.times)
            for fault in self.config.scenario.faults
        )
        return self._registry.wrapped(self._journaled, Surroundings(Faults(rules)))

    def _journaled(self, tool: Tool) -> Tool:
        """A single tool whose calls are steps, with its approval, its undo, and counted."""
        name = tool.name
        spec = self._registry.get(name).spec
        approval, undo = spec.approval, undo_calls(self._registry, lambda plain: plain, self.resources.run).get(name)
        return JournaledTool(
            tool,
            spec.effect,
            run=self.resources.run,
            is_metered=True,
            approval=None if approval is None else partial(_question, approval, name),
            undo=None if undo is None else partial(_undone, undo),
        )

    @cached_property
    def _outside(self) -> Outside:
        state = None if self.config.state is None else Path(self.config.state)
        return Outside(Path(self.config.folder), self.config.mcp, self.resources.secrets, state)

    def _memories(self) -> tuple[Memory, Memory, Memory]:
        """Knowledge, episodes and preferences."""
        scenario = self.config.scenario
        knowledge: Memory = ListMemory()
        episodes: Memory = ListMemory()
        preferences: Memory = ListMemory()
        if self.config.memory is not None and not self._is_replay:
            kept = open_memory(Path(self.config.memory), scenario.memory)
            if scenario.memory.knowledge is not None:
                knowledge = kept.knowledge(knowledge_name(scenario.memory.knowledge))
            if scenario.memory.remember:
                episodes, preferences = kept.episodes(scenario.traveller), kept.preferences(scenario.traveller)
        return (
            JournaledMemory(knowledge, "knowledge"),
            JournaledMemory(episodes, "episodes"),
            JournaledMemory(preferences, "preferences"),
        )


def _placement(scenario: Scenario, agent: schema.Agent) -> Placement:
    said = agent.placement
    return Placement(
        where="local" if said.host == "local" else "cluster",
        together=_household(scenario, agent),
        resources=dict(said.resources),
    )


def _household(scenario: Scenario, agent: schema.Agent) -> str:
    """The name of the agent at the end of the chain of `together`; empty for one that nobody lives with."""
    name = next(name for name, found in scenario.agents.items() if found is agent)
    while (other := scenario.agents[name].placement.together) is not None:
        name = other
    is_shared = any(found.placement.together == name for found in scenario.agents.values())
    return name if is_shared else ""


def _question(approval: Approval, tool: str, arguments: Mapping[str, Json]) -> str:
    return approval.question(tool, cast(Mapping[str, JsonValue], arguments))


async def _undone(undo: UndoCall, step: str) -> None:
    """Undoes a step outside of any handler, under a key of its own, before it is done again."""
    await undo(step, f"undo-{step}")


def _recorded(ask: Ask | None, *, waits: bool) -> Ask:
    """Asking a person as a step, so that the answer is on record; with `waits`, for as long as nobody is there."""

    async def question(text: str) -> str | None:
        async def put(_: str) -> StepResult:
            answer = await ask(text) if ask is not None else None
            if answer is None and waits:
                raise NeedsPerson(text)
            return StepResult(answer)

        recorded = await steps.perform(StepCall("question", "person", canonical({"question": text}), put))
        return cast(str | None, recorded.value)

    return question
