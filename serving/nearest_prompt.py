"""Why a request was not found in a recording: the nearest recorded one, and the first line where the two differ."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from runtime.codec import Json

SHOWN = 160
"""How many characters of a line are shown."""
BEFORE = 40
"""How many characters before the difference are shown."""

PlainRequest = tuple[Sequence[Json], Mapping[str, Json]]
"""Messages and arguments."""


def difference(asked: PlainRequest, recorded: Sequence[PlainRequest]) -> str:
    """One sentence: which recorded request is nearest, and its first line that differs."""
    if not recorded:
        return "the recording is empty"
    lines = _lines(asked)
    number, nearest = max(enumerate(map(_lines, recorded), start=1), key=lambda entry: _share(lines, entry[1]))
    for line, (ours, theirs) in enumerate(zip_longest(lines, nearest), start=1):
        if ours != theirs:
            shown = _around(ours or "", theirs or "")
            return (
                f"the nearest of {len(recorded)} recorded prompts is number {number}; in its line {line} it has "
                f"{shown[1]!r} where now stands {shown[0]!r}"
            )
    return f"recorded prompt number {number} reads the same but has values of other types"


def _lines(request: PlainRequest) -> list[str]:
    """A request as a person would read it."""
    messages, arguments = request
    lines: list[str] = []
    for message in messages:
        lines += _message_lines(message)
    return [*lines, "[arguments]", *json.dumps(arguments, ensure_ascii=False, indent=1, sort_keys=True).split("\n")]


def _message_lines(message: Json) -> list[str]:
    if not isinstance(message, Mapping):
        return [json.dumps(message, ensure_ascii=False)]
    content = message.get("content")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return [f"[{message.get('type')} {message.get('source', '')}]", *text.split("\n")]


def _share(ours: Sequence[str], theirs: Sequence[str]) -> float:
    """How much of two texts is common, 0 to 1, by lines."""
    return difflib.SequenceMatcher(None, ours, theirs, autojunk=False).ratio()


def _around(ours: str, theirs: str) -> tuple[str, str]:
    """Both lines, cut to where they begin to differ."""
    same = next((place for place, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
    same = min(len(ours), len(theirs)) if same is None else same
    start = max(0, same - BEFORE) if len(ours) > SHOWN or len(theirs) > SHOWN else 0
    return ours[start : start + SHOWN], theirs[start : start + SHOWN]
