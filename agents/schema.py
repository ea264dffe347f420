"""Says what is wrong with a model's JSON answer, in short sentences that a small model can act on.

Servers that decode under a schema make most of these faults impossible; scripted, recorded and foreign models do not.
"""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # ships no types
from pydantic import JsonValue, TypeAdapter

from agents.messages import JsonObject

SHOWN = 8
"""How many faults, and how many of the allowed values, are named at most."""

_OBJECT: TypeAdapter[JsonObject] = TypeAdapter(JsonObject)


def parse(text: str) -> JsonObject | None:
    """The JSON object that the text is; None when it is none."""
    try:
        return _OBJECT.validate_python(json.loads(text))
    except ValueError:
        return None


def schema_faults(value: JsonObject, schema: JsonObject) -> list[str]:
    """What does not satisfy the schema, one sentence each; empty when all does."""
    validator: Any = Draft202012Validator(schema)
    return [_sentence(_deepest(error)) for error in list(validator.iter_errors(value))[:SHOWN]]


def _deepest(error: Any) -> Any:
    """The fault itself; of the branches of an anyOf, one of the branch that the answer seems to mean."""
    while error.context:
        branches: dict[int, list[Any]] = {}
        for fault in error.context:
            branches.setdefault(fault.schema_path[0], []).append(fault)
        error = min(branches.values(), key=_strangeness)[0]
    return error


def _strangeness(faults: list[Any]) -> tuple[int, int]:
    """How little an answer seems to mean a branch: a wrong tag first, then the number of faults."""
    tags = [fault for fault in faults if fault.validator == "const" or len(fault.validator_value or "") == 1]
    return len([fault for fault in tags if fault.validator in ("const", "enum")]), len(faults)


def _sentence(error: Any) -> str:
    place = ".".join(str(step) for step in error.absolute_path) or "答案"
    found, wanted = error.instance, error.validator_value
    match error.validator:
        case "enum":
            return f"{place} 是 {_shown(found)}，只能取：{_listed(wanted)}"
        case "const":
            return f"{place} 只能是 {_shown(wanted)}"
        case "type":
            return f"{place} 是 {_shown(found)}，类型应为 {wanted}"
        case "required":
            return f"{place} 缺少字段 {', '.join(name for name in wanted if name not in found)}"
        case "minItems":
            return f"{place} 有 {len(found)} 项，至少 {wanted} 项"
        case "maxItems":
            return f"{place} 有 {len(found)} 项，最多 {wanted} 项"
        case _:
            return f"{place}：{error.message}"


def _listed(values: list[JsonValue]) -> str:
    more = "…" if len(values) > SHOWN else ""
    return "、".join(_shown(value) for value in values[:SHOWN]) + more


def _shown(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else text[:39] + "…"
