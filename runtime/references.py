"""Which blobs an event stands for: those that it names, and those that are named in these.

A run is whole where all of them are. Exports carry them, imports demand them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from inspect import get_annotations
from typing import get_args

from runtime.codec import Json, parse
from runtime.events import AnyEvent, Digest, StepStarted
from runtime.journal import Journal

_DIGEST = re.compile(r"[0-9a-f]{32}")


def _digest_fields(cls: type) -> tuple[str, ...]:
    """The fields of an event class that are declared as `Digest`, so that a new event needs no word here."""
    declared = {name: kind for base in reversed(cls.__mro__) for name, kind in get_annotations(base).items()}
    return tuple(name for name, kind in declared.items() if "Digest" in str(kind))


_FIELDS: Mapping[type, tuple[str, ...]] = {cls: _digest_fields(cls) for cls in get_args(AnyEvent)}


def named(event: AnyEvent) -> list[Digest]:
    """The digests that an event names."""
    values = (getattr(event, name) for name in _FIELDS[type(event)])
    return [value for value in values if isinstance(value, str) and value]


def named_in_request(request: Json) -> list[Digest]:
    """What a step's request names: the head of a prompt, or the value that is posted on the blackboard."""
    if not isinstance(request, Mapping):
        return []
    posted = str(request.get("post", "")).rpartition(":")[2]
    return [name for name in (request.get("prompt"), posted) if isinstance(name, str) and _DIGEST.fullmatch(name)]


def named_in_link(link: Json) -> list[Digest]:
    """What a link of a prompt names: the link before it."""
    after = link.get("after") if isinstance(link, Mapping) else None
    return [after] if isinstance(after, str) else []


def named_in(blob: bytes, *, is_request: bool) -> list[Digest]:
    """What a blob names, when it is a step's request, or else when it is part of a prompt.

    Raises:
        CorruptEvent: it is no JSON.
    """
    value = parse(blob)
    return named_in_request(value) if is_request else named_in_link(value)


def requests(events: Iterable[AnyEvent]) -> Iterator[Digest]:
    """The digests of all steps' requests."""
    return (event.request for event in events if isinstance(event, StepStarted))


async def blobs_of(journal: Journal, events: Iterable[AnyEvent]) -> dict[Digest, bytes]:
    """All blobs of a run: those that its events name, with their prompts and what they posted.

    Raises:
        CorruptEvent: one of them is not in the journal, or damaged.
    """
    events = list(events)
    found = await journal.blobs({name for event in events for name in named(event)})
    wanted = {name for request in set(requests(events)) for name in named_in_request(parse(found[request]))}
    while wanted := wanted - found.keys():
        more = await journal.blobs(wanted)
        found.update(more)
        wanted = {name for blob in more.values() for name in named_in_link(parse(blob))}
    return found
