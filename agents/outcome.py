"""What comes back from a tool's call, as the executor reads it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError

from agents.messages import Call, Fact, Failure, JsonObject

_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


class _Loose(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class OutcomeError(_Loose):
    """Why a tool has no result."""

    code: str = "failed"
    message: str = ""


class Repair(_Loose):
    """An argument that the tool has put right."""

    field: str
    found: JsonValue = None
    used: JsonValue = None


class Outcome(_Loose):
    """A tool's outcome: a result, a correction for the model, or a failure."""

    status: Literal["ok", "retry", "failed"]
    value: JsonValue = None
    error: OutcomeError | None = None
    repairs: tuple[Repair, ...] = ()
    tool: str = ""
    """The tool that answered: a fallback's name where a fallback did."""
    evidence: str = ""
    """The id of the step that called the tool."""

    def fact(self, call: Call) -> Fact:
        """What the call has shown, under the arguments that were really used."""
        return Fact(tool=self.tool or call.tool, arguments=self._used(call), value=self.value, evidence=self.evidence)

    def failure(self, call: Call) -> Failure:
        """What the call could not do."""
        error = self.error or OutcomeError()
        return Failure(
            tool=self.tool or call.tool,
            arguments=self._used(call),
            code=error.code,
            message=error.message,
            value=self.value,
            evidence=self.evidence,
        )

    def _used(self, call: Call) -> JsonObject:
        repaired = {repair.field: repair.used for repair in self.repairs if repair.field in call.arguments}
        return {**call.arguments, **repaired}


def read_outcome(raw: Any) -> Outcome:
    """The outcome that a tool returned; a tool that knows no outcomes has simply succeeded.

    Raises:
        ValueError: when the result is not JSON.
    """
    if isinstance(raw, Outcome):
        return raw
    value = _JSON.validate_python(raw.model_dump(mode="json") if isinstance(raw, BaseModel) else raw)
    try:
        return Outcome.model_validate(value)
    except ValidationError:
        return Outcome(status="ok", value=value)
