"""The journal in a database: what callers see of it, whatever the database is.

It answers an append when its transaction has been flushed to disk, and appends that wait at the same time, of whatever
runs, share one transaction. A claim in one process refuses the appends of all others to that run. `SqliteJournal`
(write-ahead log, synchronous=FULL) is for one machine; `runtime/journals/postgres_journal.py` for several.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from runtime.errors import JournalError
from runtime.events import AnyEvent, Digest
from runtime.journal import FIRST_EPOCH, check_blobs
from runtime.journals.group_commit import GroupCommit
from runtime.journals.sql_rows import Append, Begin, Claim
from runtime.journals.sqlite_file import BUSY_S
from runtime.journals.sqlite_reader import SqliteReader
from runtime.journals.sqlite_writer import SqliteWriter
from runtime.reading.run_summary import RunSummary

SWIFT_S = 0.002
"""How long a write may keep the event loop: about as long as Python's own search for garbage keeps it now and then."""

T = TypeVar("T")


class Writer(Protocol):
    """How a database is written: every call blocks, and none comes before the last one has returned."""

    commits: int
    """How many transactions were written."""

    def write(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        """The new epoch of each claim, what `GroupPlan.perform` says of each other request, or the error for which it
        was left out.

        Raises:
            JournalError: nothing of the group could be written.
        """
        ...

    def close(self) -> None:
        """Lets go of the database."""
        ...


class Reader(Protocol):
    """How a database is read: every call blocks and reads what is there at one moment; see `Journal`."""

    def events(self, run: str, after: int) -> list[AnyEvent]:
        """See `Journal.events`."""
        ...

    def blobs(self, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """See `Journal.blobs`."""
        ...

    def runs(self) -> list[RunSummary]:
        """See `Journal.runs`."""
        ...

    def close(self) -> None:
        """Lets go of the database."""
        ...


class SqlJournal:
    """A journal over a writer and a reader; see `Journal` for what every method promises.

    An object serves one event loop at a time. `name` is what errors call it; see `GroupCommit` for `swift_s`.
    """

    def __init__(self, name: str, writer: Writer, reader: Reader, *, swift_s: float = 0.0) -> None:
        self._name = name
        self._writer = writer
        self._reader = reader
        self._commit = GroupCommit[Claim | Append, int](writer.write, "journal-writer", swift_s=swift_s)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")
        self._closed = False

    @property
    def commits(self) -> int:
        """How many transactions this object has written."""
        return self._writer.commits

    async def claim(self, run: str) -> int:
        """See `Journal.claim`."""
        return await self._commit.submit(Claim(run))

    async def begin(self, run: str, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}) -> int:
        """See `Journal.begin`."""
        check_blobs(blobs)
        return await self._commit.submit(Begin(run, FIRST_EPOCH, tuple(events), dict(blobs)))

    def append(
        self, run: str, epoch: int, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}
    ) -> Awaitable[object]:
        """See `Journal.append`."""
        check_blobs(blobs)
        return self._commit.submit(Append(run, epoch, tuple(events), dict(blobs)))

    async def events(self, run: str, after: int = 0) -> list[AnyEvent]:
        """See `Journal.events`."""
        return await self._read(lambda: self._reader.events(run, after))

    async def blob(self, digest: Digest) -> bytes:
        """See `Journal.blob`."""
        return (await self.blobs([digest]))[digest]

    async def blobs(self, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """See `Journal.blobs`."""
        wanted = list(dict.fromkeys(digests))
        return await self._read(lambda: self._reader.blobs(wanted))

    async def runs(self) -> list[RunSummary]:
        """See `Journal.runs`."""
        return await self._read(self._reader.runs)

    async def close(self) -> None:
        """See `Journal.close`."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reading, self._reader.close)
        self._reading.shutdown(wait=False)
        await self._commit.close(self._writer.close)

    async def _read(self, read: Callable[[], T]) -> T:
        if self._closed:
            raise JournalError(f"journal {self._name} is closed; open it again to go on")
        return await asyncio.get_running_loop().run_in_executor(self._reading, read)


class SqliteJournal(SqlJournal):
    """The journal in one SQLite file, which is made by the first claim, for the processes of one machine.

    It waits up to `busy_s` seconds for another process that is writing.
    """

    def __init__(self, path: Path, *, busy_s: float = BUSY_S) -> None:
        self.path = path
        super().__init__(str(path), SqliteWriter(path, busy_s), SqliteReader(path, busy_s), swift_s=SWIFT_S)
