"""The journal: the append-only record of every run, and what every place that keeps one promises.

Per run there is a sequence of events without gaps and one owner at a time; the blobs that events name are shared by all
runs. The sequencer appends; recovery, replay, forks and the viewer read. `MemoryJournal` here is for tests and for runs
that nobody wants to keep; `runtime/journals/sql_journal.py` keeps them on disk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runtime import blobs as content
from runtime.codec import decode_event, encode_event, format_of
from runtime.errors import CorruptEvent, SeqConflict, StaleEpoch, UsageError
from runtime.events import AnyEvent, Digest, RunForked
from runtime.reading.run_summary import RunSummary, summarised

FIRST_EPOCH = 1
"""The epoch of a run's first owner."""


class Journal(Protocol):
    """A durable record of runs. Methods may be called from many tasks at once."""

    async def claim(self, run: str) -> int:
        """Become the run's owner: returns its new epoch, and appends of older epochs are refused from now on.

        The epoch is one above the last; a run that nobody has claimed before begins with 1.

        Raises:
            JournalError: it could not be made durable.
        """
        ...

    async def begin(self, run: str, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}) -> int:
        """Become the owner of a run that nobody has claimed before, and append its first events, all or nothing.

        Returns the epoch, which is 1. A run that somebody has claimed before stays as it is, and 0 is returned: also
        to who began it with a call whose answer was lost.

        Raises:
            JournalError: as `append` does.
        """
        ...

    def append(
        self, run: str, epoch: int, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}
    ) -> Awaitable[object]:
        """Add events to a run and blobs to the journal: all of them or none, durable once it is awaited.

        The events' seqs continue those of the run (the first event of a run is 1). A run whose first event is a
        `RunForked` has the events of its parent before that one, which are read from the parent. Blobs that are stored
        already cost nothing. Appends of one run take effect in the order of the calls. Cancelling the call does not
        undo it. The owner may send again what is there already, as when the answer to the first time was lost: it is
        answered as if it had just been added.

        Raises:
            StaleEpoch: the run is not claimed, or was claimed again since `epoch`.
            SeqConflict: the seqs leave a gap, or a place in the run is taken.
            UsageError: a blob is named by a digest that is not its own.
            JournalUnavailable: the store cannot be reached or has no room; whether it was added is not known, and the
                same call may be made again.
            JournalError: it could not be made durable (no permission, closed); nothing was added.
        """
        ...

    async def events(self, run: str, after: int = 0) -> list[AnyEvent]:
        """The run's events with a seq above `after`, in order; none for a run that is not there.

        Raises:
            CorruptEvent: an event is damaged, missing or of a newer format; `run` and `seq` say which.
        """
        ...

    async def blob(self, digest: Digest) -> bytes:
        """The bytes with this content hash.

        Raises:
            CorruptEvent: they are not stored, or damaged.
        """
        ...

    async def blobs(self, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """The bytes of many digests at once, each one once.

        Raises:
            CorruptEvent: one of them is not stored, or damaged.
        """
        ...

    async def runs(self) -> list[RunSummary]:
        """All runs that have an event, the one that started last first; those whose own row is damaged come last."""
        ...

    async def close(self) -> None:
        """Wait for the appends that are under way and let go of the store; closing again does nothing."""
        ...


@dataclass(slots=True)
class _Record:
    """One run in memory."""

    epoch: int = 0
    summary: RunSummary | None = None
    rows: list[bytes] = field(default_factory=list[bytes])
    parent: str = ""
    shared: int = 0
    """How many events are the parent's."""

    @property
    def last_seq(self) -> int:
        return self.shared + len(self.rows)

    def between(self, first: int, last: int) -> list[bytes]:
        """The run's own events from one seq to another, both included."""
        return self.rows[max(first - self.shared - 1, 0) : max(last - self.shared, 0)]


class MemoryJournal:
    """A journal that lives as long as its object; it keeps bytes, so what is read is a copy as from any other."""

    def __init__(self) -> None:
        self._runs: dict[str, _Record] = {}
        self._blobs: dict[Digest, bytes] = {}

    async def claim(self, run: str) -> int:
        """See `Journal.claim`."""
        record = self._runs.setdefault(run, _Record())
        record.epoch += 1
        return record.epoch

    async def begin(self, run: str, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}) -> int:
        """See `Journal.begin`."""
        if self._runs.get(run, _Record()).epoch:
            return 0
        check_blobs(blobs)
        check_append(run, FIRST_EPOCH, events, owner=FIRST_EPOCH, last_seq=0)
        epoch = await self.claim(run)
        await self.append(run, epoch, events, blobs)
        return epoch

    async def append(
        self, run: str, epoch: int, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}
    ) -> None:
        """See `Journal.append`."""
        check_blobs(blobs)
        record = self._runs.get(run, _Record())
        rows = [encode_event(event) for event in events]
        if events and epoch == record.epoch and record.between(events[0].seq, events[-1].seq) == rows:
            return
        check_append(run, epoch, events, owner=record.epoch, last_seq=record.last_seq)
        if fork := opening_fork(events, record.last_seq):
            check_fork(run, fork, self._runs[fork.parent].last_seq if fork.parent in self._runs else 0)
            record.parent, record.shared = fork.parent, fork.seq - 1
        self._blobs.update({digest: data for digest, data in blobs.items() if digest not in self._blobs})
        record.rows.extend(rows)
        record.summary = summarised(run, record.summary, events)

    async def events(self, run: str, after: int = 0) -> list[AnyEvent]:
        """See `Journal.events`."""
        rows = self._rows(run)
        version = format_of(rows[0]) if rows else 1
        return [
            decode_event(data, run=run, seq=seq, version=version)
            for seq, data in enumerate(rows[after:], start=after + 1)
        ]

    def _rows(self, run: str) -> list[bytes]:
        record = self._runs.get(run, _Record())
        return [*self._rows(record.parent)[: record.shared], *record.rows] if record.shared else record.rows

    async def blob(self, digest: Digest) -> bytes:
        """See `Journal.blob`."""
        if digest not in self._blobs:
            raise missing_blob(digest)
        return self._blobs[digest]

    async def blobs(self, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """See `Journal.blobs`."""
        return {digest: await self.blob(digest) for digest in digests}

    async def runs(self) -> list[RunSummary]:
        """See `Journal.runs`."""
        found = [record.summary for record in self._runs.values() if record.summary is not None]
        return sorted(found, key=lambda summary: summary.started_at, reverse=True)

    async def close(self) -> None:
        """See `Journal.close`; what was appended stays readable."""


def check_append(run: str, epoch: int, events: Sequence[AnyEvent], *, owner: int, last_seq: int) -> None:
    """Refuse what may not be added to a run whose owner has the epoch `owner` and whose last event is `last_seq`.

    Raises:
        StaleEpoch: `epoch` is not the owner's.
        SeqConflict: the seqs do not continue the run.
    """
    if epoch != owner or not owner:
        found = f"another program owns the run since, with epoch {owner}" if owner else "nobody has claimed the run"
        raise StaleEpoch(f"run {run}: an append of epoch {epoch} is refused: {found}")
    fork = opening_fork(events, last_seq)
    for expected, event in enumerate(events, start=fork.seq if fork else last_seq + 1):
        if event.seq != expected:
            raise SeqConflict(
                f"run {run}: an append brings event {event.seq} where {expected} comes next; "
                "read the run's events and continue from the last one"
            )


def opening_fork(events: Sequence[AnyEvent], last_seq: int) -> RunForked | None:
    """The event by which a run without events of its own (`last_seq` is 0) begins in the middle of another."""
    if last_seq or not events:
        return None
    first = events[0]
    return first if isinstance(first, RunForked) and first.seq > 1 else None


def check_fork(run: str, fork: RunForked, parent_seq: int) -> None:
    """Refuse a fork that shares more than its parent has, whose last event is `parent_seq`.

    Raises:
        SeqConflict: it does.
    """
    if fork.seq - 1 > parent_seq:
        raise SeqConflict(
            f"run {run}: it is to share {fork.seq - 1} events of run {fork.parent}, which has {parent_seq}; "
            "fork at an event that is there"
        )


def check_blobs(blobs: Mapping[Digest, bytes]) -> None:
    """Refuse a blob whose name is not its content hash, before it is stored.

    Raises:
        UsageError: there is one.
    """
    for digest, data in blobs.items():
        if content.digest(data) != digest:
            raise UsageError(
                f"a blob was given as {digest}, its content hash is {content.digest(data)}; nothing was added"
            )


def missing_blob(digest: Digest) -> CorruptEvent:
    """The error of a blob that is not there."""
    return CorruptEvent(
        f"blob {digest} is not in the journal, which is incomplete: restore it from a copy, or start the run again"
    )
