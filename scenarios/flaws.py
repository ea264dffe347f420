"""What is wrong with a scenario, as facts: where, what was found, what was expected, what was perhaps meant.

All flaws of a file are told at once, one line each. `scenarios/load.py` and whoever checks a scenario further raise
them as one `ScenarioError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, cast

from runtime.errors import UsageError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]
"""The way from the top of a scenario to a value: names and positions."""

MAX_SHOWN = 20
"""How many flaws one message lists."""


@dataclass(frozen=True)
class Flaw:
    """One thing that is wrong."""

    place: str
    """`FILE:LINE`, or the command-line option that said it."""
    path: Path
    """Which value; empty for the whole file."""
    found: str
    expected: str
    meant: tuple[str, ...] = ()
    """The name closest to what was found, if any is close."""

    def __str__(self) -> str:
        field = f"{dotted(self.path)}: " if self.path else ""
        hint = f"; did you mean {' or '.join(self.meant)}?" if self.meant else ""
        return f"{self.place}: {field}found {self.found}, expected {self.expected}{hint}"


class ScenarioError(UsageError):
    """A scenario cannot be performed; `flaws` says why, each with its place."""

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        self.flaws = tuple(sorted(flaws, key=_line))
        shown = [str(flaw) for flaw in self.flaws[:MAX_SHOWN]]
        rest = len(self.flaws) - len(shown)
        super().__init__("\n".join([*shown, *([f"… and {rest} more"] if rest else [])]))


def _line(flaw: Flaw) -> int:
    line = flaw.place.rpartition(":")[2]
    return int(line) if line.isdigit() else 0


def dotted(path: Path) -> str:
    """`agents.executor.count`, `tools[2].fallback`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def nearest(name: object, names: Iterable[str]) -> tuple[str, ...]:
    """The name that looks most like `name`, if any comes close."""
    by_folded = {known.casefold(): known for known in names}
    close = get_close_matches(str(name).casefold(), list(by_folded), n=1, cutoff=0.6)
    return tuple(by_folded[folded] for folded in close)


def shown(value: object) -> str:
    """A value as a message shows it, at most some 60 characters."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            short = value if len(value) <= 60 else value[:57] + "…"
            return f"the text {short!r}"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return type(value).__name__


_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of names to values",
    "list_type": "a list",
    "none_required": "nothing",
}

_BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than_equal": ("ge", "a number of at least {}"),
    "greater_than": ("gt", "a number greater than {}"),
    "less_than_equal": ("le", "a number of at most {}"),
    "less_than": ("lt", "a number less than {}"),
    "string_too_short": ("min_length", "a text of at least {} characters"),
    "string_too_long": ("max_length", "a text of at most {} characters"),
    "too_short": ("min_length", "at least {} entries"),
    "too_long": ("max_length", "at most {} entries"),
}


def flaw_of(error: ErrorDetails, place_of: Callable[[Path], str], schema: Mapping[str, object]) -> Flaw:
    """The flaw that a pydantic error stands for; `schema` is the JSON Schema that the value was to fulfil.

    The schema's `x-words` say in words what each pattern means.
    """
    path = tuple(part for part in error["loc"] if part != "[key]")
    place = place_of(path)
    if error["type"] == "extra_forbidden":
        fields = sorted(field_names(schema, path[:-1]))
        return Flaw(place, path, "an unknown field", f"one of {', '.join(fields)}", nearest(path[-1], fields))
    if error["type"] == "missing":
        return Flaw(place, path, "nothing", _described(schema, path) or "a value")
    choices = _choices(schema, path)
    return Flaw(place, path, shown(error["input"]), _expected(error, schema, path), nearest(error["input"], choices))


def _expected(error: ErrorDetails, schema: Mapping[str, object], path: Path) -> str:
    kind, ctx = error["type"], error.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in _BOUNDS:
        key, template = _BOUNDS[kind]
        return template.format(f"{ctx[key]:g}")
    if kind == "literal_error":
        return f"{ctx['expected']}".replace("'", "")
    if kind == "string_pattern_mismatch":
        words = _mapping(schema.get("x-words")).get(ctx["pattern"])
        return str(words or _described(schema, path) or f"a text that matches {ctx['pattern']}")
    return error["msg"]


def field_names(schema: Mapping[str, object], path: Path) -> list[str]:
    """The fields that may stand at `path`."""
    return list(_mapping(_at(schema, path).get("properties")))


def _described(schema: Mapping[str, object], path: Path) -> str:
    """The first clause of a field's description, to follow `expected`."""
    clause = re.split(r"[.;:]\s", str(_at(schema, path).get("description", "")) + " ")[0].strip()
    return clause[:1].lower() + clause[1:]


def _choices(schema: Mapping[str, object], path: Path) -> list[str]:
    node = _at(schema, path)
    return [str(choice) for key in ("enum", "examples") for choice in cast("list[object]", node.get(key, []))]


def _at(schema: Mapping[str, object], path: Path) -> Mapping[str, object]:
    node: Mapping[str, object] = schema
    for part in path:
        node = _resolved(schema, node)
        if isinstance(part, int):
            node = _mapping(node.get("items"))
        else:
            others = [node.get("additionalProperties"), *_mapping(node.get("patternProperties")).values()]
            candidates = [_mapping(node.get("properties")).get(part), *others]
            node = next((_mapping(one) for one in candidates if _mapping(one)), _mapping(None))
    return _resolved(schema, node)


def _resolved(schema: Mapping[str, object], node: Mapping[str, object]) -> Mapping[str, object]:
    """The node behind references, and of alternatives the one that says most."""
    while True:
        if isinstance(reference := node.get("$ref"), str):
            target = _mapping(_mapping(schema.get("$defs")).get(reference.rpartition("/")[2]))
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        elif isinstance(alternatives := node.get("anyOf"), list):
            best = max((_mapping(one) for one in cast("list[object]", alternatives)), key=len)
            node = {**best, **{key: value for key, value in node.items() if key != "anyOf"}}
        else:
            return node


def _mapping(value: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}
