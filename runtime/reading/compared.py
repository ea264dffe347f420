"""Two JSON values side by side, for people: the places where they differ, and long texts line by line. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from runtime.codec import Json, canonical

MAX_LINES = 40
"""How many lines a comparison shows at most."""

LONG = 60
"""Texts from so many characters on are compared line by line and word by word."""

CONTEXT = 60
"""How many characters are shown before and after the first place where two lines differ."""


def compared(before: Json, now: Json) -> list[str]:
    """Lines that begin with `-` (what was), `+` (what is) or a blank (where); none when the values are equal."""
    lines = list(_lines("", before, now))
    if len(lines) > MAX_LINES:
        return [*lines[:MAX_LINES], f"  … and {len(lines) - MAX_LINES} more lines"]
    return lines


def _lines(place: str, before: Json, now: Json) -> Iterator[str]:
    if before == now and type(before) is type(now):
        return
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            inner = f"{place}.{key}" if place else str(key)
            if key not in now:
                yield from _pair(inner, [f"- {shown(before[key])}"])
            elif key not in before:
                yield from _pair(inner, [f"+ {shown(now[key])}"])
            else:
                yield from _lines(inner, before[key], now[key])
    elif _is_list(before) and _is_list(now):
        yield from _lists(place, before, now)
    elif isinstance(before, str) and isinstance(now, str) and (len(before) >= LONG or len(now) >= LONG):
        yield from _pair(place, _texts(before, now))
    else:
        yield from _pair(place, [f"- {shown(before)}", f"+ {shown(now)}"])


def _is_list(value: Json) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _lists(place: str, before: Json, now: Json) -> Iterator[str]:
    assert isinstance(before, Sequence) and isinstance(now, Sequence)
    for index in range(max(len(before), len(now))):
        inner = f"{place}[{index}]"
        if index >= len(now):
            yield from _pair(inner, [f"- {shown(before[index])}"])
        elif index >= len(before):
            yield from _pair(inner, [f"+ {shown(now[index])}"])
        else:
            yield from _lines(inner, before[index], now[index])


def _pair(place: str, lines: Iterable[str]) -> Iterator[str]:
    if place:
        yield f"  {place}:"
    yield from lines


def _texts(before: str, now: str) -> Iterator[str]:
    old, new = before.splitlines(), now.splitlines()
    if len(old) == 1 and len(new) == 1:
        yield from _around(old[0], new[0])
        return
    for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "replace" and b - a == d - c:
            for was, is_ in zip(old[a:b], new[c:d], strict=True):
                yield from _around(was, is_)
        elif tag != "equal":
            yield from (f"- {shown(line)}" for line in old[a:b])
            yield from (f"+ {shown(line)}" for line in new[c:d])


def _around(before: str, now: str) -> Iterator[str]:
    """The first place where two lines differ, with what stands around it."""
    same = next((n for n, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now)))
    start = max(0, same - CONTEXT)
    for sign, line in (("-", before), ("+", now)):
        end = min(len(line), same + 2 * CONTEXT)
        yield f"{sign} {'…' if start else ''}{line[start:end]}{'…' if end < len(line) else ''}"


def shown(value: Json, limit: int = 200) -> str:
    """A value in one line of at most so many characters."""
    text = value if isinstance(value, str) else canonical(value).decode()
    text = text.replace("\n", "⏎")
    return text if len(text) <= limit else text[: limit - 1] + "…"
