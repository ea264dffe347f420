"""From a scenario to a team: the one place where agents, tools, memory and models meet. Called in every host.

The runtime keeps a `TeamSpec` (plain facts, no secret) in the journal and calls `build` wherever agents of the run
live. Whatever an agent calls is on record: see `scenarios/equipment.py`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, cast

from autogen_core import BaseAgent

from agents.critic import Critic
from agents.decide import Asking
from agents.executor import Executor
from agents.limits import Limits
from agents.person import Person
from agents.planner import Planner
from agents.retriever import Retriever
from runtime import steps
from runtime.autogen import Factory, TeamBuilder
from runtime.budget import Budget, Price
from runtime.codec import Json, canonical
from runtime.errors import UsageError
from runtime.routing import AgentPolicy, Placement
from runtime.sequencer import UNDO
from runtime.steps import NeedsPerson, StepCall, StepResult
from runtime.team import Ask, Resources, Rest, Team
from scenarios import scenario as schema
from scenarios.equipment import Equipment
from scenarios.python_reference import find_python
from scenarios.scenario import AGENT_KINDS, Scenario
from scenarios.team_config import TeamConfig
from scenarios.undoing import Undoer

ASKING = ("planner", "executor", "critic")
"""Those of the cast that ask a model."""


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """The team of a `TeamConfig`.

    Raises:
        UsageError: when something that the scenario names is not there or not what it has to be.
    """
    return _Wiring(Equipment(TeamConfig.model_validate(config, strict=False), resources)).team()


def wants_model(scenario: Scenario, folder: Path) -> bool:
    """Whether an agent of the scenario asks a model.

    Raises:
        UsageError: an agent of its own is not there.
    """
    return any(
        agent.kind in ASKING if agent.kind in AGENT_KINDS else "model" in _wanted(find_python(agent.kind, folder))
        for agent in scenario.agents.values()
    )


def _wanted(found: Any) -> Mapping[str, inspect.Parameter]:
    """What an agent of the scenario's own is made of, by the names of its parameters."""
    return inspect.signature(found).parameters


class _Manner(TypedDict):
    limits: Limits
    asking: Asking


@dataclass(frozen=True)
class _Wiring:
    """One team in the making."""

    equipment: Equipment

    @property
    def config(self) -> TeamConfig:
        return self.equipment.config

    def team(self) -> Team:
        builder = TeamBuilder()
        for name, agent in self.config.scenario.agents.items():
            self._add(builder, name, agent)
        registry = self.equipment.registry
        if any(registry.get(name).spec.undo for name in registry.names()):
            local = AgentPolicy(placement=Placement("local"))
            builder.add(UNDO, Undoer, lambda: Undoer(self.equipment.undo_calls()), local)
        sleep = self.config.scenario.sleep
        return replace(builder.team(), budget=self._budget(), rest=Rest(sleep.idle_s, sleep.deliveries))

    def _budget(self) -> Budget:
        """What the run may use, which is checked where a step starts and not by its agents."""
        limits, price = self.config.scenario.limits, self.config.scenario.model.price
        prices = {} if price is None else {self.config.model.name: Price(price.input, price.output)}
        return Budget(limits.model_calls, limits.tool_calls, limits.tokens, limits.cost, prices)

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
        equipment = self.equipment
        match kind:
            case "planner":
                return Planner, lambda: Planner(
                    equipment.model(), equipment.domain(), equipment.tools(), **self._manner(), board=equipment.board
                )
            case "executor":
                return Executor, lambda: Executor(
                    equipment.model(), equipment.domain(), equipment.tools(), **self._manner()
                )
            case "critic":
                return Critic, lambda: Critic(
                    equipment.model(), equipment.domain(), **self._manner(), board=equipment.board
                )
            case "retriever":
                return Retriever, lambda: Retriever(*equipment.memories())
            case _:
                return Person, lambda: Person(
                    _recorded(equipment.resources.ask, waits=self.config.scenario.questions == "wait")
                )

    def _own(self, reference: str) -> tuple[type[BaseAgent], Factory]:
        """An agent of the scenario's own: a class, or a function whose return annotation is one."""
        found = find_python(reference, Path(self.config.folder))
        cls: Any = found if inspect.isclass(found) else inspect.signature(found, eval_str=True).return_annotation
        if not (inspect.isclass(cls) and issubclass(cls, BaseAgent)):
            raise UsageError(
                f"agent {reference!r}: found {cls!r}, expected a function that returns an agent, or a class"
            )
        equipment, wanted = self.equipment, _wanted(found)

        def make() -> BaseAgent:
            offered = {
                "model": equipment.model,
                "tools": equipment.tools,
                "domain": equipment.domain,
                "prompts": equipment.prompts,
            }
            return cast(BaseAgent, found(**{name: offer() for name, offer in offered.items() if name in wanted}))

        return cls, make

    def _manner(self) -> _Manner:
        """How the cast works: its limits, and how models are asked."""
        model = self.config.scenario.model
        asking = Asking(
            prompts=self.equipment.prompts(),
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
            executors=max(1, executors),
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
