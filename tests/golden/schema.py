"""The classes of the events as they are written to journals; kept for each format version, to notice a change."""

from __future__ import annotations

from typing import Any

import msgspec

from runtime.events import AnyEvent

WORDS = ("title", "description")
"""What may change without a change of the format."""


def schema() -> dict[str, Any]:
    """The JSON schema of every class, without what is said about it in words."""
    _, classes = msgspec.json.schema_components([AnyEvent])
    return {name: _wordless(each) for name, each in sorted(classes.items())}


def _wordless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _wordless(item) for key, item in value.items() if key not in WORDS or not isinstance(item, str)}  # pyright: ignore[reportUnknownVariableType]  # plain JSON
    return [_wordless(item) for item in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]  # plain JSON


def schema_bytes() -> bytes:
    """The schema as its file holds it."""
    return msgspec.json.format(msgspec.json.encode(schema(), order="sorted"), indent=1) + b"\n"
