"""Small pieces of JSON Schema, as closed as they can be: what cannot be answered need not be corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from agents.messages import JsonObject

MAX_TEXT = 24
"""Characters of a free text: a name, a short wish."""


def closed(properties: Mapping[str, JsonObject]) -> JsonObject:
    """An object of exactly these properties, in this order."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def one_of(values: Sequence[JsonValue]) -> JsonObject:
    """One of these values, each once."""
    return {"enum": [value for place, value in enumerate(values) if value not in values[:place]]}


def any_of(*schemas: JsonObject) -> JsonObject:
    """What satisfies one of the schemas."""
    return schemas[0] if len(schemas) == 1 else {"anyOf": [*schemas]}


def text(longest: int = MAX_TEXT) -> JsonObject:
    """A short text."""
    return {"type": "string", "minLength": 1, "maxLength": longest}


def number(least: int, most: int) -> JsonObject:
    """A whole number within bounds."""
    return {"type": "integer", "minimum": least, "maximum": most}


def optional(schema: JsonObject) -> JsonObject:
    """What satisfies the schema, or null."""
    return any_of(schema, {"type": "null"})


def listed(items: JsonObject, least: int, most: int) -> JsonObject:
    """A list of so many items."""
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def exactly(*items: JsonObject) -> JsonObject:
    """A list of exactly these items, in this order."""
    return headed(items, {}, 0)


def headed(head: Sequence[JsonObject], tail: JsonObject, more: int, least: int | None = None) -> JsonObject:
    """A list that begins with `head` (at least with its first `least` items), then up to `more` of `tail`."""
    schema: JsonObject = {
        "type": "array",
        "minItems": len(head) if least is None else least,
        "maxItems": len(head) + more,
        "items": tail if more or not head else False,
    }
    if head:
        schema["prefixItems"] = [*head]
    return schema
