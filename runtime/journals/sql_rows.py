"""What a SQL journal writes into its rows and how it knows them again: the part that does not depend on the database.

Every event row carries a sum over the row before it and its own bytes, and the run's row carries the last sum and the
number of events. So a changed byte, a missing row, rows of another run and a lost tail are all noticed on reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from runtime.codec import decode_event
from runtime.errors import CorruptEvent
from runtime.events import FORMAT_VERSION, AnyEvent, Digest
from runtime.journal import opening_fork
from runtime.journals.packing import pack, unpack
from runtime.reading.run_summary import RunSummary, summarised
from runtime.upgrades import check_version

SUM_BYTES = 8
"""The length of a sum: it guards against accidents, not against forgers."""


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A request to become the owner of a run."""

    run: str


class Append(msgspec.Struct, frozen=True, gc=False):
    """A request to add events and blobs, all or none."""

    run: str
    epoch: int
    events: Sequence[AnyEvent]
    blobs: Mapping[Digest, bytes]


class Begin(Append, frozen=True, gc=False):
    """A request to become the first owner of a run, of that epoch, and to add its first events."""


class EventRow(msgspec.Struct, frozen=True, gc=False):
    """An event as it is kept."""

    seq: int
    sum: bytes
    data: bytes
    """The event, packed."""


class RunState(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a run beside its events."""

    run: str
    epoch: int = 0
    """The owner's."""
    format: int = 0
    """The format version of its last event; 0 before the first."""
    earlier: tuple[tuple[int, int], ...] = ()
    """Where an older program began the run: up to which seq its events have which older version."""
    last_sum: str = ""
    """The sum of the last event, in hexadecimal."""
    summary: RunSummary | None = None
    parent: str = ""
    """The run whose first `shared` events are this run's as well."""
    shared: int = 0

    @property
    def last_seq(self) -> int:
        """The seq of the last event."""
        return 0 if self.summary is None else self.summary.events

    def format_at(self, seq: int) -> int:
        """The format version in which the event of this seq is kept."""
        return next((version for last, version in self.earlier if seq <= last), self.format)


def claimed(state: RunState) -> RunState:
    """The run with a new owner."""
    return msgspec.structs.replace(state, epoch=state.epoch + 1)


def appended(state: RunState, events: Sequence[AnyEvent]) -> tuple[RunState, list[EventRow]]:
    """The run with these events, which continue it, and their rows.

    Raises:
        CorruptEvent: the events that it has are of a newer format than this program writes.
    """
    rows: list[EventRow] = []
    if state.format != FORMAT_VERSION:
        state = _in_this_format(state)
    if fork := opening_fork(events, state.last_seq):
        state = msgspec.structs.replace(state, parent=fork.parent, shared=fork.seq - 1)
    sum_before = _first_sum(state)
    for event in events:
        data = pack(event)
        sum_before = _sum(sum_before, data)
        rows.append(EventRow(event.seq, sum_before, data))
    summary = summarised(state.run, state.summary, events)
    after = msgspec.structs.replace(state, last_sum=sum_before.hex(), summary=summary)
    return after, rows


def _in_this_format(state: RunState) -> RunState:
    """The run as it goes on in the format of this program, which an older one than it refuses to read then."""
    if not state.format:
        return msgspec.structs.replace(state, format=FORMAT_VERSION)
    check_version(state.format, state.run, state.last_seq)
    earlier = (*state.earlier, (state.last_seq, state.format))
    return msgspec.structs.replace(state, format=FORMAT_VERSION, earlier=earlier)


def first_row(state: RunState, after: int) -> int:
    """The seq of the row with which `read_events` begins: the one at `after`, where the run has it."""
    return max(after, state.shared + 1)


def read_events(state: RunState, after: int, rows: Iterable[EventRow], until: int | None = None) -> Iterator[AnyEvent]:
    """The events of a run's own rows from seq `after` + 1 on, to `until` if that is given; see `first_row`.

    Raises:
        CorruptEvent: the rows are not those that were written, or not all of them.
    """
    seq, sum_before = first_row(state, after) - 1, b""
    last = state.last_seq if until is None else until
    for row in rows:
        seq += 1
        if row.seq != seq:
            raise _corrupt(state.run, seq, "is missing")
        if seq == state.shared + 1:
            sum_before = _sum_of_none(state.run)
        if seq > after:
            yield _event(state, row, sum_before)
        sum_before = row.sum
    if seq < last:
        raise _corrupt(state.run, seq + 1, f"is missing: the run has {state.last_seq} events")
    if seq == state.last_seq and sum_before and sum_before.hex() != state.last_sum:
        raise _corrupt(state.run, seq, "is not the one that was written last")


def encode_state(state: RunState) -> bytes:
    """A run's row, which carries its own sum."""
    data = msgspec.json.encode(state)
    return _sum(b"run", data) + data


def decode_state(run: str, kept: bytes) -> RunState:
    """The run of a row.

    Raises:
        CorruptEvent: it is not what was written, or that of another run.
    """
    data = kept[SUM_BYTES:]
    if _sum(b"run", data) != kept[:SUM_BYTES]:
        raise _corrupt(run, 0, "(the run's own row) is damaged")
    state = msgspec.json.decode(data, type=RunState)
    if state.run != run:
        raise _corrupt(run, 0, f"(the run's own row) is that of run {state.run}")
    return state


def summaries(kept: Iterable[tuple[str, bytes]]) -> list[RunSummary]:
    """What a list of runs shows, of the names and rows of all runs; a row that is damaged shows as a damaged run."""
    found: list[RunSummary] = []
    for run, row in kept:
        try:
            summary = decode_state(run, row).summary
        except CorruptEvent:
            summary = RunSummary(run, status="damaged")
        if summary is not None:
            found.append(summary)
    return sorted(found, key=lambda summary: summary.started_at, reverse=True)


def _event(state: RunState, row: EventRow, sum_before: bytes) -> AnyEvent:
    if _sum(sum_before, row.data) != row.sum:
        raise _corrupt(state.run, row.seq, "is damaged")
    try:
        data = unpack(row.data)
    except ValueError as error:
        raise _corrupt(state.run, row.seq, f"cannot be unpacked ({error})") from error
    return decode_event(data, run=state.run, seq=row.seq, version=state.format_at(row.seq))


def _first_sum(state: RunState) -> bytes:
    return bytes.fromhex(state.last_sum) or _sum_of_none(state.run)


def _sum_of_none(run: str) -> bytes:
    return _sum(b"", run.encode())


def _sum(before: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(before + data, digest_size=SUM_BYTES).digest()


def _corrupt(run: str, seq: int, what: str) -> CorruptEvent:
    return CorruptEvent(
        f"run {run}: event {seq} {what}; restore the journal from a copy, or start the run again", run, seq
    )
