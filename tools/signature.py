"""Reads a typed Python function as a tool: its parameters, its result, its description."""

from __future__ import annotations

import inspect
import re
import typing
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NewType, get_args, get_origin

from autogen_core import CancellationToken
from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, TypeAdapter, create_model

from runtime.errors import UsageError
from tools.outcome import ToolRetry

CallId = NewType("CallId", str)
"""A parameter of this type is not shown to the model; it gets the call's id, the same whenever the call is repeated.
An idempotent tool passes it on as its idempotency key."""


@dataclass(frozen=True)
class Signature:
    """What a function's type hints say."""

    args_type: type[BaseModel]
    result: TypeAdapter[Any]
    description: str
    injected: Mapping[str, object]
    """Parameters that the model does not see, with their types: CancellationToken or CallId."""


def read_signature(function: Callable[..., object], name: str) -> Signature:
    """Reads the function's parameters and result; `name` is the tool's.

    Raises:
        UsageError: a parameter has no type, cannot be passed by name, or has a type that has no JSON schema.
    """
    hints = _hints(function, name)
    fields: dict[str, Any] = {}
    injected: dict[str, object] = {}
    for parameter in inspect.signature(function).parameters.values():
        annotation = hints.get(parameter.name)
        if annotation in (CancellationToken, CallId):
            injected[parameter.name] = annotation
        else:
            fields[parameter.name] = _field(parameter, annotation, name)
    args_type = _args_model(name, fields)
    return Signature(args_type, _result(hints.get("return", Any), name), _description(function, name), injected)


def _hints(function: Callable[..., object], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise UsageError(f"tool {name!r}: a type hint cannot be read: {error}") from None


def _field(parameter: inspect.Parameter, annotation: Any, tool: str) -> tuple[Any, Any]:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise UsageError(f"tool {tool!r}: parameter {parameter} cannot be passed by name; name each parameter")
    if annotation is None:
        hint = f"{parameter.name}: str"
        raise UsageError(f"tool {tool!r}: parameter {parameter.name!r} has no type; write for example {hint!r}")
    if parameter.name.startswith("_"):
        raise UsageError(f"tool {tool!r}: parameter {parameter.name!r} may not begin with an underscore")
    default = ... if parameter.default is parameter.empty else parameter.default
    return _described(annotation), default


def _described(annotation: Any) -> Any:
    """`Annotated[T, "text"]` with the text as pydantic's description."""
    if get_origin(annotation) is not Annotated:
        return annotation
    base, *extras = get_args(annotation)
    described = [Field(description=extra) if isinstance(extra, str) else extra for extra in extras]
    for extra in described:
        base = Annotated[base, extra]
    return base


def _args_model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    config = ConfigDict(extra="forbid", protected_namespaces=(), arbitrary_types_allowed=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a parameter may well be called `schema` or `copy`
            model: type[BaseModel] = create_model(f"{name}_arguments", __config__=config, **fields)
            model.model_json_schema()
    except (PydanticUserError, NameError) as error:
        message = str(error).splitlines()[0]
        raise UsageError(f"tool {name!r}: a parameter's type has no JSON schema: {message}") from None
    return model


def _result(annotation: Any, name: str) -> TypeAdapter[Any]:
    """The adapter of the declared result, without ToolRetry, which is told apart before."""
    arms = [arm for arm in get_args(annotation) if arm is not ToolRetry] if _is_union(annotation) else [annotation]
    kept: Any = Any if arms == [] else typing.Union[tuple(arms)]  # noqa: UP007 - built from a list
    try:
        return TypeAdapter(kept)
    except PydanticUserError as error:
        message = str(error).splitlines()[0]
        raise UsageError(f"tool {name!r}: the result's type cannot be turned into JSON: {message}") from None


def _is_union(annotation: Any) -> bool:
    return isinstance(annotation, type(int | str)) or get_origin(annotation) is typing.Union


def _description(function: Callable[..., object], name: str) -> str:
    """The docstring before its sections (Args, Raises …)."""
    text = (inspect.getdoc(function) or "") if inspect.isroutine(function) else ""
    return re.split(r"\n(?:Args|Arguments|Returns|Raises|Example|Examples):", text)[0].strip() or name.replace("_", " ")
