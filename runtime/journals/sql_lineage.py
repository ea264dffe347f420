"""A run's events out of a SQL journal, with those that a fork shares with its parents; whatever the database is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from runtime.errors import CorruptEvent
from runtime.events import AnyEvent
from runtime.journals.sql_rows import EventRow, RunState, first_row, read_events

Find = Callable[[str], tuple[int, RunState] | None]
"""A run's number and state; None where there is no such run."""
Rows = Callable[[int, int, int], Iterable[EventRow]]
"""The rows of a run, by its number, from one seq to another, both included."""

NO_END = 2**32 - 1
"""A seq that no run reaches."""


def gathered(run: str, after: int, find: Find, rows: Rows) -> list[AnyEvent]:
    """The events of a run with a seq above `after`; each part of them is read where it was written.

    Raises:
        CorruptEvent: an event is damaged or missing, or a parent is.
    """
    found = find(run)
    if found is None:
        return []
    parts, until = [(found, None if found[1].last_seq else 0)], 0
    while (state := parts[-1][0][1]).shared > after:
        until = min(until or state.shared, state.shared)
        if (found := find(state.parent)) is None:
            raise CorruptEvent(
                f"run {run}: its first {until} events are those of run {state.parent}, which is not in the journal; "
                "restore the journal from a copy",
                run,
                1,
            )
        parts.append((found, until))
    return [event for (number, state), end in reversed(parts) for event in _own(number, state, after, end, rows)]


def _own(number: int, state: RunState, after: int, until: int | None, rows: Rows) -> list[AnyEvent]:
    """The run's own events above `after`, up to `until`."""
    if until is not None and until <= max(after, state.shared):
        return []
    kept = rows(number, first_row(state, after), NO_END if until is None else until)
    return list(read_events(state, after, kept, until))
