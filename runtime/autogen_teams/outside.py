"""What an agent of AutoGen reaches beside models and tools, as steps: workbenches, memories, code executors, people.

Each behaves to the agent as what it wraps; see `runtime/autogen_teams/steps.py`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from autogen_core import CancellationToken, ComponentModel
from autogen_core.code_executor import CodeBlock, CodeExecutor, CodeResult
from autogen_core.memory import Memory, MemoryContent, MemoryQueryResult, UpdateContextResult
from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import LLMMessage
from autogen_core.tools import ToolResult, ToolSchema, Workbench
from pydantic import TypeAdapter

from runtime import steps
from runtime.autogen_teams.steps import linked
from runtime.codec import Json, canonical
from runtime.events import EffectClass, StepKind
from runtime.journaled import links_of_agent, message_key, plain
from runtime.steps import NeedsPerson, Recorded, StepCall, StepResult
from runtime.team import Ask


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
        return ToolResult.model_validate((await linked(asked, cancellation_token)).value)

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

        prompt = links_of_agent().chain(before, message_key, plain)
        request = canonical({"memory": self._name, "prompt": prompt.head})
        recorded = await steps.perform(StepCall("retrieval", self._name, request, ask, blobs=prompt.unsent))
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
        recorded = await linked(_step("retrieval", self._name, request, ask), cancellation_token)
        return MemoryQueryResult.model_validate(recorded.value)

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        """See `Memory.add`."""

        async def write(_: str) -> StepResult:
            await self._inner.add(content)
            return StepResult(None)

        request = cast(Json, {"memory": self._name, "add": plain(content)})
        await linked(_step("memory", self._name, request, write, self._effect), cancellation_token)

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
        done = cast(Mapping[str, Any], (await linked(asked, cancellation_token)).value)
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


@dataclass(frozen=True, slots=True)
class SteppedInput:
    """What a user proxy asks its person with: a question whose answer is on record."""

    name: str
    own: Callable[..., Any] | None
    """The function that the proxy was made with; without one the run's own person is asked."""
    ask: Ask | None

    async def __call__(self, prompt: str, cancellation_token: CancellationToken | None) -> str:
        """The answer; where nobody is there to give one, the run waits for `repertory answer`."""
        asked = _step("question", self.name, {"question": prompt}, lambda _: self._put(prompt))
        return str((await linked(asked, cancellation_token)).value)

    async def _put(self, prompt: str) -> StepResult:
        if self.own is not None:
            return StepResult(await _own_answer(self.own, prompt))
        said = None if self.ask is None else await self.ask(prompt)
        if said is None:
            raise NeedsPerson(f"{self.name}: {prompt}".strip())
        return StepResult(said)


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
