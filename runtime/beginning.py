"""What a run is performed from, whether it began by itself or was forked: read from its events."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from runtime.errors import CorruptEvent, UsageError
from runtime.events import AnyEvent, RunForked, RunStarted


def last_fork(events: Sequence[AnyEvent]) -> RunForked | None:
    """The event by which the run became its own; None for a run that was never forked. Its prefix may hold others."""
    return next((event for event in reversed(events) if isinstance(event, RunForked)), None)


def beginning(events: Sequence[AnyEvent]) -> RunStarted | None:
    """The first event, with the specification that holds in the end; None where a run does not begin with one."""
    first = events[0] if events else None
    fork = last_fork(events)
    if not isinstance(first, RunStarted) or fork is None:
        return first if isinstance(first, RunStarted) else None
    return msgspec.structs.replace(
        first, name=fork.name, spec=fork.spec, routes=fork.routes, versions=dict(fork.versions)
    )


def sure_beginning(run: str, events: Sequence[AnyEvent]) -> RunStarted:
    """The same, where a run that has none is an error.

    Raises:
        UsageError: there is no such run.
        CorruptEvent: it has events, and none that begins it.
    """
    if not events:
        raise UsageError(f"there is no run {run!r}; `repertory runs list` shows those that there are")
    began = beginning(events)
    if began is None:
        first = events[0]
        raise CorruptEvent(
            f"run {run!r} begins with a {type(first).__name__}, expected a RunStarted; `repertory runs verify {run}` "
            "says what else is wrong",
            run,
            first.seq,
        )
    return began
