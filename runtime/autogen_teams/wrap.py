"""Puts steps in the places of all in a team that reaches the outside world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from autogen_agentchat.agents import UserProxyAgent
from autogen_agentchat.agents._user_proxy_agent import cancellable_input
from autogen_agentchat.base import ChatAgent
from autogen_core.code_executor import CodeExecutor
from autogen_core.memory import Memory
from autogen_core.models import ChatCompletionClient
from autogen_core.tools import StaticWorkbench, Tool, Workbench

from runtime.autogen_teams.effects import DEFAULT_EFFECT, effect_name
from runtime.autogen_teams.graph import MACHINERY, is_part
from runtime.autogen_teams.outside import SteppedExecutor, SteppedInput, SteppedMemory, SteppedWorkbench
from runtime.autogen_teams.steps import SteppedModel, SteppedTool
from runtime.autogen_teams.turn import Turn
from runtime.events import EffectClass
from runtime.kinds import is_dict, is_list, is_tuple
from runtime.team import Ask

STEPPED = (SteppedModel, SteppedTool, SteppedMemory, SteppedWorkbench, SteppedExecutor)


@dataclass(slots=True)
class Wrapping:
    """One team's wrapping; what is in several places is wrapped once."""

    run: str
    effects: Mapping[str, EffectClass]
    ask: Ask | None
    _made: dict[int, tuple[Any, Any]] = field(default_factory=dict[int, tuple[Any, Any]])
    """What was met, kept alive so that its id stays its own, and what stands in its place."""

    def wrap(self, value: Any, *, is_handoff: bool = False) -> Any:
        """The value, or what stands in its place; lists, mappings and parts are changed where they are."""
        if isinstance(value, STEPPED):
            return value
        if id(value) in self._made:
            return self._made[id(value)][1]
        if (stepped := self._stepped(value, is_handoff)) is not None:
            self._made[id(value)] = (value, stepped)
            return stepped
        if is_list(value):
            value[:] = [self.wrap(inner, is_handoff=is_handoff) for inner in value]
        elif is_tuple(value):
            return tuple(self.wrap(inner) for inner in value)
        elif is_dict(value):
            value.update({key: self.wrap(inner) for key, inner in value.items()})
        elif is_part(value):
            self._made[id(value)] = (value, value)
            self._wrap_part(value)
        return value

    def _wrap_part(self, part: Any) -> None:
        own = cast("dict[str, Any]", part.__dict__)
        for name, inner in list(own.items()):
            if name not in MACHINERY:
                own[name] = self.wrap(inner, is_handoff=name == "_handoff_tools")
        if isinstance(part, ChatAgent) and not isinstance(own.get("on_messages_stream"), Turn):
            own["on_messages_stream"] = Turn(part.on_messages_stream)
        if isinstance(part, UserProxyAgent):
            part.input_func = self._input(part)
            own["_is_async"] = True  # it looks at the function once, when it is made

    def _input(self, proxy: UserProxyAgent) -> SteppedInput:
        """What it asks with; a team that its process shares is wrapped for each part of the run that is built there."""
        given: Any = proxy.input_func
        if isinstance(given, SteppedInput):
            return replace(given, ask=given.ask or self.ask)
        return SteppedInput(proxy.name, None if given is cancellable_input else given, self.ask)

    def _stepped(self, value: Any, is_handoff: bool) -> Any:
        match value:
            case ChatCompletionClient():
                return SteppedModel(value, _name_of_model(value))
            case Workbench() if not isinstance(value, StaticWorkbench):
                return SteppedWorkbench(value, type(value).__name__, self._effect)
            case _:
                name = effect_name(value)
                return None if name is None else self._named(value, name, is_handoff)

    def _named(self, value: Any, name: str, is_handoff: bool) -> Any:
        match value:
            case CodeExecutor():
                return SteppedExecutor(value, name, self._effect(name))
            case Memory():
                return SteppedMemory(value, name, self._effect(name))
            case _:
                return SteppedTool(cast(Tool, value), "read" if is_handoff else self._effect(name), self.run)

    def _effect(self, name: str) -> EffectClass:
        return self.effects.get(name, DEFAULT_EFFECT)


def _name_of_model(client: ChatCompletionClient) -> str:
    """What the client's model is called; the client's class where it does not say."""
    config: Any = getattr(client, "_raw_config", None) or {}
    return str(config.get("model") or type(client).__name__)
