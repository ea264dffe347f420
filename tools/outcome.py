"""What every tool call comes back as; the only shape that crosses from tools to agents (as plain JSON).

Error codes that any tool may report; a tool may declare codes of its own beside them.

| code              | who is at fault | what helps                                                        |
|-------------------|-----------------|-------------------------------------------------------------------|
| invalid_arguments | the arguments   | other arguments (status "retry")                                  |
| not_found         | the arguments   | another name or a wider search                                    |
| out_of_range      | the arguments   | a value within the range that the message names                   |
| sold_out, closed  | the world       | another plan: the answer is final                                 |
| unavailable       | the tool        | transient: retried, then the fallback tool                        |
| timeout           | the tool        | transient where the call may be repeated: retried, then fallback  |
| failed            | the tool        | an unexpected error: the fallback tool                            |
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

GENERAL_CODES = (
    "invalid_arguments",
    "not_found",
    "out_of_range",
    "sold_out",
    "closed",
    "unavailable",
    "timeout",
    "failed",
)
"""The error codes that every tool may report."""


class ToolError(BaseModel):
    """Why a call has no result, for the model and for people; never a traceback, never a secret."""

    model_config = ConfigDict(frozen=True)

    code: str
    """One of GENERAL_CODES or of the tool's own codes."""
    message: str
    """What was found, what was expected, what to do."""


class Repair(BaseModel):
    """An argument that was not right as given and whose meaning was clear."""

    model_config = ConfigDict(frozen=True)

    field: str
    """The parameter; `lines.0.amount_cny` for a place inside of one."""
    found: JsonValue
    """What the model gave."""
    used: JsonValue
    """What the tool was called with."""


class ToolOutcome(BaseModel):
    """The result of one tool call; `status` says whether `value` or `error` is to be read."""

    model_config = ConfigDict(frozen=True)

    status: Literal["ok", "retry", "failed"]
    """ok: `value` holds the result; retry: the model should correct its arguments; failed: another plan is needed."""
    value: JsonValue = None
    """The result as JSON; for a failure, facts that help to plan anew (or None)."""
    error: ToolError | None = None
    """None if and only if the status is ok."""
    repairs: list[Repair] = []
    """The arguments that were repaired, in the order of the parameters."""
    attempts: int = 0
    """How often the tool was tried; 0 when the arguments were refused before."""
    tool: str
    """The tool that answered: the fallback's name where the fallback did."""

    def for_model(self) -> str:
        """The outcome as the text that a chat model reads: the value as JSON, or the error with its code."""
        if self.error is None:
            return json.dumps(self.value, ensure_ascii=False)
        return f"{self.status}: {self.error.code}: {self.error.message}"


@dataclass(frozen=True)
class ToolRetry:
    """Returned, not raised, by a tool function when the model should correct its arguments."""

    message: str
    """What was found and what is expected instead; candidates, where there are some."""
    code: str = "invalid_arguments"
