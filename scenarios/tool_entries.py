"""The tools that a scenario's entries stand for: of the travel family, Python, HTTP addresses, MCP servers."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import lru_cache
from pathlib import Path

from autogen_core.tools import Tool

from runtime.errors import UsageError
from scenarios import scenario as schema
from scenarios.outside import Outside
from scenarios.scenario import Scenario
from tools.approval import Approval, Bound
from tools.registry import ToolRegistry
from tools.spec import Fallback, RetryPolicy
from tools.tool import SingleTool
from tools.travel.booking import booking_tools
from tools.travel.catalogue import load_catalogue
from tools.travel.tools import travel_tools


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
