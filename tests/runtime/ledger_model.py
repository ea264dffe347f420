"""A model client whose calls are written to a file that outlives every process; a component like any other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from autogen_core import CancellationToken, Component
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelCapabilities,  # pyright: ignore[reportDeprecated]  # an abstract property of the client wants it
    ModelInfo,
    RequestUsage,
)
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from tests.runtime.chats import INFO
from tests.runtime.payments import LOOK_AGAIN_S, Ledger


class LedgerModelConfig(BaseModel):
    """What such a client is made of."""

    folder: str
    """Where the file lies, and the gate that answers which begin with "held" wait for."""
    answers: list[str]
    """The nth answers a conversation in which it has answered n times."""


class LedgerModel(ChatCompletionClient, Component[LedgerModelConfig]):
    """Says the next answer, and writes it into the file before."""

    component_type = "model"
    component_config_schema = LedgerModelConfig
    component_provider_override = "tests.runtime.ledger_model.LedgerModel"

    def __init__(self, folder: Path, *answers: str) -> None:
        self._folder = folder
        self._answers = answers

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
        """The next answer; one that begins with "held" when the gate is open."""
        answer = self._answers[sum(isinstance(message, AssistantMessage) for message in messages)]
        Ledger(self._folder).write(answer, "")
        while answer.startswith("held") and not (self._folder / "gate").exists():  # noqa: ASYNC110  # another process makes it
            await asyncio.sleep(LOOK_AGAIN_S)
        return CreateResult(
            finish_reason="stop", content=answer, usage=RequestUsage(prompt_tokens=1, completion_tokens=1), cached=False
        )

    def create_stream(self, *args: Any, **options: Any) -> AsyncGenerator[str | CreateResult, None]:
        """Not used."""
        raise NotImplementedError

    async def close(self) -> None:
        """Holds nothing."""

    def actual_usage(self) -> RequestUsage:
        """Not counted."""
        return RequestUsage(0, 0)

    def total_usage(self) -> RequestUsage:
        """Not counted."""
        return RequestUsage(0, 0)

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        """Not counted."""
        return 0

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = []) -> int:
        """Not counted."""
        return 1000

    @property
    def capabilities(self) -> ModelCapabilities:  # pyright: ignore[reportDeprecated]  # abstract there
        """As `model_info`."""
        return INFO

    @property
    def model_info(self) -> ModelInfo:
        """A plain model."""
        return INFO

    def _to_config(self) -> LedgerModelConfig:
        return LedgerModelConfig(folder=str(self._folder), answers=list(self._answers))

    @classmethod
    def _from_config(cls, config: LedgerModelConfig) -> Self:
        return cls(Path(config.folder), *config.answers)
