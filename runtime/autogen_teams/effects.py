"""Under which names a team's user says what may be done with a call that a crash has cut off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autogen_core.code_executor import CodeExecutor
from autogen_core.memory import ListMemory, Memory
from autogen_core.tools import BaseTool, StaticWorkbench, Workbench

from runtime.autogen_teams.graph import is_part, parts
from runtime.errors import UsageError
from runtime.events import EffectClass

DEFAULT_EFFECT: EffectClass = "irreversible"
"""What is assumed of a tool of which nothing is known: it must never happen twice without a person."""


def effect_name(value: Any) -> str | None:
    """The name of something that reaches out: a tool's own, else its class; None for what has none, or many."""
    match value:
        case CodeExecutor():
            return type(value).__name__
        case Memory() if not isinstance(value, ListMemory):  # a list is the agent's own, and made again with it
            return type(value).__name__
        case BaseTool() if not is_part(value):
            return str(value.name)
        case _:
            return None


def effect_names(team: Any) -> frozenset[str] | None:
    """All names of a team; None where it has a workbench, which alone knows its tools."""
    found = [part for part in parts(team) if "._handoff_tools" not in part.path]
    if any(isinstance(part.value, Workbench) and not isinstance(part.value, StaticWorkbench) for part in found):
        return None
    return frozenset(name for part in found if (name := effect_name(part.value)) is not None)


def check_names(names: Iterable[str], known: frozenset[str] | None, where: str) -> None:
    """Whether effects are said of what is there; a name that is not would leave a tool at its default, unnoticed.

    Raises:
        UsageError: one is not.
    """
    for name in names:
        if known is not None and name not in known:
            there = ", ".join(sorted(known)) or "none, as the team has no tool"
            raise UsageError(f"{where}: found {name!r}, expected the name of a tool, memory or executor class: {there}")
