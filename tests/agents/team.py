"""A cast on autogen-core's own runtime, with models and memories that tests hold in their hands."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, cast

from autogen_core import AgentId, CancellationToken, SingleThreadedAgentRuntime
from autogen_core.memory import ListMemory, MemoryContent, MemoryQueryResult
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelCapabilities,  # pyright: ignore[reportDeprecated]  # an abstract property of the client wants it
    ModelFamily,
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import BaseTool, Tool, ToolSchema
from pydantic import BaseModel, JsonValue

from agents.critic import Critic
from agents.decide import Asking
from agents.domain import Domain
from agents.executor import Executor
from agents.limits import Limits
from agents.messages import Answer, JsonObject, Request
from agents.person import Person
from agents.planner import Planner
from agents.retriever import Retriever

Policy = Callable[[str, JsonObject], JsonValue | str]
"""What a model answers to a prompt under a schema; a text is sent as it is."""


class PolicyModel(ChatCompletionClient):
    """Answers each call by a function of the prompt and the schema."""

    component_config_schema = BaseModel

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.calls: list[tuple[str, JsonObject, str]] = []
        """Prompt, schema and answer of each call."""

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: object = "auto",
        json_output: object = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        prompt = "\n".join(str(message.content) for message in messages)
        schema = cast(JsonObject, extra_create_args["response_format"]["json_schema"]["schema"])
        answer = self._policy(prompt, schema)
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        self.calls.append((prompt, schema, text))
        usage = RequestUsage(prompt_tokens=len(prompt), completion_tokens=len(text))
        return CreateResult(finish_reason="stop", content=text, usage=usage, cached=False)

    def create_stream(self, messages: Sequence[LLMMessage], **_more: Any) -> AsyncGenerator[str | CreateResult, None]:
        raise AssertionError("the cast does not stream")

    async def close(self) -> None:
        return None

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(prompt_tokens=0, completion_tokens=0)

    def total_usage(self) -> RequestUsage:
        return self.actual_usage()

    def count_tokens(self, messages: Sequence[LLMMessage], **_more: Any) -> int:
        return 0

    def remaining_tokens(self, messages: Sequence[LLMMessage], **_more: Any) -> int:
        return 4096

    @property
    def capabilities(self) -> ModelCapabilities:  # pyright: ignore[reportDeprecated]  # abstract there
        return ModelCapabilities(  # pyright: ignore[reportDeprecated]  # see above
            vision=False, function_calling=False, json_output=True
        )

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=False, function_calling=False, json_output=True, family=ModelFamily.UNKNOWN, structured_output=True
        )


def scripted(answers: Sequence[JsonValue | str]) -> PolicyModel:
    """A model that gives these answers, one after the other."""
    left = iter(answers)
    return PolicyModel(lambda _prompt, _schema: next(left))


def first(schema: JsonValue) -> JsonValue:
    """The first instance of a schema: first of each enum and of each anyOf, as few items as allowed."""
    assert isinstance(schema, dict)
    if "enum" in schema:
        return cast(list[JsonValue], schema["enum"])[0]
    if "anyOf" in schema:
        return first(cast(list[JsonValue], schema["anyOf"])[0])
    match schema.get("type"):
        case "object":
            properties = cast(dict[str, JsonValue], schema["properties"])
            return {name: first(inner) for name, inner in properties.items()}
        case "array":
            heads = cast(list[JsonValue], schema.get("prefixItems", []))
            least = cast(int, schema.get("minItems", 0))
            return [first(heads[place] if place < len(heads) else schema["items"]) for place in range(least)]
        case "integer":
            return cast(int, schema.get("minimum", 0))
        case "string":
            return "好"
        case _:
            return None


class Evident(BaseTool[BaseModel, BaseModel]):
    """A tool whose every call is named in its result, as the runtime's journal does it."""

    def __init__(self, inner: Tool, ids: itertools.count[int]) -> None:
        super().__init__(cast(Any, inner.args_type()), cast(Any, dict), inner.name, inner.description)
        self._inner = inner
        self._ids = ids
        self.called: list[JsonObject] = []

    @property
    def schema(self) -> ToolSchema:
        return self._inner.schema

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> BaseModel:
        raise AssertionError("agents call run_json")

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        self.called.append(dict(args))
        outcome = await self._inner.run_json(args, cancellation_token, call_id)
        return {**outcome, "evidence": f"step{next(self._ids)}"}


def evident(tools: Sequence[Tool]) -> list[Evident]:
    """The tools with step ids in their results."""
    ids = itertools.count(1)
    return [Evident(tool, ids) for tool in tools]


class NotedMemory(ListMemory):
    """A list as memory whose entries carry the step that fetched them."""

    async def query(
        self, query: str | MemoryContent = "", cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> MemoryQueryResult:
        found = await super().query(query, cancellation_token, **kwargs)
        entries = [entry.model_copy(update={"metadata": {"evidence": "recall1"}}) for entry in found.results]
        return MemoryQueryResult(results=entries[: int(kwargs.get("k", 5))])


class Cast:
    """Planner, executors, critic, retriever and person on one runtime."""

    def __init__(self, model: ChatCompletionClient, domain: Domain, tools: Sequence[Tool]) -> None:
        self.model, self.domain, self.tools = model, domain, tools
        self.limits = Limits()
        self.asking: Asking | None = None
        self.memories = [NotedMemory(name=name) for name in ("knowledge", "episodes", "preferences")]
        self.replies: dict[str, str] = {}
        self.questions: list[str] = []

    async def _ask(self, question: str) -> str | None:
        self.questions.append(question)
        return next((reply for part, reply in self.replies.items() if part in question), None)

    async def _register(self, runtime: SingleThreadedAgentRuntime) -> None:
        model, domain, tools, limits, asking = self.model, self.domain, self.tools, self.limits, self.asking
        await Planner.register(runtime, "planner", lambda: Planner(model, domain, tools, limits=limits, asking=asking))
        await Executor.register(
            runtime, "executor", lambda: Executor(model, domain, tools, limits=limits, asking=asking)
        )
        await Critic.register(runtime, "critic", lambda: Critic(model, domain, limits=limits, asking=asking))
        await Retriever.register(runtime, "retriever", lambda: Retriever(*self.memories))
        await Person.register(runtime, "person", lambda: Person(self._ask))

    async def answer(self, request: Request) -> JsonObject:
        """The result of a request."""
        runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
        await self._register(runtime)
        runtime.start()
        try:
            answer = await runtime.send_message(request, AgentId("planner", "default"))
        finally:
            await runtime.stop()
        assert isinstance(answer, Answer)
        return answer.result
