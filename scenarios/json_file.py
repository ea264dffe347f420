"""JSON files, and whether one holds a team of AutoGen's own; light to import, for every command asks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.errors import UsageError
from runtime.kinds import is_dict

MAX_BYTES = 4 << 20
"""The largest file."""


def is_team_file(path: Path) -> bool:
    """Whether a file holds component JSON and not a scenario."""
    return path.suffix.lower() == ".json" and _has_component(read_json(path))


def read_json(path: Path) -> Any:
    """What the file holds.

    Raises:
        UsageError: it cannot be read, is too large, or is no JSON.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror}), expected a file with a scenario or a team"
        ) from None
    if len(raw) > MAX_BYTES:
        raise UsageError(f"{path}: found more than {MAX_BYTES} bytes, expected a team's component JSON")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path}: found no JSON that can be read ({error}), expected a team's component JSON"
        ) from None


def _has_component(data: Any) -> bool:
    inner: list[Any] = [data, *(data.get(key) for key in ("component", "config"))] if is_dict(data) else []
    return any(is_dict(each) and "provider" in each for each in inner)
