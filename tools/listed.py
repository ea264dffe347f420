"""What an MCP server says of one of its tools: plain facts, so that a run's record can keep what its agents saw."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

from runtime.events import EffectClass


class ListedTool(BaseModel):
    """One tool as its server lists it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The server's name for it."""
    description: str
    parameters: dict[str, JsonValue]
    """The JSON Schema of its arguments."""
    effect: EffectClass
    """What the server's annotations say: read or idempotent, else irreversible."""
