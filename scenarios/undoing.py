"""The agent that undoes what an aborted run has done: calls the undoing tool of each compensable one, as a step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from autogen_core import BaseAgent, CancellationToken, MessageContext
from autogen_core.tools import Tool

from runtime.errors import StepFailed
from runtime.ids import effect_key
from tools.registry import ToolRegistry

ATTEMPTS = 2
"""How often an undo is asked for, beside the undoing tool's own retries."""

UndoCall = Callable[[str, str], Awaitable[None]]
"""Undoes a step, given its id and the key under which this is done."""


class Undoer(BaseAgent):
    """Undoes one step per message; see `runtime/undo.py`."""

    def __init__(self, calls: Mapping[str, UndoCall]) -> None:
        super().__init__("Undoes what an aborted run has done")
        self._calls = calls

    async def on_message_impl(self, message: Any, ctx: MessageContext) -> None:
        """Undoes the step that the message names.

        Raises:
            StepFailed: when it could not be undone.
        """
        step, tool = str(message["step"]), str(message["tool"])
        if tool not in self._calls:
            raise StepFailed(f"tool {tool!r} says no way to undo it", "no_undo")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._calls[tool](step, "")
                break
            except StepFailed:
                if attempt == ATTEMPTS:
                    raise


def undo_call(tool: Tool, parameter: str, run: str) -> UndoCall:
    """Calls an undoing tool, whose only required parameter takes the key under which the step was done."""

    async def undo(step: str, key: str) -> None:
        said: object = await tool.run_json({parameter: effect_key(run, step)}, CancellationToken(), key or None)
        answer: Mapping[str, object] = cast(Mapping[str, object], said) if isinstance(said, Mapping) else {}
        if answer.get("status") not in (None, "ok"):
            error = cast(Mapping[str, object], answer.get("error") or {})
            raise StepFailed(str(error.get("message", "it could not be undone")), str(error.get("code", "failed")))

    return undo


def undo_calls(registry: ToolRegistry, wrap: Callable[[Tool], Tool], run: str) -> dict[str, UndoCall]:
    """How to undo each compensable tool; `wrap` is put around the undoing ones."""
    calls: dict[str, UndoCall] = {}
    for name in registry.names():
        undo = registry.get(name).spec.undo
        if undo is not None:
            calls[name] = undo_call(wrap(registry.get(undo)), registry.undo_parameter(name), run)
    return calls
