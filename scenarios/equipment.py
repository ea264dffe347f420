"""What the agents of a run are given: model, tools, memories, blackboard, domain, each call of them a step on record.

`scenarios/build.py` hands these to the agents; in a replay nothing stands behind them, since the journal answers.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from autogen_core import AgentId, AgentInstantiationContext
from autogen_core.memory import ListMemory, Memory
from autogen_core.models import ChatCompletionClient
from autogen_core.tools import Tool
from pydantic import JsonValue

from agents.domain import Domain
from agents.prompts import Prompts
from runtime.blobs import digest
from runtime.board import JournaledBoard
from runtime.codec import Json
from runtime.errors import UsageError
from runtime.journaled import JournaledMemory, JournaledModel, JournaledTool
from runtime.team import Resources
from scenarios import scenario as schema
from scenarios.outside import Outside
from scenarios.python_reference import find_python
from scenarios.team_config import TeamConfig
from scenarios.tool_entries import registry_of
from scenarios.undoing import UndoCall, undo_calls
from serving.absent import AbsentModel
from serving.source import open_model
from tools.approval import Approval
from tools.execute import Surroundings
from tools.faults import FaultRule, Faults
from tools.registry import ToolRegistry

if TYPE_CHECKING:
    from memory.long_term import LongTermMemory


def knowledge_name(folder: str) -> str:
    """The collection that the documents of a folder are kept in."""
    return f"{Path(folder).name}-{digest(folder.encode())[:8]}"


def open_memory(where: Path | str, memory: schema.Memory) -> LongTermMemory:
    """The long-term memory that a scenario asks for; models are loaded at their first use."""
    from memory.embed import choose_embedder
    from memory.long_term import LongTermMemory
    from memory.rerank import CrossEncoderReranker

    reranker = CrossEncoderReranker(memory.reranker) if memory.reranker else None
    return LongTermMemory(where, choose_embedder(memory.embedder or "auto"), reranker=reranker)


def load_domain(reference: str, folder: Path | None = None, data: str | None = None) -> Domain:
    """The domain that `module:Class` names; a class that takes an argument is given the directory of the data.

    Raises:
        UsageError: when there is no such module or class, or the data is not in order.
    """
    found = find_python(reference, folder)
    has_data = data is not None and bool(inspect.signature(found).parameters)
    return cast(Domain, found(Path(cast(str, data))) if has_data else found())


@dataclass(frozen=True)
class Equipment:
    """One run's equipment in one process; parts are made when the first agent needs them."""

    config: TeamConfig
    resources: Resources

    def prompts(self) -> Prompts:
        """The texts that models are asked with."""
        return Prompts(texts=self.config.prompts)

    def domain(self) -> Domain:
        """What the scenario is about."""
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
    def board(self) -> JournaledBoard:
        """The run's blackboard: in Ray's object store, or in this process where all agents live in it."""
        from memory.ray_blackboard import RayBlackboard
        from memory.short_term import DictBlackboard

        is_spread = self.resources.engine == "ray"
        return JournaledBoard(RayBlackboard(self.resources.run) if is_spread else DictBlackboard())

    @property
    def _is_replay(self) -> bool:
        """Whether every step is answered from the journal, so that what stands behind it need not be there."""
        return self.resources.engine == "replay"

    def model(self) -> ChatCompletionClient:
        """A client of the run's model for the agent that is being made, whose calls count against the budget.

        What a scripted or recorded model has said to an agent is remembered while that sleeps, and made anew.
        """
        here = self.resources.addresses.get("model", self.config.model.url)
        source = self.config.model.model_copy(update={"url": here})
        if self._is_replay:
            return JournaledModel(AbsentModel(source), source.name, is_metered=True)
        asker = None
        if source.kind != "endpoint" and AgentInstantiationContext.is_in_factory_call():
            asker = AgentInstantiationContext.current_agent_id()
        if asker not in self._clients:
            self._clients[asker] = open_model(source, self.resources.secrets)
        return JournaledModel(self._clients[asker], source.name, is_metered=True)

    @cached_property
    def _clients(self) -> dict[AgentId | None, ChatCompletionClient]:
        """Those of models that count what they have said, by agent; one for all where a server answers."""
        return {}

    @cached_property
    def registry(self) -> ToolRegistry:
        """The scenario's tools, not yet wrapped."""
        scenario = self.config.scenario.model_copy(update={"data": self._data})
        return registry_of(scenario, self._outside)

    def tools(self) -> Sequence[Tool]:
        """The scenario's tools as agents get them."""
        rules = tuple(
            FaultRule(tool=fault.tool, when=dict(fault.when), error=fault.error, times=fault.times)
            for fault in self.config.scenario.faults
        )
        return self.registry.wrapped(self._journaled, Surroundings(Faults(rules)))

    def _journaled(self, tool: Tool) -> Tool:
        """A single tool whose calls are steps, with its approval, its undo, and counted."""
        name = tool.name
        spec = self.registry.get(name).spec
        run = self.resources.effects_run
        approval, undo = spec.approval, undo_calls(self.registry, lambda plain: plain, run).get(name)
        return JournaledTool(
            tool,
            spec.effect,
            run=run,
            is_metered=True,
            approval=None if approval is None else partial(_question, approval, name),
            undo=None if undo is None else partial(_undone, undo),
        )

    @cached_property
    def _outside(self) -> Outside:
        state = None if self.config.state is None else Path(self.config.state)
        return Outside(Path(self.config.folder), self.config.mcp, self.resources.secrets, state)

    def undo_calls(self) -> Mapping[str, UndoCall]:
        """How calls of tools are undone, by the tool's name; each undo is a step that may be repeated with its key."""
        run = self.resources.effects_run
        return undo_calls(self.registry, partial(JournaledTool, effect="idempotent", run=run), run)

    @cached_property
    def _kept(self) -> LongTermMemory:
        """The long-term memory, whose embedder is loaded once for all that wake."""
        assert self.config.memory is not None
        return open_memory(self.config.memory, self.config.scenario.memory)

    def memories(self) -> tuple[Memory, Memory, Memory]:
        """Knowledge, episodes and preferences."""
        scenario = self.config.scenario
        knowledge: Memory = ListMemory()
        episodes: Memory = ListMemory()
        preferences: Memory = ListMemory()
        if self.config.memory is not None and not self._is_replay:
            kept = self._kept
            if scenario.memory.knowledge is not None:
                knowledge = kept.knowledge(knowledge_name(scenario.memory.knowledge))
            if scenario.memory.remember:
                episodes, preferences = kept.episodes(scenario.traveller), kept.preferences(scenario.traveller)
        return (
            JournaledMemory(knowledge, "knowledge"),
            JournaledMemory(episodes, "episodes"),
            JournaledMemory(preferences, "preferences"),
        )


def _question(approval: Approval, tool: str, arguments: Mapping[str, Json]) -> str:
    return approval.question(tool, cast(Mapping[str, JsonValue], arguments))


async def _undone(undo: UndoCall, step: str) -> None:
    """Undoes a step outside of any handler, under a key of its own, before it is done again."""
    await undo(step, f"undo-{step}")
