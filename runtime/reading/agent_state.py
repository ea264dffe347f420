"""What an agent of a replay looks like at a point: its attributes, what it saved, and where its handlers stand."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel

from runtime.codec import Json, parse
from runtime.events import AgentName
from runtime.hosting.cell import Cell
from runtime.reading.debugger import is_machinery
from runtime.team import Agent, Savable

MAX_ITEMS = 20
"""How much of a long list or mapping is shown."""
MAX_TEXT = 300
"""How much of a long text is shown, in characters."""
MAX_DEPTH = 4
"""How deep values are shown."""

_OF_AUTOGEN = ("_runtime", "_id", "_handlers", "_forward_unbound_rpc_messages_to", "_description")
"""Attributes that every agent of autogen-core has and that say nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one function of a handler stands."""

    delivery: str
    place: str
    """`folder/file.py:12 in function`."""
    variables: Mapping[str, Json]
    """The local variables there."""


@dataclass(frozen=True, slots=True)
class AgentState:
    """One agent at a point."""

    agent: str
    kind: str
    """Its class; empty when it was not made yet, or sleeps."""
    attributes: Mapping[str, Json]
    saved: Mapping[str, Json]
    """What it saves before it sleeps, where it can."""
    at_work: tuple[Standing, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return dataclasses.asdict(self)


def state_of(cell: Cell) -> AgentState:
    """The state of a cell's agent; nothing of it is changed."""
    agent = _own(cell.instance)
    attributes = {} if agent is None else dict(_attributes(agent))
    standing = [found for delivery, task in sorted(cell.at_work.items()) for found in _standing(delivery, task)]
    kind = "" if agent is None else type(agent).__qualname__
    return AgentState(str(cell.name), kind, attributes, _saved(cell), tuple(standing))


def state_asleep(name: AgentName, saved: bytes) -> AgentState:
    """The state of an agent that sleeps: what it saved."""
    return AgentState(str(name), "", {}, _shown(saved), ())


def _own(agent: Agent | None) -> object | None:
    """The person's own object: what the adapters and the debugger have wrapped."""
    found: object | None = agent
    while hasattr(found, "receive") and hasattr(found, "agent"):
        found = cast(Any, found).agent
    return found


def _attributes(agent: object) -> Iterator[tuple[str, Json]]:
    for name, value in vars(agent).items():
        if name not in _OF_AUTOGEN and not inspect.isroutine(value):
            yield name, readable(value)


def _saved(cell: Cell) -> Mapping[str, Json]:
    """What the agent would save; nothing when it cannot be saved, or does not answer at once."""
    agent = cell.instance
    if not isinstance(agent, Savable):
        return {}
    task = cell.perform_aside(agent.save())
    if not task.done():
        task.cancel()
        return {}
    if task.cancelled() or task.exception() is not None:
        return {}
    return _shown(task.result())


def _shown(saved: bytes) -> Mapping[str, Json]:
    found = readable(parse(saved))
    return found if isinstance(found, Mapping) else {"state": found}


def _standing(delivery: str, task: Any) -> Iterator[Standing]:
    """The frames of a handler that are not the engine's, the handler itself first."""
    inner = task.get_coro()
    while inner is not None and hasattr(inner, "cr_frame"):
        frame = inner.cr_frame
        if frame is not None and not is_machinery(frame):
            place = f"{'/'.join(frame.f_code.co_filename.split('/')[-2:])}:{frame.f_lineno} in {frame.f_code.co_name}"
            variables = {name: readable(value) for name, value in frame.f_locals.items() if name not in ("self", "ctx")}
            yield Standing(delivery, place, variables)
        inner = inner.cr_await


def readable(value: Any, depth: int = 0) -> Json:
    """A value as JSON that a person can read: long things are cut, foreign things shown by their repr."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}… ({len(value)} characters)"
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    if depth >= MAX_DEPTH:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        items = list(cast(Mapping[Any, Any], value).items())  # type: ignore[redundant-cast]  # basedpyright wants it
        shown = {str(key): readable(inner, depth + 1) for key, inner in items[:MAX_ITEMS]}
        return shown if len(items) <= MAX_ITEMS else {**shown, "…": f"{len(items) - MAX_ITEMS} more"}
    if isinstance(value, list | tuple | set | frozenset):
        members = list(cast(list[Any], value))
        found: list[Json] = [readable(inner, depth + 1) for inner in members[:MAX_ITEMS]]
        return found if len(members) <= MAX_ITEMS else [*found, f"… {len(members) - MAX_ITEMS} more"]
    return f"<{type(value).__qualname__}>"
