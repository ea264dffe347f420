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

HEADING = "=== "
"""What begins the lines between messages; no prompt has lines of its own like them."""

PlainRequest = tuple[Sequence[Json], Mapping[str, Json]]
"""Messages and arguments."""


def difference(asked: PlainRequest, recorded: Mapping[int, PlainRequest]) -> str:
    """One sentence: which recorded request (by its line in the file) is nearest, and its first line that differs."""
    if not recorded:
        return "the recording is empty"
    lines = _lines(asked)
    read = {number: _lines(request) for number, request in recorded.items()}
    number, nearest = max(read.items(), key=lambda entry: _share(lines, entry[1]))
    for line, (ours, theirs) in enumerate(zip_longest(lines, nearest), start=1):
        if ours != theirs:
            shown = _around(ours or "", theirs or "")
            return (
                f"the nearest of {len(recorded)} recorded prompts stands in line {number}; its line {line} "
                f"({_part(nearest, line)}) has {shown[1]!r} where now stands {shown[0]!r}"
            )
    return f"the recorded prompt in line {number} reads the same, but its messages have other fields"


def _lines(request: PlainRequest) -> list[str]:
    """A request as a person would read it."""
    messages, arguments = request
    lines: list[str] = []
    for message in messages:
        lines += _message_lines(message)
    return [
        *lines,
        f"{HEADING}arguments",
        *json.dumps(arguments, ensure_ascii=False, indent=1, sort_keys=True).split("\n"),
    ]


def _message_lines(message: Json) -> list[str]:
    if not isinstance(message, Mapping):
        return [json.dumps(message, ensure_ascii=False)]
    content = message.get("content")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    heading = f"{HEADING}{message.get('type')} {message.get('source', '')}".rstrip()
    return [heading, *text.split("\n")]


def _share(ours: Sequence[str], theirs: Sequence[str]) -> float:
    """How much of two texts is common, 0 to 1, by lines."""
    return difflib.SequenceMatcher(None, ours, theirs, autojunk=False).ratio()


def _part(lines: Sequence[str], line: int) -> str:
    """The heading of the part in which a line (from 1) stands."""
    headings = [entry.removeprefix(HEADING) for entry in lines[:line] if entry.startswith(HEADING)]
    return headings[-1] if headings else "beginning"


def _around(ours: str, theirs: str) -> tuple[str, str]:
    """Both lines, cut to where they begin to differ."""
    same = next((place for place, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
    same = min(len(ours), len(theirs)) if same is None else same
    start = max(0, same - BEFORE) if len(ours) > SHOWN or len(theirs) > SHOWN else 0
    return ours[start : start + SHOWN], theirs[start : start + SHOWN]
