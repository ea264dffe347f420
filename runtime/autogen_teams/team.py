"""An AgentChat team as a team of the engine: its manager and every participant become agents of it, each in its cell.

The team's own registration is performed against a registry that gathers what would be registered, under names that
say who is who and are the same in every process. Each agent is made from a copy of the team of its own, so that agents
share nothing but messages; a team that cannot be copied, because it holds what only its process has, is shared by its
agents there, as it is in AutoGen.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.teams import BaseGroupChat
from autogen_core import (
    AgentId,
    AgentInstantiationContext,
    AgentType,
    BaseAgent,
    MessageSerializer,
    SingleThreadedAgentRuntime,
)
from autogen_core import Subscription as AutoGenSubscription

from runtime.autogen import translated
from runtime.autogen_teams.asked import KINDS
from runtime.autogen_teams.clock import stamp_by_the_journal
from runtime.autogen_teams.component import loaded
from runtime.autogen_teams.front import Front, listeners
from runtime.autogen_teams.function import referenced
from runtime.autogen_teams.graph import parts
from runtime.autogen_teams.letters import ChatLetters
from runtime.autogen_teams.member import CANCELLED, FRONT, KEY, Member, MemberRuntime, Outlet, Tokens, Unmade
from runtime.autogen_teams.wrap import Wrapping
from runtime.codec import Json
from runtime.errors import UsageError
from runtime.events import AgentName, EffectClass
from runtime.letters import agent_type_name
from runtime.routing import AgentPolicy, Placement, Subscription
from runtime.team import Agent, AgentSpec, Resources, Team, TeamSpec

BUILDER = "runtime.autogen_teams.team:build"
"""How a journal names this module's `build`."""

live: dict[str, BaseGroupChat] = {}
"""The teams that cannot leave this process, by run."""

Factory = Callable[[], BaseAgent | Awaitable[BaseAgent]]


def spec_of(name: str, source: Mapping[str, Json], effects: Mapping[str, EffectClass]) -> TeamSpec:
    """The specification of a team.

    `source` is one of `{"component": …}`, `{"function": "module:function"}` and `{"live": why it stays}`.
    """
    return TeamSpec(name, BUILDER, {"team": dict(source), "effects": dict(effects)})


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """The engine's team for a specification.

    Raises:
        UsageError: the team cannot be made here.
    """
    stamp_by_the_journal()
    making = _Making(config, resources)
    if making.is_live:
        once = _Cast.of(making.team())
        return _team(once, lambda: once, making)
    return _team(_Cast.of(making.team()), lambda: _Cast.of(making.team()), making)


@dataclass(frozen=True, slots=True)
class _Making:
    """How a team is made in this process."""

    config: Mapping[str, Json]
    resources: Resources

    @property
    def is_live(self) -> bool:
        """Whether there is one team only, which is shared."""
        return "live" in self._source

    @property
    def _source(self) -> Mapping[str, Json]:
        return cast(Mapping[str, Json], self.config["team"])

    def team(self) -> BaseGroupChat:
        """A team with the names of its agents and its steps in place."""
        team = self._made()
        effects = cast("Mapping[str, EffectClass]", self.config.get("effects") or {})
        _embed_inner(team)
        Wrapping(self.resources.effects_run, effects, self.resources.ask).wrap(team)
        _name_agents(team)
        return team

    def _made(self) -> BaseGroupChat:
        source, run = self._source, self.resources.run
        if "component" in source:
            return loaded(source["component"], self.resources.secrets, is_replay=self.resources.engine == "replay")
        if "function" in source:
            made = referenced(str(source["function"]))()
            if not isinstance(made, BaseGroupChat):
                raise UsageError(f"{source['function']!r} has made a {type(made).__name__}, expected a team")
            return made
        if run not in live:
            raise UsageError(
                f"the team of run {run} cannot be made here: {source['live']}; call `durable(team, run_id={run!r})` "
                "in the program that makes the team, or give `durable` a function of a module that makes it"
            )
        return live[run]


def _embed_inner(team: BaseGroupChat) -> None:
    """A team inside of an agent is performed there, in the agent's own loop, whatever runtime it was made with."""
    for part in parts(team):
        if isinstance(part.value, BaseGroupChat) and part.value is not team:
            inner: Any = part.value
            if not inner._embedded_runtime:
                inner._runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
                inner._embedded_runtime, inner._initialized = True, False


def _name_agents(team: BaseGroupChat) -> None:
    """Names by role in the place of AutoGen's random ones."""
    own: Any = team
    own._team_id = KEY
    own._group_topic_type = "group"
    own._output_topic_type = "output"
    own._group_chat_manager_topic_type = own._group_chat_manager_name
    own._participant_topic_types = list(own._participant_names)
    if own._group_chat_manager_name in own._participant_names:
        raise UsageError(
            f"a participant is called {own._group_chat_manager_name!r}, as the team's manager is; rename it"
        )


@dataclass(frozen=True, slots=True)
class _Cast:
    """A team and the factories of its agents."""

    team: BaseGroupChat
    letters: ChatLetters
    factories: Mapping[str, Factory]
    subscriptions: tuple[Subscription, ...]

    @classmethod
    def of(cls, team: BaseGroupChat) -> _Cast:
        """What the team registers."""
        own: Any = team
        letters = ChatLetters(own._message_factory)
        own._output_message_queue = Outlet(letters)
        registry = _Registry(letters)
        _finished(own._init(registry))
        letters.know()
        for kind in KINDS:
            letters.add_type(kind)
        return cls(team, letters, registry.factories, tuple(registry.subscriptions))

    def participants(self) -> Mapping[str, Any]:
        """The participants by name."""
        own: Any = self.team
        return dict(zip(own._participant_names, own._participants, strict=True))


def _team(outline: _Cast, copy: Callable[[], _Cast], making: _Making) -> Team:
    run = making.resources.run

    def member(name: str) -> AgentSpec:
        is_local = making.is_live or _asks_a_person(outline.participants().get(name))
        return AgentSpec(_Maker(copy).make, _policy(is_local=is_local))

    async def front(_: AgentName) -> Agent:
        cast_ = copy()
        return Front(cast_.team, cast_.letters, listeners.get(run))

    agents = {name: member(name) for name in outline.factories}
    agents[FRONT] = AgentSpec(front, _policy(is_local=True))
    told = tuple(Subscription(CANCELLED.type, name) for name in agents)
    return Team(agents, (*outline.subscriptions, Subscription(FRONT, FRONT), *told))


def _policy(*, is_local: bool) -> AgentPolicy:
    return AgentPolicy(concurrent=True, placement=Placement(where="local" if is_local else "cluster"))


def _asks_a_person(participant: Any) -> bool:
    return participant is not None and any(isinstance(part.value, UserProxyAgent) for part in parts(participant))


@dataclass(frozen=True, slots=True)
class _Maker:
    copy: Callable[[], _Cast]

    async def make(self, name: AgentName) -> Agent:
        """The agent, from a copy of the team of its own."""
        cast_ = self.copy()
        tokens = Tokens()
        runtime, own_id = MemberRuntime(cast_.letters, tokens), AgentId(name.type, name.key)
        try:
            with AgentInstantiationContext.populate_context((runtime, own_id)):
                made = cast_.factories[name.type]()
                agent = await made if inspect.isawaitable(made) else made
            await agent.bind_id_and_runtime(own_id, runtime)
        except Exception as error:
            return Unmade(error, cast_.letters)
        return Member(agent, cast_.letters, tokens)


@dataclass(slots=True)
class _Registry:
    """Takes a team's registrations down."""

    letters: ChatLetters
    factories: dict[str, Factory] = field(default_factory=dict[str, Factory])
    subscriptions: list[Subscription] = field(default_factory=list[Subscription])

    async def register_factory(
        self, type: str | AgentType, agent_factory: Factory, *, expected_class: type[Any] | None = None
    ) -> AgentType:
        """See `AgentRuntime.register_factory`."""
        self.factories[agent_type_name(type)] = agent_factory
        return AgentType(agent_type_name(type))

    async def add_subscription(self, subscription: AutoGenSubscription) -> None:
        """See `AgentRuntime.add_subscription`."""
        self.subscriptions.append(translated(subscription))

    def add_message_serializer(self, serializer: Any) -> None:
        """See `AgentRuntime.add_message_serializer`."""
        many = cast("list[MessageSerializer[Any]]", serializer if isinstance(serializer, list) else [serializer])
        self.letters.add(many)


def _finished(work: Coroutine[Any, Any, None]) -> None:
    """Performs a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise UsageError("the team waits for something while it registers its agents; expected a team of AgentChat's own")
