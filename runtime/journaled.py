"""Models, tools and memories as agents get them: each call is a step, whatever stands behind it.

The wrappers have autogen-core's own interfaces, so neither the agents nor what is wrapped knows of the journal. A
prompt is recorded as the head of its chain of messages (`runtime/prompt_chain.py`): a growing conversation costs its
growth.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, cast

from autogen_core import CancellationToken, FunctionCall
from autogen_core.memory import Memory, MemoryContent, MemoryQueryResult, UpdateContextResult
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    ModelCapabilities,  # pyright: ignore[reportDeprecated]  # an abstract property of the client wants it
    ModelInfo,
    RequestUsage,
    SystemMessage,
    UserMessage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from runtime import steps
from runtime.budget import estimated_tokens
from runtime.codec import Json, canonical
from runtime.events import EffectClass
from runtime.hosting.delivery import Delivery
from runtime.hosting.link_book import LinkBook
from runtime.ids import effect_key
from runtime.steps import StepCall, StepResult

EVIDENCE = "evidence"
"""The key under which a tool's or memory's answer names the step that it came from."""

_KEYED = frozenset({SystemMessage, UserMessage, AssistantMessage, FunctionExecutionResultMessage})
_KEYED_PARTS = frozenset({FunctionCall, FunctionExecutionResult})
_PLAIN = frozenset({str, bool, type(None)})
"""What can be compared for what it is written as: 1 equals True, and is written in another way."""


class JournaledModel(ChatCompletionClient):
    """A model client whose every call is a step of kind "model"; a stream is one step, given out in its pieces."""

    component_type = "model"

    def __init__(self, inner: ChatCompletionClient, name: str, *, is_metered: bool = False) -> None:
        """With `is_metered`, a call happens when the run's budget has let it through."""
        self._inner = inner
        self._name = name
        self._is_metered = is_metered

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
        """See `ChatCompletionClient.create`; answered from the record where there is one."""

        async def ask(_: str) -> StepResult:
            result = await self._inner.create(
                messages,
                tools=tools,
                tool_choice=tool_choice,
                json_output=json_output,
                extra_create_args=extra_create_args,
            )
            return StepResult([plain(result)], _usage(result))

        asked = self._call(messages, tools, tool_choice, json_output, extra_create_args, ask)
        pieces = cast(list[Json], (await steps.perform(asked)).value)
        return CreateResult.model_validate(pieces[-1])

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
        """See `ChatCompletionClient.create_stream`; the pieces come when all of them are recorded."""

        async def ask(_: str) -> StepResult:
            pieces: list[Json] = []
            usage: dict[str, int] = {}
            async for piece in self._inner.create_stream(
                messages,
                tools=tools,
                tool_choice=tool_choice,
                json_output=json_output,
                extra_create_args=extra_create_args,
            ):
                pieces.append(piece if isinstance(piece, str) else plain(piece))
                usage = usage if isinstance(piece, str) else _usage(piece)
            return StepResult(pieces, usage)

        asked = self._call(messages, tools, tool_choice, json_output, extra_create_args, ask)
        for piece in cast(list[Json], (await steps.perform(asked)).value):
            yield piece if isinstance(piece, str) else CreateResult.model_validate(piece)

    def _call(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        tool_choice: Tool | str,
        json_output: bool | type[BaseModel] | None,
        extra_create_args: Mapping[str, Any],
        perform: Any,
    ) -> StepCall:
        prompt = links_of_agent().chain(messages, message_key, plain)
        schema = json_output.model_json_schema() if isinstance(json_output, type) else json_output
        request = {
            "prompt": prompt.head,
            "tools": [cast(Json, tool.schema if isinstance(tool, Tool) else tool) for tool in tools],
            "tool_choice": tool_choice if isinstance(tool_choice, str) else tool_choice.name,
            "json_output": cast(Json, schema),
            "arguments": cast(Json, dict(extra_create_args)),
        }
        size_bytes = prompt.size_bytes + len(canonical(request["tools"]))
        return StepCall(
            "model",
            self._name,
            canonical(request),
            perform,
            "read",
            prompt.unsent,
            is_metered=self._is_metered,
            tokens=estimated_tokens(size_bytes),
        )

    async def close(self) -> None:
        """Closes the client."""
        await self._inner.close()

    def actual_usage(self) -> RequestUsage:
        """The client's own count."""
        return self._inner.actual_usage()

    def total_usage(self) -> RequestUsage:
        """The client's own count."""
        return self._inner.total_usage()

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        """The client's own count."""
        return self._inner.count_tokens(messages, tools=tools)

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        """The client's own count."""
        return self._inner.remaining_tokens(messages, tools=tools)

    @property
    def capabilities(self) -> ModelCapabilities:  # pyright: ignore[reportDeprecated]  # abstract there
        """The client's own."""
        return self._inner.capabilities  # pyright: ignore[reportDeprecated]  # abstract there

    @property
    def model_info(self) -> ModelInfo:
        """The client's own."""
        return self._inner.model_info


class JournaledTool(Tool):
    """A tool whose every call is a step of kind "tool"; a JSON object that it returns names the step as `evidence`."""

    def __init__(
        self,
        inner: Tool,
        effect: EffectClass,
        *,
        run: str = "",
        is_metered: bool = False,
        approval: Callable[[Mapping[str, Json]], str] | None = None,
        undo: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """`run` makes the keys of effects differ between runs, whose steps may have the same ids.

        With `is_metered`, a call happens when the run's budget has let it through. `approval` says what a person is
        asked before a call with these arguments, empty for nothing; `undo` undoes a compensable call by its step's id.
        """
        self._inner = inner
        self._effect: EffectClass = effect
        self._run = run
        self._is_metered = is_metered
        self._approval = approval
        self._undo = undo

    @property
    def name(self) -> str:
        """The tool's own."""
        return self._inner.name

    @property
    def description(self) -> str:
        """The tool's own."""
        return self._inner.description

    @property
    def schema(self) -> ToolSchema:
        """The tool's own."""
        return self._inner.schema

    def args_type(self) -> type[BaseModel]:
        """The tool's own."""
        return self._inner.args_type()

    def return_type(self) -> type[Any]:
        """The tool's own."""
        return self._inner.return_type()

    def state_type(self) -> type[BaseModel] | None:
        """The tool's own."""
        return self._inner.state_type()

    def return_value_as_string(self, value: Any) -> str:
        """The tool's own."""
        return self._inner.return_value_as_string(value)

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        """Calls the tool, with run and step as `call_id`: the key of an idempotent effect.

        Raises:
            StepFailed: with code "denied", when a person has denied the call.
        """

        async def call(step: str) -> StepResult:
            value = plain(await self._inner.run_json(args, CancellationToken(), effect_key(self._run, step)))
            attempts = value.get("attempts") if isinstance(value, Mapping) else None
            return StepResult(value, attempts=attempts if isinstance(attempts, int) else 1)

        request = canonical({"tool": self.name, "arguments": cast(Json, dict(args))})
        recorded = await steps.perform(
            StepCall(
                "tool",
                self.name,
                request,
                call,
                self._effect,
                approval="" if self._approval is None else self._approval(args),
                undo=self._undo,
                is_metered=self._is_metered,
            )
        )
        return {**recorded.value, EVIDENCE: recorded.step} if isinstance(recorded.value, Mapping) else recorded.value

    async def save_state_json(self) -> Mapping[str, Any]:
        """The tool's own."""
        return await self._inner.save_state_json()

    async def load_state_json(self, state: Mapping[str, Any]) -> None:
        """The tool's own."""
        await self._inner.load_state_json(state)


class JournaledMemory(Memory):
    """A memory whose queries are steps of kind "retrieval" and whose additions are steps of kind "memory"."""

    component_type = "memory"

    def __init__(self, inner: Memory, name: str) -> None:
        self._inner = inner
        self._name = name

    async def query(
        self, query: str | MemoryContent, cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> MemoryQueryResult:
        """See `Memory.query`; each entry's metadata names the step as `evidence`."""

        async def ask(_: str) -> StepResult:
            found = await self._inner.query(query, None, **kwargs)
            return StepResult([plain(entry) for entry in found.results])

        request = canonical({"memory": self._name, "query": plain(query), "arguments": cast(Json, kwargs)})
        recorded = await steps.perform(StepCall("retrieval", self._name, request, ask))
        entries = [MemoryContent.model_validate(entry) for entry in cast(list[Json], recorded.value)]
        for entry in entries:
            entry.metadata = {**(entry.metadata or {}), EVIDENCE: recorded.step}
        return MemoryQueryResult(results=entries)

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        """See `Memory.add`; adding the same content again changes nothing, so it may be done again after a crash."""

        async def write(_: str) -> StepResult:
            await self._inner.add(content)
            return StepResult(None)

        request = canonical({"memory": self._name, "add": plain(content)})
        await steps.perform(StepCall("memory", self._name, request, write, "idempotent"))

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        """Asks with the conversation's last message and adds what was found to the context."""
        messages = await model_context.get_messages()
        found = await self.query(str(messages[-1].content)) if messages else MemoryQueryResult(results=[])
        if found.results:
            text = "\n".join(str(entry.content) for entry in found.results)
            await model_context.add_message(SystemMessage(content=text))
        return UpdateContextResult(memories=found)

    async def clear(self) -> None:
        """Refused: what other runs remember is not this run's to forget."""
        raise PermissionError(f"an agent tried to clear the memory {self._name!r}, which other runs share")

    async def close(self) -> None:
        """Closes the memory."""
        await self._inner.close()


def links_of_agent() -> LinkBook:
    """The links that the agent whose delivery runs has made before."""
    gate = steps.current.get()
    return gate.outbox.links if isinstance(gate, Delivery) else LinkBook()


def message_key(message: LLMMessage) -> Hashable | None:
    """What makes a message: those with equal keys are equal. None for one with pictures or of another class."""
    if type(message) not in _KEYED:
        return None
    if type(message.content) is str:
        return (type(message), *vars(message).values())
    parts = tuple(_part_key(part) for part in message.content)
    if None in parts:
        return None
    return (type(message), parts, *(value for name, value in vars(message).items() if name != "content"))


def _part_key(part: object) -> Hashable | None:
    """What makes a tool's call or its result; None for what is neither, or holds more than texts."""
    if type(part) not in _KEYED_PARTS:
        return None
    values = tuple(vars(part).values())
    return values if all(type(value) in _PLAIN for value in values) else None


def plain(value: Any) -> Json:
    """A model, or plain JSON already, as plain JSON."""
    return cast(Json, value.model_dump(mode="json") if isinstance(value, BaseModel) else value)


def _usage(result: CreateResult) -> dict[str, int]:
    return {"input_tokens": result.usage.prompt_tokens, "output_tokens": result.usage.completion_tokens}
