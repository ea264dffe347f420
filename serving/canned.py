"""What models without a server share: one answer for a request, counted, given out at once or as a stream of one piece.

`serving/scripted.py` and `serving/recorded.py` say which answer that is.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from autogen_core import CancellationToken
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelCapabilities,  # pyright: ignore[reportDeprecated]  # an abstract property of the client wants it
    ModelFamily,
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from runtime.codec import Json
from serving.tokens import CONTEXT_LENGTH, tokens_of_prompt

MODEL_INFO = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=True,
    family=ModelFamily.UNKNOWN,
    structured_output=True,
    multiple_system_messages=True,
)
"""What all models here can do, as far as their clients can tell."""

Arguments = Mapping[str, Json]
"""What a request asks for beside its messages; what has its default is left out."""


@dataclass(frozen=True)
class Request:
    """One question to a model."""

    messages: Sequence[LLMMessage]
    """The prompt."""
    tools: Sequence[Tool | ToolSchema]
    """What is offered to the model to call."""
    arguments: Arguments
    """Tools, tool choice, schema, temperature and the like, as `plain_arguments` puts them."""


def plain_arguments(extra: Arguments, tools: Sequence[Json], tool_choice: Json, json_output: Json) -> dict[str, Json]:
    """A request's arguments as one JSON object; equal requests have equal ones, made now or read of a journal."""
    arguments = dict(extra)
    if tools:
        arguments["tools"] = list(tools)
    if tool_choice != "auto":
        arguments["tool_choice"] = tool_choice
    if json_output is not None:
        arguments["json_output"] = json_output
    return arguments


class CannedModel(ChatCompletionClient):
    """A model whose answers are there before the questions."""

    component_type = "model"

    def __init__(self, *, context_length: int = CONTEXT_LENGTH) -> None:
        self._context_length = context_length
        self._usage = RequestUsage(prompt_tokens=0, completion_tokens=0)

    @abstractmethod
    def answer(self, request: Request) -> CreateResult:
        """The answer to a request.

        Raises:
            RunError: there is none.
        """

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
        """See `ChatCompletionClient.create`.

        Raises:
            RunError: there is no answer to this request.
        """
        offered = [cast(Json, tool.schema if isinstance(tool, Tool) else tool) for tool in tools]
        choice = tool_choice if isinstance(tool_choice, str) else tool_choice.name
        schema = json_output.model_json_schema() if isinstance(json_output, type) else json_output
        result = self.answer(Request(messages, tools, plain_arguments(extra_create_args, offered, choice, schema)))
        self._usage = RequestUsage(
            prompt_tokens=self._usage.prompt_tokens + result.usage.prompt_tokens,
            completion_tokens=self._usage.completion_tokens + result.usage.completion_tokens,
        )
        return result

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
        """See `ChatCompletionClient.create_stream`; an answer in text comes as one piece before the result."""
        result = await self.create(
            messages,
            tools=tools,
            tool_choice=tool_choice,
            json_output=json_output,
            extra_create_args=extra_create_args,
            cancellation_token=cancellation_token,
        )
        if isinstance(result.content, str) and result.content:
            yield result.content
        yield result

    async def close(self) -> None:
        """Does nothing: nothing is open."""

    def actual_usage(self) -> RequestUsage:
        """What all answers so far have cost."""
        return self._usage

    def total_usage(self) -> RequestUsage:
        """What all answers so far have cost."""
        return self._usage

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        """An estimate, see `serving/tokens.py`."""
        return tokens_of_prompt(messages, tools)

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        """How many tokens of the context are left, by the same estimate; negative when it is too small."""
        return self._context_length - self.count_tokens(messages, tools=tools)

    @property
    def capabilities(self) -> ModelCapabilities:  # pyright: ignore[reportDeprecated]  # abstract there
        """What the model can do, in the older form."""
        return cast(ModelCapabilities, MODEL_INFO)  # pyright: ignore[reportDeprecated]  # abstract there

    @property
    def model_info(self) -> ModelInfo:
        """What the model can do."""
        return MODEL_INFO
