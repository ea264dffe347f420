"""AutoGen's ways to the outside world as steps: models, tools, workbenches, memories, code executors, people.

Each stands in an agent in the place of what it wraps and behaves to the agent as that does; unlike the wrappers of
`runtime/journaled.py` they add nothing to what a tool or a memory answers. `runtime/autogen_wrap.py` puts them there.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar, cast

from autogen_core import CancellationToken, ComponentModel
from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult
from autogen_core.memory import Memory, MemoryContent, MemoryQueryResult, UpdateContextResult
from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import ChatCompletionClient, CreateResult, LLMMessage
from autogen_core.tools import Tool, ToolResult, ToolSchema, Workbench
from pydantic import BaseModel, TypeAdapter

from runtime import steps
from runtime.codec import Json, canonical
from runtime.events import EffectClass, StepKind
from runtime.ids import effect_key
from runtime.journaled import JournaledModel, JournaledTool, links_of_agent, message_key, plain
from runtime.steps import NeedsPerson, Recorded, StepCall, StepResult
from runtime.team import Ask

T = TypeVar("T")


async def _linked(work: Awaitable[T], token: CancellationToken | None) -> T:
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
        return await _linked(asked, cancellation_token)

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
        first = await _linked(anext(pieces), cancellation_token)
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

        return replace(call, perform=at_position)


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
        return self._read(cast(Mapping[str, Json], (await _linked(asked, cancellation_token)).value))

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


class SteppedWorkbench(Workbench):
    """A workbench whose lists and calls are steps."""

    def __init__(self, inner: Workbench, name: str, effect_of: Callable[[str], EffectClass]) -> None:
        self._inner = inner
        self._name = name
        self._effect_of = effect_of

    def dump_component(self) -> ComponentModel:
        """That of the workbench itself."""
        return self._inner.dump_component()

    async def list_tools(self) -> list[ToolSchema]:
        """See `Workbench.list_tools`."""

        async def ask(_: str) -> StepResult:
            return StepResult(cast(Json, await self._inner.list_tools()))

        return cast(list[ToolSchema], (await _step("tool", f"{self._name}.list_tools", None, ask)).value)

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        """See `Workbench.call_tool`."""

        async def call(_: str) -> StepResult:
            return StepResult(plain(await self._inner.call_tool(name, arguments, None, call_id)))

        request = cast(Json, {"tool": name, "arguments": None if arguments is None else dict(arguments)})
        asked = _step("tool", name, request, call, self._effect_of(name))
        return ToolResult.model_validate((await _linked(asked, cancellation_token)).value)

    async def start(self) -> None:
        """Starts the workbench where a step needs it."""

    async def stop(self) -> None:
        """Leaves the workbench to the process that it was started in."""

    async def reset(self) -> None:
        """Resets the workbench, as a step."""

        async def reset(_: str) -> StepResult:
            await self._inner.reset()
            return StepResult(None)

        await _step("tool", f"{self._name}.reset", None, reset, "idempotent")

    async def save_state(self) -> Mapping[str, Any]:
        """The workbench's state, as a step."""

        async def save(_: str) -> StepResult:
            return StepResult(cast(Json, dict(await self._inner.save_state())))

        return cast(Mapping[str, Any], (await _step("tool", f"{self._name}.save_state", None, save)).value)

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Gives the workbench a state, as a step."""

        async def load(_: str) -> StepResult:
            await self._inner.load_state(state)
            return StepResult(None)

        await _step("tool", f"{self._name}.load_state", cast(Json, dict(state)), load, "idempotent")


class SteppedMemory(Memory):
    """A memory outside of the agent: what is asked of it and added to it are steps."""

    component_type = "memory"

    def __init__(self, inner: Memory, name: str, effect: EffectClass) -> None:
        self._inner = inner
        self._name = name
        self._effect: EffectClass = effect

    def dump_component(self) -> ComponentModel:
        """That of the memory itself."""
        return self._inner.dump_component()

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        """See `Memory.update_context`: what the memory adds to a copy of the context is added to the context."""
        before = await model_context.get_messages()

        async def ask(_: str) -> StepResult:
            copy = UnboundedChatCompletionContext(initial_messages=list(before))
            found = await self._inner.update_context(copy)
            added = (await copy.get_messages())[len(before) :]
            return StepResult({"found": plain(found.memories), "added": [plain(message) for message in added]})

        head, links = links_of_agent().chain(before, message_key, plain)
        request = canonical({"memory": self._name, "prompt": head})
        recorded = await steps.perform(StepCall("retrieval", self._name, request, ask, blobs=links))
        answer = cast(Mapping[str, Any], recorded.value)
        for message in answer["added"]:
            await model_context.add_message(_MESSAGE.validate_python(message))
        return UpdateContextResult(memories=MemoryQueryResult.model_validate(answer["found"]))

    async def query(
        self, query: str | MemoryContent, cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> MemoryQueryResult:
        """See `Memory.query`."""

        async def ask(_: str) -> StepResult:
            return StepResult(plain(await self._inner.query(query, None, **kwargs)))

        request = cast(Json, {"memory": self._name, "query": plain(query), "arguments": kwargs})
        recorded = await _linked(_step("retrieval", self._name, request, ask), cancellation_token)
        return MemoryQueryResult.model_validate(recorded.value)

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        """See `Memory.add`."""

        async def write(_: str) -> StepResult:
            await self._inner.add(content)
            return StepResult(None)

        request = cast(Json, {"memory": self._name, "add": plain(content)})
        await _linked(_step("memory", self._name, request, write, self._effect), cancellation_token)

    async def clear(self) -> None:
        """See `Memory.clear`."""

        async def clear(_: str) -> StepResult:
            await self._inner.clear()
            return StepResult(None)

        await _step("memory", self._name, {"memory": self._name, "clear": True}, clear, "idempotent")

    async def close(self) -> None:
        """Leaves the memory to the process that it was opened in."""


_MESSAGE: TypeAdapter[LLMMessage] = TypeAdapter(LLMMessage)


class SteppedExecutor(CodeExecutor):
    """A code executor whose executions are steps."""

    def __init__(self, inner: CodeExecutor, name: str, effect: EffectClass) -> None:
        self._inner = inner
        self._name = name
        self._effect: EffectClass = effect

    def dump_component(self) -> ComponentModel:
        """That of the executor itself."""
        return self._inner.dump_component()

    async def execute_code_blocks(
        self, code_blocks: list[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        """See `CodeExecutor.execute_code_blocks`."""

        async def execute(_: str) -> StepResult:
            done = await self._inner.execute_code_blocks(code_blocks, CancellationToken())
            return StepResult({"exit_code": done.exit_code, "output": done.output})

        request: Json = {"code": [{"language": block.language, "code": block.code} for block in code_blocks]}
        asked = _step("tool", self._name, request, execute, self._effect)
        done = cast(Mapping[str, Any], (await _linked(asked, cancellation_token)).value)
        return CodeResult(exit_code=done["exit_code"], output=done["output"])

    async def start(self) -> None:
        """Starts the executor; it is there before the team is."""
        await self._inner.start()

    async def stop(self) -> None:
        """Stops the executor."""
        await self._inner.stop()

    async def restart(self) -> None:
        """Restarts the executor, as a step."""

        async def restart(_: str) -> StepResult:
            await self._inner.restart()
            return StepResult(None)

        await _step("tool", f"{self._name}.restart", None, restart, "idempotent")


def stepped_input(
    name: str, own: Callable[..., Any] | None, ask: Ask | None
) -> Callable[[str, CancellationToken | None], Awaitable[str]]:
    """What a user proxy asks its person with: a question whose answer is on record.

    `own` is the function that the proxy was made with; without one the run's own person is asked, and where nobody is
    there the run waits for `repertory answer`.
    """

    async def answer(prompt: str, cancellation_token: CancellationToken | None) -> str:
        async def put(_: str) -> StepResult:
            if own is not None:
                return StepResult(await _own_answer(own, prompt))
            said = None if ask is None else await ask(prompt)
            if said is None:
                raise NeedsPerson(f"{name}: {prompt}".strip())
            return StepResult(said)

        asked = _step("question", name, {"question": prompt}, put)
        return str((await _linked(asked, cancellation_token)).value)

    return answer


async def _own_answer(own: Callable[..., Any], prompt: str) -> str:
    if inspect.iscoroutinefunction(own):
        return str(await own(prompt, CancellationToken()))
    return str(await asyncio.to_thread(own, prompt))


async def _step(
    kind: StepKind,
    name: str,
    request: Json,
    perform: Callable[[str], Awaitable[StepResult]],
    effect: EffectClass = "read",
) -> Recorded:
    return await steps.perform(StepCall(kind, name, canonical(request), perform, effect))
