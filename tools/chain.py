"""A tool with its fallbacks behind it: what agents get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from autogen_core import CancellationToken
from autogen_core.tools import BaseTool, Tool, ToolSchema
from pydantic import BaseModel

from runtime.errors import StepFailed
from runtime.events import EffectClass
from runtime.journaled import EVIDENCE
from tools.outcome import ToolError, ToolOutcome
from tools.spec import Fallback
from tools.tool import SingleTool, outcome_text

DENIED = "denied"
"""The code of what a person has denied."""

_FAULTS_OF_TOOLS = ("unavailable", "timeout", "failed")


class ToolChain(BaseTool[BaseModel, ToolOutcome]):
    """A tool as agents get it: itself, then its fallbacks, while the tools themselves fail.

    An answer about the world (sold out, closed, not found) is an answer and ends the chain. So does a call of a tool
    with an effect that may have happened.
    """

    def __init__(self, singles: list[SingleTool], wraps: list[Tool]) -> None:
        first = singles[0]
        super().__init__(first.args_type(), ToolOutcome, first.name, first.description)
        self.effect: EffectClass = first.effect
        self.spec = first.spec
        self._singles = singles
        self._wraps = wraps

    @property
    def schema(self) -> ToolSchema:
        """The first tool's."""
        return self._singles[0].schema

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> ToolOutcome:
        """Calls the chain with validated arguments."""
        return ToolOutcome.model_validate(await self.run_json(args.model_dump(mode="json"), cancellation_token))

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> dict[str, Any]:
        """The outcome of the first tool that answers, as plain JSON; when none does, the first tool's failure.

        What a wrapper has added to an outcome (the step that it came from) stays in it.

        Raises:
            asyncio.CancelledError: the token was cancelled.
        """
        given: Mapping[str, Any] = args
        failures: list[dict[str, Any]] = []
        for single, wrapped in zip(self._singles, self._wraps, strict=True):
            if failures:
                given = _passed_on(self._singles[len(failures) - 1], single, given)
            try:
                answer = _as_outcome(await wrapped.run_json(given, cancellation_token, call_id), single.name)
            except StepFailed as error:
                if error.code != DENIED:
                    raise
                failed = ToolError(code=DENIED, message=str(error))
                answer = ToolOutcome(status="failed", error=failed, tool=single.name).model_dump(mode="json")
            outcome = ToolOutcome.model_validate(answer)
            if outcome.status == "ok":
                return answer
            failures.append(answer)
            if not _asks_fallback(single, outcome):
                break
        return _told(failures)

    def return_value_as_string(self, value: Any) -> str:
        """What a chat model reads: the value as JSON, or the error with its code."""
        return outcome_text(value)


def _as_outcome(answer: Any, tool: str) -> dict[str, Any]:
    """An outcome as it is; what a person gave in its place as the value of one."""
    if isinstance(answer, Mapping) and {"status", "tool"} <= set(cast(Mapping[str, Any], answer)):
        return dict(cast(Mapping[str, Any], answer))
    evidence: dict[str, Any] = {}
    if isinstance(answer, Mapping):
        given = dict(cast(Mapping[str, Any], answer))
        evidence = {EVIDENCE: given.pop(EVIDENCE)} if EVIDENCE in given else {}
        answer = given
    return {**ToolOutcome(status="ok", value=answer, tool=tool).model_dump(mode="json"), **evidence}


def _asks_fallback(single: SingleTool, outcome: ToolOutcome) -> bool:
    """Whether the tool itself failed and surely nothing has happened that a fallback would do again."""
    if outcome.status != "failed" or outcome.error is None or outcome.error.code not in _FAULTS_OF_TOOLS:
        return False
    return single.spec.is_repeatable or outcome.error.code == "unavailable"


def _passed_on(before: SingleTool, after: SingleTool, given: Mapping[str, Any]) -> Mapping[str, Any]:
    fallback = before.spec.fallback or Fallback(after.name)
    return fallback.arguments(given, after.args_type().model_fields)


def _told(failures: list[dict[str, Any]]) -> dict[str, Any]:
    """The first tool's failure, with a word on each fallback's."""
    first, *others = failures
    words = [first["error"]["message"]]
    words += [f"the fallback {each['tool']}: {each['error']['message']}" for each in others]
    return {**first, "error": {**first["error"], "message": "; ".join(words)}}
