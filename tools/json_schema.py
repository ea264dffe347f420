"""Makes the arguments model of a tool that others describe by a JSON schema (MCP servers).

What the schema says about types is checked and repaired here; what else it says (patterns, bounds, references) is shown
to the model as it is and checked by whoever runs the tool.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Mapping
from typing import Any, Literal, Union

from pydantic import BaseModel, ConfigDict, JsonValue, create_model

_PLAIN: Mapping[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "object": dict[str, JsonValue],
    "null": None,
}


def arguments_model(name: str, schema: Mapping[str, Any]) -> type[BaseModel]:
    """A model of the object that the schema describes; its own JSON schema is the given one.

    Properties that cannot be fields (leading underscores) are passed on unchecked.
    """
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required: set[str] = set(schema.get("required") or ())
    named = {key: _as_mapping(value) for key, value in properties.items() if not key.startswith("_")}
    is_open = bool(schema.get("additionalProperties")) or len(named) < len(properties)
    fields: dict[str, Any] = {
        key: (_type(value), ...) if key in required else (_optional(_type(value)), value.get("default"))
        for key, value in named.items()
    }
    config = ConfigDict(extra="allow" if is_open else "forbid", protected_namespaces=())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a property may well be called `schema` or `copy`
        return create_model(f"{name}_arguments", __base__=_described_by(schema, config), **fields)


def _described_by(schema: Mapping[str, Any], config: ConfigDict) -> type[BaseModel]:
    shown: dict[str, Any] = {"properties": {}, "type": "object", **schema}

    class Described(BaseModel):
        model_config = config

        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            return dict(shown)

    return Described


def _type(schema: Mapping[str, Any]) -> Any:
    """The Python type of a property; JSON of any kind where the schema is more than a plain type."""
    if values := schema.get("enum"):
        return Literal[tuple(values)]
    for key in ("anyOf", "oneOf"):
        if arms := schema.get(key):
            return _union([_type(_as_mapping(arm)) for arm in arms])
    kind = schema.get("type")
    if isinstance(kind, list):
        return _union([_type({**schema, "type": each}) for each in kind])  # pyright: ignore[reportUnknownVariableType] - any JSON
    if kind == "array":
        return _list_of(_type(_as_mapping(schema.get("items"))))
    return _PLAIN.get(str(kind), JsonValue)


def _list_of(item: Any) -> Any:
    return types.GenericAlias(list, (item,))


def _union(arms: list[Any]) -> Any:
    return Union[tuple(arms)]  # noqa: UP007 - built from a list


def _optional(annotation: Any) -> Any:
    return _union([annotation, None])


def _as_mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType] - any JSON
