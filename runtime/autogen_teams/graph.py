"""What hangs together in an AgentChat team: a walk over its agents, conditions, contexts, tools and clients.

Two readers: `runtime/autogen_teams/wrap.py` puts steps in the places of what reaches the outside world, and `stays`
says what of a team cannot be described to another process.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from autogen_agentchat.base import ChatAgent, Team, TerminationCondition
from autogen_agentchat.messages import BaseMessage, MessageFactory, StructuredMessage
from autogen_agentchat.tools._task_runner_tool import TaskRunnerTool
from autogen_core.code_executor import CodeExecutor
from autogen_core.memory import Memory
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import ChatCompletionClient
from autogen_core.tools import BaseTool, FunctionTool, StaticWorkbench, Workbench
from pydantic import BaseModel

from runtime.autogen_teams.function import reference_of
from runtime.kinds import is_list, is_mapping, is_tuple

PARTS = (Team, ChatAgent, TerminationCondition, ChatCompletionContext, StaticWorkbench, TaskRunnerTool)
"""What a team is made of, whose own attributes are looked at."""

REACHES_OUT = (ChatCompletionClient, CodeExecutor, Memory, Workbench, BaseTool)
"""What stands for something outside."""

MACHINERY = ("_runtime", "_output_message_queue")
"""Attributes that belong to the runtime of a team and not to the team."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something in a team, and where it is."""

    path: str
    """`writer._workbench[0]._tools[1]`."""
    value: Any


def is_part(value: Any) -> bool:
    """Whether it belongs to a team and holds more of it."""
    return isinstance(value, PARTS)


def parts(root: Any) -> Iterator[Part]:
    """Everything in a team, each object once, from the outside inwards."""
    seen: set[int] = set()

    def visit(path: str, value: Any) -> Iterator[Part]:
        if id(value) in seen and not isinstance(value, str | int | float | bool | None):
            return
        seen.add(id(value))
        yield Part(path, value)
        for step, inner in _inside(value):
            yield from visit(f"{path}{step}", inner)

    return visit(str(getattr(root, "name", "team")), root)


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    if is_list(value) or is_tuple(value):
        yield from ((f"[{index}]", inner) for index, inner in enumerate(value))
    elif is_mapping(value):
        yield from ((f"[{key!r}]", inner) for key, inner in value.items())
    elif is_part(value) or (isinstance(value, BaseModel) and not isinstance(value, BaseMessage)):
        own = {name: inner for name, inner in vars(value).items() if name not in MACHINERY}
        private: dict[str, Any] = getattr(value, "__pydantic_private__", None) or {}
        yield from ((f".{name}", inner) for name, inner in {**own, **private}.items())


def function_tools(team: Any) -> list[FunctionTool]:
    """The team's function tools whose functions other processes can import by name."""
    return [
        part.value
        for part in parts(team)
        if isinstance(part.value, FunctionTool) and ".handoff" not in part.path and _has_name(part.value)
    ]


def _has_name(tool: FunctionTool) -> bool:
    return reference_of(tool._func) is not None  # pyright: ignore[reportPrivateUsage]  # it has no other way to it


def stays(team: Any) -> str | None:
    """What of a team cannot be described to another process, and why; None where all of it can."""
    places: dict[int, str] = {}
    for part in _with_repeats(team):
        value, first = part.value, places.setdefault(id(part.value), part.path)
        if first != part.path:
            if hasattr(value, "chat_completions") and hasattr(value, "_current_index"):
                return f"{part.path} and {first} are one client that answers from one list"
            continue
        if (why := _why_it_stays(part)) is not None:
            return f"{part.path} {why}"
    return None


def _with_repeats(team: Any) -> Iterator[Part]:
    """As `parts`, but a model client is there once for each place that it is in."""
    for part in parts(team):
        yield part
        for step, inner in _inside(part.value):
            if isinstance(inner, ChatCompletionClient):
                yield Part(f"{part.path}{step}", inner)


def _why_it_stays(part: Part) -> str | None:
    value = part.value
    if (why := _why_nobody_makes(value)) is not None:
        return why
    if isinstance(value, FunctionTool) and "._handoff_tools" not in part.path and not _has_name(value):
        return f"is a tool around {_called(value._func)}"  # pyright: ignore[reportPrivateUsage]  # as above
    if isinstance(value, MessageFactory):
        own = [name for name, cls in vars(value)["_message_types"].items() if _is_own(cls)]
        return f"knows the message types {', '.join(own)}, which a component does not name" if own else None
    is_function = type(value) in (types.FunctionType, types.MethodType, functools.partial)
    if is_function and not str(getattr(inspect.unwrap(cast(Any, value)), "__module__", "")).startswith("autogen_"):
        return f"is {_called(value)}"
    return None


def _why_nobody_makes(value: Any) -> str | None:
    """Why other processes would not make an object of its class from what it says of itself.

    A class that is derived from a component says of itself what its base says, and would be made as that one.
    """
    if not isinstance(value, (*PARTS, *REACHES_OUT)):
        return None
    cls = cast("type[Any]", value.__class__)
    name = f"{cls.__module__}.{cls.__qualname__}"
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        return f"is a {name}, which only this process has"
    provider: str | None = getattr(cls, "component_provider_override", None)
    if provider is None or "component_provider_override" in vars(cls):
        return None
    return f"is a {name}, which would be made elsewhere as the {provider} that it is derived from"


def _is_own(cls: type) -> bool:
    is_structured = StructuredMessage in cls.__mro__
    return cls is not StructuredMessage if is_structured else not cls.__module__.startswith("autogen_")


def _called(function: Any) -> str:
    name = getattr(function, "__qualname__", repr(function))
    return f"the function {getattr(function, '__module__', '?')}.{name}, which only this process has"
