"""What one transaction of a SQL journal is to write, decided before anything is written.

Pure; the writer of every database asks it. Each request is checked by itself against the runs as the requests before it
leave them, so one that is refused leaves no trace and does not touch the others of its group.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from runtime.errors import JournalError
from runtime.events import Digest, RunForked
from runtime.journal import check_append, check_fork, opening_fork
from runtime.journals.packing import pack
from runtime.journals.sql_rows import Append, Begin, Claim, EventRow, RunState, appended, claimed

Stored = Callable[[str, int, int], Sequence[EventRow]]
"""Reads the rows of a run from one seq to another, both included; none where they are damaged or missing."""


def runs_of(group: Sequence[Claim | Append]) -> list[str]:
    """The runs whose states decide about a group, sorted: those of its requests, and the parents of forks."""
    forks = (request.events[0] for request in group if isinstance(request, Append) and request.events)
    parents = {fork.parent for fork in forks if isinstance(fork, RunForked)}
    return sorted({request.run for request in group} | parents)


class GroupPlan:
    """A group of requests on its way into one transaction; `states` are those of `runs_of` the group."""

    def __init__(self, states: Mapping[str, RunState | JournalError], stored: Stored) -> None:
        self._before = states
        self._stored = stored
        self.changed: dict[str, RunState] = {}
        """The runs to write, as they are afterwards."""
        self.rows: list[tuple[str, EventRow]] = []
        """The events to write, each with its run."""
        self.blobs: dict[Digest, bytes] = {}
        """The blobs to write where they are not stored yet."""

    def perform(self, request: Claim | Append) -> int | BaseException:
        """The new epoch of a claim and of a beginning, 0 for an append and where a run has begun already, or the reason
        why nothing of the request is written."""
        try:
            state = self._state(request.run)
            match request:
                case Claim():
                    return self._claim(state)
                case Begin():
                    return self._begin(request, state)
                case Append():
                    return self._append(request, state)
        except JournalError as error:
            return error

    def _state(self, run: str) -> RunState:
        """The run as the requests so far leave it."""
        state = self.changed.get(run) or self._before.get(run) or RunState(run)
        if isinstance(state, JournalError):
            raise state
        return state

    def _claim(self, state: RunState) -> int:
        self.changed[state.run] = after = claimed(state)
        return after.epoch

    def _begin(self, request: Begin, state: RunState) -> int:
        if state.epoch:
            return 0
        self._add(request, claimed(state))
        return request.epoch

    def _append(self, request: Append, state: RunState) -> int:
        if not self._is_repeated(request, state):
            self._add(request, state)
        return 0

    def _add(self, request: Append, state: RunState) -> None:
        check_append(request.run, request.epoch, request.events, owner=state.epoch, last_seq=state.last_seq)
        if fork := opening_fork(request.events, state.last_seq):
            check_fork(request.run, fork, self._state(fork.parent).last_seq)
        after, rows = appended(state, request.events)
        self.changed[request.run] = after
        self.rows += [(request.run, row) for row in rows]
        self.blobs.update(request.blobs)

    def _is_repeated(self, request: Append, state: RunState) -> bool:
        """Whether the owner sends again what is there, since the answer to the first time was lost."""
        events = request.events
        if not events or request.epoch != state.epoch or events[-1].seq > state.last_seq:
            return False
        rows = self._stored(request.run, events[0].seq, events[-1].seq)
        return [row.data for row in rows] == [pack(event) for event in events]
