"""How the events of older formats become those of the present one: a pure step from each version to the next.

What the versions are:

1. The first one.
2. `routes_changed` and `agent_slept` are new, and `delivery_started` may name a `state`. What version 1 has is the same
   in version 2.

A change of the classes in `runtime/events.py` makes a new version: raise `FORMAT_VERSION` there, add the step from the
one before to `UPGRADES`, and have `python -m tests.golden.make` write that version's golden journals beside the older
ones, which stay as they are: they hold every step to what was written then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from runtime.errors import CorruptEvent
from runtime.events import FORMAT_VERSION

JsonObject: TypeAlias = dict[str, Any]
"""An event as decoded JSON."""

Upgrade = Callable[[JsonObject], JsonObject]
"""Turns an event of one version into one of the next."""


def unchanged(event: JsonObject) -> JsonObject:
    """The event itself: the next version only has more kinds of events, or more fields that have defaults."""
    return event


UPGRADES: Mapping[int, Upgrade] = {1: unchanged}
"""For each old version the step to the one after it."""


def upgraded(event: JsonObject, version: int) -> JsonObject:
    """An event of this version as one of the present; the first one of a run then states the present version."""
    for old in range(version, FORMAT_VERSION):
        event = UPGRADES[old](event)
    return {**event, "format": FORMAT_VERSION} if event["event"] == "run_started" else event


def check_version(version: int, run: str, seq: int) -> None:
    """Refuse events of a version that this program does not know.

    Raises:
        CorruptEvent: they are of a newer one, or of none; the message says what to do.
    """
    if 1 <= version <= FORMAT_VERSION:
        return
    raise CorruptEvent(
        f"run {run}: its events have format {version}, this program reads 1 to {FORMAT_VERSION}; "
        "use the newer version of Repertory that wrote it",
        run,
        seq,
    )
