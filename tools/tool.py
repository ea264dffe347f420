"""Makes autogen-core tools out of typed Python functions.

@tool(effect="read")
def price(city: str, day: date) -> int: ...
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypedDict, Unpack, overload

from autogen_core import CancellationToken
from autogen_core.tools import BaseTool, Tool, ToolSchema
from pydantic import BaseModel, TypeAdapter, ValidationError

from runtime.errors import UsageError
from runtime.events import EffectClass
from tools.approval import Approval
from tools.execute import CallContext, Performer, Surroundings, derived_call_id, execute
from tools.outcome import ToolOutcome
from tools.signature import CallId, read_signature
from tools.spec import Fallback, Repairer, RetryPolicy, ToolSpec


class ToolOptions(TypedDict, total=False):
    """What may be said about a tool beside its code; see ToolSpec for each."""

    name: str
    """The function's name unless given."""
    description: str
    """The function's docstring unless given."""
    effect: EffectClass
    """irreversible unless given."""
    error_codes: Sequence[str]
    timeout_s: float
    retry: RetryPolicy
    fallback: str | Fallback
    approval: Literal["always"] | Approval
    """When a person must approve a call."""
    undo: str
    """The name of the tool that undoes a call."""
    repairers: Mapping[str, Repairer]


class SingleTool(BaseTool[BaseModel, ToolOutcome]):
    """One tool without its fallback: arguments are validated and repaired, faults retried, results are outcomes.

    `run_json` returns a ToolOutcome as plain JSON and raises nothing for what model, tool or network do wrong.
    The effect class is in `effect`.
    """

    def __init__(self, spec: ToolSpec, perform: Performer, around: Surroundings | None = None) -> None:
        super().__init__(spec.args_type, ToolOutcome, spec.name, spec.description)
        self.spec = spec
        self._perform = perform
        self._around = around or Surroundings()
        self._schema: ToolSchema | None = None

    @property
    def effect(self) -> EffectClass:
        """What recovery and forks may do with a call."""
        return self.spec.effect

    @property
    def schema(self) -> ToolSchema:
        """Name, description and JSON schema of the parameters, made once."""
        if self._schema is None:
            self._schema = super().schema
        return self._schema

    def within(self, around: Surroundings) -> SingleTool:
        """The same tool among a run's fault rules and clockwork."""
        return type(self)(self.spec, self._perform, around)

    def changed(self, **changes: Any) -> SingleTool:
        """The same tool with other facts in its spec (name, effect, fallback …)."""
        return type(self)(replace(self.spec, **changes), self._perform, self._around)

    async def run(self, args: BaseModel, cancellation_token: CancellationToken) -> ToolOutcome:
        """Calls the tool with validated arguments."""
        return await self.outcome(args.model_dump(mode="json"), cancellation_token)

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> dict[str, Any]:
        """Calls the tool and returns its ToolOutcome as plain JSON.

        Raises:
            asyncio.CancelledError: the token was cancelled.
            RepertoryError: an error of the run, not of the call, that the tool passed on.
        """
        return (await self.outcome(args, cancellation_token, call_id)).model_dump(mode="json")

    async def outcome(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> ToolOutcome:
        """As `run_json`, before it becomes JSON."""
        ctx = CallContext(cancellation_token, call_id or derived_call_id(self.name, args))
        return await execute(self.spec, self._perform, args, ctx, self._around)

    def return_value_as_string(self, value: Any) -> str:
        """What a chat model reads: the value as JSON, or the error with its code."""
        return outcome_text(value)


def outcome_text(value: Any) -> str:
    """The text of an outcome (or its JSON) for a chat model; any other value as `str` gives it."""
    if isinstance(value, ToolOutcome):
        return value.for_model()
    try:
        return ToolOutcome.model_validate(value).for_model()
    except ValidationError:
        return str(value)


@overload
def tool(function: Callable[..., object], /, **options: Unpack[ToolOptions]) -> SingleTool: ...
@overload
def tool(**options: Unpack[ToolOptions]) -> Callable[[Callable[..., object]], SingleTool]: ...
def tool(
    function: Callable[..., object] | None = None, /, **options: Unpack[ToolOptions]
) -> SingleTool | Callable[[Callable[..., object]], SingleTool]:
    """Makes a tool of a typed function, sync (run in a thread) or async; usable as a decorator with or without options.

    Raises:
        UsageError: the function is not typed as a tool has to be.
    """
    if function is None:
        return lambda decorated: tool(decorated, **options)
    return SingleTool(*_read(function, options))


def _read(function: Callable[..., object], options: ToolOptions) -> tuple[ToolSpec, Performer]:
    name = options.get("name") or str(getattr(function, "__name__", type(function).__name__))
    if not name.isidentifier():
        raise UsageError(f"tool {name!r}: a tool's name consists of letters, digits and underscores; give name=…")
    signature = read_signature(function, name)
    fallback = options.get("fallback")
    approval = options.get("approval")
    spec = ToolSpec(
        name=name,
        description=options.get("description") or signature.description,
        args_type=signature.args_type,
        result=signature.result,
        effect=options.get("effect", "irreversible"),
        error_codes=tuple(options.get("error_codes", ())),
        timeout_s=options.get("timeout_s", 30.0),
        retry=options.get("retry", RetryPolicy()),
        fallback=Fallback(fallback) if isinstance(fallback, str) else fallback,
        approval=Approval() if approval == "always" else approval,
        undo=options.get("undo"),
        repairers=options.get("repairers", {}),
    )
    return spec, _performer(function, signature.injected)


def _performer(function: Callable[..., object], injected: Mapping[str, object]) -> Performer:
    async def perform(args: BaseModel, ctx: CallContext) -> object:
        arguments: dict[str, Any] = dict(args)
        for name, kind in injected.items():
            arguments[name] = ctx.call_id if kind is CallId else ctx.cancellation_token
        if inspect.iscoroutinefunction(function):
            return await function(**arguments)
        result = await asyncio.to_thread(function, **arguments)
        return await result if inspect.isawaitable(result) else result

    return perform


def adopted(foreign: Tool, effect: EffectClass = "irreversible") -> SingleTool:
    """Any other autogen-core tool as one of ours: its results become outcomes, its arguments are repaired."""
    if isinstance(foreign, SingleTool):
        return foreign

    async def perform(args: BaseModel, ctx: CallContext) -> object:
        return await foreign.run_json(args.model_dump(), ctx.cancellation_token, ctx.call_id)

    spec = ToolSpec(
        name=foreign.name,
        description=foreign.description,
        args_type=foreign.args_type(),
        result=TypeAdapter(Any),
        effect=effect,
    )
    return SingleTool(spec, perform)
