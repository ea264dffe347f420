"""From the arguments that a model gave to those that a tool is called with: names, types, then known values. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails, to_jsonable_python

from tools.coerce import allows_none, coerced, means_nothing
from tools.outcome import Repair, ToolRetry
from tools.spec import Repairer, ToolSpec

_NAME_CUTOFF = 0.75


@dataclass(frozen=True)
class Prepared:
    """Arguments that a tool can be called with, or what the model has to correct."""

    args: BaseModel | None
    """The validated arguments; None when they have to be corrected."""
    repairs: list[Repair] = field(default_factory=list[Repair])
    correction: ToolRetry | None = None
    """None if and only if `args` are there."""
    is_unknown: bool = False
    """Whether a value is unknown and nothing near it is known, so that asking again would not help."""

    def final(self) -> dict[str, JsonValue]:
        """The arguments as JSON; fault rules are matched on these."""
        return {} if self.args is None else self.args.model_dump(mode="json")


def prepared(spec: ToolSpec, given: Mapping[str, Any]) -> Prepared:
    """Validates and repairs arguments; never raises for what a model may have given.

    In this order: misspelt parameter names, values of a clear meaning in another type, values that a repairer knows.
    """
    raw: dict[str, JsonValue] = to_jsonable_python(dict(given), fallback=str)
    named, repairs = _with_known_names(spec, raw)
    typed, more = _with_declared_types(spec, named)
    repairs += more
    known, more, problem, is_unknown = _with_known_values(spec, typed)
    repairs += more
    args = _validated(spec, known)
    if problem is not None:
        return Prepared(None, repairs, _with_others(spec, problem, args), is_unknown)
    if isinstance(args, ValidationError):
        return Prepared(None, repairs, ToolRetry(_explained(spec, args)))
    return Prepared(args, repairs)


def _with_others(spec: ToolSpec, problem: ToolRetry, args: BaseModel | ValidationError) -> ToolRetry:
    """The problem with a word on all others, so that one correction can mend them all."""
    if isinstance(args, BaseModel):
        return problem
    return ToolRetry(f"{problem.message}; {_explained(spec, args)}", problem.code)


def _with_known_names(spec: ToolSpec, given: dict[str, JsonValue]) -> tuple[dict[str, JsonValue], list[Repair]]:
    fields = list(spec.args_type.model_fields)
    free = [name for name in fields if name not in given]
    result: dict[str, JsonValue] = {}
    repairs: list[Repair] = []
    for name, value in given.items():
        near = [] if name in fields else difflib.get_close_matches(_plain(name), free, n=2, cutoff=_NAME_CUTOFF)
        if len(near) == 1:
            free.remove(near[0])
            repairs.append(Repair(field=near[0], found=name, used=near[0]))
        result[near[0] if len(near) == 1 else name] = value
    return result, repairs


def _plain(name: str) -> str:
    """A parameter name as we write them: `childAges` and `child-ages` are `child_ages`."""
    snake = "".join(f"_{char.lower()}" if char.isupper() else char for char in name)
    return snake.replace("-", "_").replace(" ", "_").strip("_")


def _with_declared_types(spec: ToolSpec, given: dict[str, JsonValue]) -> tuple[dict[str, JsonValue], list[Repair]]:
    checked = _validated(spec, given)
    if not isinstance(checked, ValidationError):
        return given, []
    wrong = {str(error["loc"][0]) for error in checked.errors() if error["loc"] and error["type"] != "missing"}
    result, repairs = dict(given), list[Repair]()
    for name, info in spec.args_type.model_fields.items():
        if name not in wrong or name not in given:
            continue
        result[name] = coerced(info.annotation, given[name])
        if result[name] != given[name] or type(result[name]) is not type(given[name]):
            repairs.append(Repair(field=name, found=given[name], used=result[name]))
    return result, repairs


def _with_known_values(
    spec: ToolSpec, given: dict[str, JsonValue]
) -> tuple[dict[str, JsonValue], list[Repair], ToolRetry | None, bool]:
    result, repairs = dict(given), list[Repair]()
    for name, repairer in spec.repairers.items():
        value = given.get(name)
        if not isinstance(value, str):
            continue
        used, problem, is_unknown = _known(name, value, repairer, spec.args_type.model_fields[name].annotation)
        if problem is not None:
            return result, repairs, problem, is_unknown
        if used != value:
            repairs.append(Repair(field=name, found=value, used=used))
        result[name] = used
    return result, repairs, None, False


def _known(name: str, value: str, repairer: Repairer, annotation: Any) -> tuple[str | None, ToolRetry | None, bool]:
    if allows_none(annotation) and means_nothing(value):
        return None, None, False
    match = repairer(value)
    if match.used is not None:
        return match.used, None, False
    if match.candidates:
        message = f"{name}: {value!r} is not known; did you mean one of {', '.join(match.candidates)}?"
        return value, ToolRetry(message, code="not_found"), False
    return value, ToolRetry(f"{name}: {value!r} is not known, nor anything like it", code="not_found"), True


def _validated(spec: ToolSpec, given: dict[str, JsonValue]) -> BaseModel | ValidationError:
    try:
        return spec.args_type.model_validate_json(json.dumps(given), strict=True)
    except ValidationError as error:
        return error


def _explained(spec: ToolSpec, error: ValidationError) -> str:
    """One line per fault: the parameter, what was found and what is expected."""
    lines = [_line(spec, details) for details in error.errors(include_url=False)]
    return f"{spec.name}: " + "; ".join(dict.fromkeys(lines))


def _line(spec: ToolSpec, details: ErrorDetails) -> str:
    place = ".".join(str(part) for part in details["loc"]) or "arguments"
    if details["type"] == "missing":
        return f"{place}: missing"
    if details["type"] == "extra_forbidden":
        return f"{place}: no such parameter; there are {', '.join(spec.args_type.model_fields) or 'none'}"
    found = json.dumps(details["input"], ensure_ascii=False, default=str)
    return f"{place}: found {found[:80]}; {details['msg'][0].lower()}{details['msg'][1:]}"
