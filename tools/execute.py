"""One call of one tool: prepared, tried within a time limit, retried, and told as an outcome.

The chain reads from top to bottom: execute → _outcome → _with_retries → _attempt → _with_limit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import tenacity
from autogen_core import CancellationToken
from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from runtime import clock
from runtime.errors import RepertoryError
from tools.arguments import Prepared, prepared
from tools.errors import ToolFault, TransientFault
from tools.faults import Faults
from tools.outcome import Repair, ToolError, ToolOutcome, ToolRetry
from tools.spec import ToolSpec

log = logging.getLogger("repertory.tools")

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class CallContext:
    """What a call carries beside its arguments."""

    cancellation_token: CancellationToken
    call_id: str
    """The same whenever this call is repeated; an idempotent tool's key."""


Performer = Callable[[BaseModel, CallContext], Awaitable[object]]
"""What does a tool's work, given validated arguments."""


@dataclass(frozen=True)
class Surroundings:
    """What all calls of a run share."""

    faults: Faults = field(default_factory=Faults)
    sleep: Sleep = asyncio.sleep
    """Waits between retries, in seconds; tests give one that does not wait."""


async def execute(
    spec: ToolSpec, perform: Performer, arguments: Mapping[str, Any], ctx: CallContext, around: Surroundings
) -> ToolOutcome:
    """Makes one call; whatever goes wrong is an outcome.

    Raises:
        RepertoryError: what a tool raised that is not a ToolFault: it concerns the run, not the call.
        asyncio.CancelledError: the token or the task was cancelled.
    """
    ready = prepared(spec, arguments)
    if ready.args is None:
        return _refused(spec, ready)
    call = _Call(spec, perform, ready, ctx, around)
    task = asyncio.ensure_future(call.outcome())
    ctx.cancellation_token.link_future(task)
    return await task


def _refused(spec: ToolSpec, ready: Prepared) -> ToolOutcome:
    outcome = _retry(spec, ready.repairs, ready.correction or ToolRetry("the arguments cannot be used"), attempts=0)
    return outcome.model_copy(update={"status": "failed"}) if ready.is_unknown else outcome


def _retry(spec: ToolSpec, repairs: list[Repair], retry: ToolRetry, attempts: int) -> ToolOutcome:
    error = ToolError(code=retry.code, message=retry.message)
    return ToolOutcome(status="retry", error=error, repairs=repairs, attempts=attempts, tool=spec.name)


class _Call:
    """A call whose arguments are valid."""

    def __init__(
        self, spec: ToolSpec, perform: Performer, ready: Prepared, ctx: CallContext, around: Surroundings
    ) -> None:
        assert ready.args is not None
        self._spec, self._perform, self._ready, self._ctx, self._around = spec, perform, ready, ctx, around
        self._args, self._final = ready.args, ready.final()
        self._attempts = 0

    async def outcome(self) -> ToolOutcome:
        name, repairs = self._spec.name, self._ready.repairs
        try:
            result = await self._with_retries()
        except ToolFault as fault:
            error = ToolError(code=fault.code, message=str(fault))
            value = to_jsonable_python(fault.value, fallback=str)
            return ToolOutcome(
                status="failed", value=value, error=error, repairs=repairs, attempts=self._attempts, tool=name
            )
        if isinstance(result, ToolRetry):
            return _retry(self._spec, repairs, result, self._attempts)
        return ToolOutcome(status="ok", value=result, repairs=repairs, attempts=self._attempts, tool=name)

    async def _with_retries(self) -> JsonValue | ToolRetry:
        policy = self._spec.retry
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(1 + policy.retries),
            wait=tenacity.wait_exponential(multiplier=policy.first_wait_s),
            retry=tenacity.retry_if_exception(_is_transient),
            sleep=self._around.sleep,
            reraise=True,
        )
        return await retrying(self._attempt)

    async def _attempt(self) -> JsonValue | ToolRetry:
        """One try, with every error as a ToolFault."""
        self._attempts += 1
        rule = self._around.faults.rule_for(self._spec.name, self._final, self._attempts)
        if rule is not None:
            raise self._injected(rule.error)
        try:
            result = await self._with_limit()
        except RepertoryError:
            raise
        except TimeoutError:
            raise self._lost("timeout", f"no answer within {self._spec.timeout_s:g} s") from None
        except ConnectionError as error:
            raise self._lost("unavailable", f"the connection failed ({type(error).__name__})") from None
        except Exception as error:
            log.debug("tool %s failed", self._spec.name, exc_info=True)
            raise ToolFault("failed", f"{self._spec.name}: unexpected {type(error).__name__}") from None
        return result if isinstance(result, ToolRetry) else self._as_json(result)

    async def _with_limit(self) -> object:
        async with asyncio.timeout(self._spec.timeout_s):
            return await self._perform(self._args, self._ctx)

    def _injected(self, code: str) -> ToolFault:
        """The fault that a rule asks for, as if it had come by itself."""
        words = f"{code} (a fault injected by the scenario)"
        if code == "timeout":
            return self._lost(code, words)
        if code == "unavailable":
            return TransientFault(f"{self._spec.name}: {words}")
        return ToolFault(code, f"{self._spec.name}: {words}")

    def _lost(self, code: str, message: str) -> ToolFault:
        """The fault for a call of which nobody knows whether it happened: transient where that does not matter."""
        if self._spec.is_repeatable:
            return TransientFault(f"{self._spec.name}: {message}", code=code)
        unsure = "whether it took effect is not known, so it is not tried again"
        return ToolFault("timeout" if code == "timeout" else "failed", f"{self._spec.name}: {message}; {unsure}")

    def _as_json(self, result: object) -> JsonValue:
        try:
            value: JsonValue = to_jsonable_python(self._spec.result.validate_python(result), inf_nan_mode="null")
        except (ValidationError, PydanticSerializationError):
            found = type(result).__name__
            raise ToolFault("failed", f"{self._spec.name}: its result ({found}) is not of the declared type") from None
        return value


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, ToolFault) and error.is_transient


def derived_call_id(tool: str, arguments: Mapping[str, Any]) -> str:
    """The id of a call that was given none: the same for the same tool and arguments."""
    return clock.derived_id("tool", tool, sorted(arguments.items(), key=lambda item: item[0]))
