"""A model that is not there: what agents get in a replay, where every answer comes from the journal."""

from __future__ import annotations

from autogen_core.models import CreateResult

from runtime.errors import RunError
from serving.canned import CannedModel, Request
from serving.source import ModelSource
from serving.tokens import CONTEXT_LENGTH


class AbsentModel(CannedModel):
    """Says of itself what the model of a source says, and never answers."""

    def __init__(self, source: ModelSource) -> None:
        super().__init__(context_length=source.context_length if source.kind == "endpoint" else CONTEXT_LENGTH)
        self._name = source.name

    def answer(self, request: Request) -> CreateResult:
        """Refuses. Raises: RunError, always."""
        raise RunError(f"model {self._name!r} was asked in a replay, where nothing is asked; this is a fault")
