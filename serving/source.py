"""Where a run's model answers from, as a plain fact that a journal may keep, and the client that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from autogen_core.models import ChatCompletionClient
from pydantic import BaseModel, ConfigDict

from runtime.errors import UsageError


class ModelSource(BaseModel):
    """A model that answers; never a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["endpoint", "recorded", "scripted", "none"]
    """An OpenAI-compatible server, a file of recorded answers, a file of scripted ones, or nothing at all."""
    name: str
    """The model's name as its server knows it."""
    url: str = ""
    """The server's address, up to and including `/v1`."""
    file: str = ""
    """The file of a recorded or scripted model."""
    context_length: int = 8192
    """The longest prompt with its answer, in tokens."""
    timeout_s: float = 300.0
    """How long one answer may take."""
    restart_s: float = 0.0
    """How long its server may take to be back when it dies and is started again by itself."""


def open_model(source: ModelSource, secrets: Mapping[str, str]) -> ChatCompletionClient:
    """The client of a source; the endpoint's key is `secrets["api_key"]`. Nothing is asked yet.

    Raises:
        UsageError: the run has no model.
    """
    match source.kind:
        case "endpoint":
            from serving.client import make_client

            key, length = secrets.get("api_key"), source.context_length
            limits = {"timeout_s": source.timeout_s, "restart_s": source.restart_s}
            return make_client(source.url, source.name, key, context_length=length, **limits)
        case "recorded":
            from serving.recorded import RecordedModel

            return RecordedModel(Path(source.file))
        case "scripted":
            from serving.scripted import ScriptedModel

            return ScriptedModel.of_file(Path(source.file))
        case "none":
            raise UsageError(
                "found an agent that asks a model, in a run that began without one because none of its agents did; "
                "start the run again"
            )
