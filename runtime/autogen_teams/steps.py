"""Models and tools of AutoGen's agents as steps; `runtime/autogen_teams/outside.py` has all else that they reach.

Each stands in an agent in the place of what it wraps and behaves to the agent as that does; unlike the wrappers of
`runtime/journaled.py` they add nothing to what a tool or a memory answers. `runtime/autogen_teams/wrap.py` puts them
there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from typing import Any, Literal, TypeVar, cast

import msgspec
from autogen_core import CancellationToken, ComponentModel
from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel, TypeAdapter

from runtime import steps
from runtime.codec import Json, canonical
from runtime.events import EffectClass
from runtime.ids import effect_key
from runtime.journaled import JournaledModel, JournaledTool
from runtime.steps import StepCall, StepResult

T = TypeVar("T")


async def linked(work: Awaitable[T], token: CancellationToken | None) -> T:
    """What the work returns; cancelled with the token."""
    future = asyncio.ensure_future(work)
    if token is not None:
        token.link_future(future)
    return await future


class SteppedModel(JournaledModel):
    """A model client of a team; what it was made of can still be dumped."""

    def __init__(self, inner: ChatCompletionClient, name: str) -> None:
        super().__init__(inner, name)
        self._asked = 0

    def dump_component(self) -> ComponentModel:
        """That of the client itself."""
        return self._inner.dump_component()

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = [],
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """As `JournaledModel.create`; cancelling the token cancels the wait."""
        asked = super().create(
            messages,
            tools=tools,
            tool_choice=tool_choice,
            json_output=json_output,
            extra_create_args=extra_create_args,
        )
        return await linked(asked, cancellation_token)

    async def create_stream(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = [],
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """As `JournaledModel.create_stream`; cancelling the token cancels the wait."""
        pieces = super().create_stream(
            messages,
            tools=tools,
            tool_choice=tool_choice,
            json_output=json_output,
            extra_create_args=extra_create_args,
        )
        first = await linked(anext(pieces), cancellation_token)
        yield first
        async for piece in pieces:
            yield piece

    def _call(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        tool_choice: Tool | str,
        json_output: bool | type[BaseModel] | None,
        extra_create_args: Mapping[str, Any],
        perform: Any,
    ) -> StepCall:
        """The step; a client that answers from a list answers by how often it was asked, whoever has performed that."""
        call = super()._call(messages, tools, tool_choice, json_output, extra_create_args, perform)
        position = self._asked
        self._asked += 1
        inner: Any = self._inner
        if not (hasattr(inner, "chat_completions") and hasattr(inner, "_current_index")):
            return call

        async def at_position(step: str) -> StepResult:
            inner._current_index = position
            return await call.perform(step)

        return msgspec.structs.replace(call, perform=at_position)


class SteppedTool(JournaledTool):
    """A tool whose calls are steps and whose answer is the tool's own, of the tool's own type."""

    def __init__(self, inner: Tool, effect: EffectClass, run: str) -> None:
        super().__init__(inner, effect, run=run)

    def dump_component(self) -> ComponentModel:
        """That of the tool itself."""
        return cast(ComponentModel, cast(Any, self._inner).dump_component())

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        """Calls the tool; an idempotent one gets run and step as its `call_id`.

        Raises:
            Exception: what the tool raised, with its type.
        """

        async def call(step: str) -> StepResult:
            given = effect_key(self._run, step) if self._effect == "idempotent" else call_id
            return StepResult(self._written(await self._inner.run_json(args, CancellationToken(), given)))

        request = canonical({"tool": self.name, "arguments": cast(Json, dict(args))})
        asked = steps.perform(StepCall("tool", self.name, request, call, self._effect))
        return self._read(cast(Mapping[str, Json], (await linked(asked, cancellation_token)).value))

    def return_value_as_string(self, value: Any) -> str:
        """What the tool itself makes of it."""
        return value if isinstance(value, _Text) else self._inner.return_value_as_string(value)

    def _written(self, value: Any) -> Json:
        """A result as JSON that `_read` makes the same value of; else the text that it stands for."""
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(self._inner.return_type())
            written = adapter.dump_python(value, mode="json", warnings=False)
            if self._inner.return_value_as_string(adapter.validate_python(written)) == _text_of(self._inner, value):
                canonical(written)
                return {"value": written}
        except Exception:  # a type that pydantic does not know: what the agent reads is its text
            pass
        return {"text": _text_of(self._inner, value)}

    def _read(self, recorded: Mapping[str, Json]) -> Any:
        if "value" in recorded:
            return TypeAdapter(self._inner.return_type()).validate_python(recorded["value"])
        return _Text(recorded["text"])


class _Text(str):
    """What a tool's result says, where the result itself cannot be recorded."""

    __slots__ = ()


def _text_of(tool: Tool, value: Any) -> str:
    return tool.return_value_as_string(value)
