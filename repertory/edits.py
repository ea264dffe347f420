"""What `--set PATH=VALUE` means for a fork: which part of a run is to be another. Pure, but for `@FILE`.

message…, result…     the content of the message or step at the fork's event
prompts.NAME          a prompt of the cast
anything else         a value of the scenario: model.temperature, inputs.budget_cny, limits.rounds, request …
                      of a team of AutoGen's own: `task`, or a value of its component: config.max_turns …
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from agents.prompts import parse_prompt, shipped_names
from runtime.codec import Json
from runtime.errors import UsageError
from scenarios.flaws import nearest
from scenarios.source import flow

MAX_FILE_BYTES = 1 << 20
"""The largest file that `@FILE` reads."""

Steps = tuple[str | int, ...]
"""The way from the top of a value to a part of it."""


@dataclass(frozen=True)
class Edits:
    """The edits of a fork, sorted by what they are of."""

    content: Literal["", "message", "result"] = ""
    """What is set at the fork's event; empty for nothing."""
    parts: tuple[tuple[Steps, JsonValue], ...] = ()
    """Where in it, and what to."""
    prompts: Mapping[str, str] = field(default_factory=dict[str, str])
    scenario: tuple[str, ...] = ()
    """`path=value`, as `scenarios.load` takes them."""
    asked: tuple[Mapping[str, Json], ...] = ()
    """All of them, to be shown: `{"path": …, "value": …}`."""

    def touches(self, *roots: str) -> bool:
        """Whether a value of the scenario is set that is one of these or within one."""
        paths = [text.partition("=")[0].strip() for text in self.scenario]
        return any(path == root or path.startswith((f"{root}.", f"{root}[")) for path in paths for root in roots)


def edits_of(texts: Sequence[str]) -> Edits:
    """The edits that were typed.

    Raises:
        UsageError: one has no `=`, names a prompt that there is not, or a file that cannot be read; or both a message
            and a result are to be set, which are two events.
    """
    content: Literal["", "message", "result"] = ""
    parts: list[tuple[Steps, JsonValue]] = []
    prompts: dict[str, str] = {}
    scenario: list[str] = []
    asked: list[Mapping[str, Json]] = []
    for text in texts:
        path, equals, said = text.partition("=")
        path = path.strip()
        if not equals or not path:
            raise UsageError(f"--set: found {text!r}, expected path=value, such as message.text=hello")
        steps = steps_of(path)
        value = _file(said[1:], path) if said.startswith("@") else said
        asked.append({"path": path, "value": value})
        if steps[0] in ("message", "result"):
            kind: Literal["message", "result"] = "message" if steps[0] == "message" else "result"
            if content and content != kind:
                raise UsageError("--set: found a message and a result, expected one event's content; fork twice")
            content = kind
            parts.append((steps[1:], value if said.startswith("@") else flow(value, f"--set {path}")))
        elif steps[0] == "prompts":
            prompts |= _prompt(steps, value)
        else:
            scenario.append(f"{path}={value}")
    return Edits(content, tuple(parts), prompts, tuple(scenario), tuple(asked))


def edited(content: Json, edits: Edits) -> Json:
    """A message's or result's content with the edits made.

    A model's answer is a list of pieces, of which the last is the whole: a name leads into that one.

    Raises:
        UsageError: a path leads to nothing that is there; the nearest names are offered.
    """
    for steps, value in edits.parts:
        content = replaced(content, steps, value, edits.content)
    return content


def replaced(content: Json, steps: Steps, value: JsonValue, place: str) -> Json:
    """The content with another value at a place of it.

    Raises:
        UsageError: the path leads to nothing that is there; the nearest names are offered.
    """
    if not steps:
        return value
    first, rest = steps[0], steps[1:]
    if isinstance(content, Mapping):
        name = str(first)
        if name not in content:
            raise _nothing(place, name, [*content])
        return {**content, name: replaced(content[name], rest, value, f"{place}.{name}")}
    if isinstance(content, Sequence) and not isinstance(content, str):
        index, after = (first, rest) if isinstance(first, int) else (len(content) - 1, steps)
        if not 0 <= index < len(content):
            raise _nothing(place, str(first), [str(n) for n in range(len(content))])
        return [*content[:index], replaced(content[index], after, value, f"{place}[{index}]"), *content[index + 1 :]]
    raise UsageError(f"--set {place}: found a plain value there, expected one with a part {first!r}")


def _nothing(place: str, name: str, names: Sequence[str]) -> UsageError:
    near = nearest(name, names)
    hint = f"; did you mean {place}.{near[0]}?" if near else ""
    return UsageError(f"--set {place}.{name}: found nothing there, expected one of {', '.join(names) or 'none'}{hint}")


def steps_of(path: str) -> Steps:
    """The steps of a path as it is typed."""
    parts = re.split(r"[.\[]", path.replace("]", ""))
    return tuple(int(part) if part.isdigit() else part for part in parts)


def _prompt(steps: Steps, text: str) -> dict[str, str]:
    name = ".".join(map(str, steps[1:])).removesuffix(".md")
    if name not in shipped_names():
        raise _nothing("prompts", name, shipped_names())
    parse_prompt(name, text)
    return {name: text}


def _file(name: str, path: str) -> str:
    file = Path(name).expanduser()
    try:
        with file.open("rb") as source:
            raw = source.read(MAX_FILE_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise UsageError(f"--set {path}: {file} cannot be read ({error.strerror}), expected a file of text") from None
    except UnicodeDecodeError:
        raise UsageError(f"--set {path}: {file} holds other bytes, expected text in UTF-8") from None
    if len(raw) > MAX_FILE_BYTES:
        raise UsageError(f"--set {path}: {file} has more than {MAX_FILE_BYTES} bytes, expected at most that")
    return text
