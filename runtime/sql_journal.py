"""The journal in a database: what callers see of it, whatever the database is.

`SqliteJournal` is for one machine. It answers an append when its transaction has been flushed to disk (write-ahead log,
synchronous=FULL), and appends that wait at the same time, of whatever runs, share one transaction. Other processes may
read the same file meanwhile, or write to it: a claim in one refuses the appends of the others to that run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from runtime.errors import JournalError
from runtime.events import AnyEvent, Digest
from runtime.group_commit import GroupCommit
from runtime.journal import check_blobs
from runtime.run_summary import RunSummary
from runtime.sql_rows import Append, Claim
from runtime.sqlite_file import BUSY_S
from runtime.sqlite_reader import SqliteReader
from runtime.sqlite_writer import SqliteWriter

T = TypeVar("T")


class SqliteJournal:
    """The journal in one SQLite file, which is made by the first claim; see `Journal` for what every method promises.

    It waits up to `busy_s` seconds for another process that is writing. An object serves one event loop at a time.
    """

    def __init__(self, path: Path, *, busy_s: float = BUSY_S) -> None:
        self.path = path
        self._writer = SqliteWriter(path, busy_s)
        self._reader = SqliteReader(path, busy_s)
        self._commit = GroupCommit[Claim | Append, int](self._writer.write, "journal-writer")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="journal-reader")
        self._closed = False

    @property
    def commits(self) -> int:
        """How many transactions this object has written."""
        return self._writer.commits

    async def claim(self, run: str) -> int:
        """See `Journal.claim`."""
        return await self._commit.submit(Claim(run))

    async def append(
        self, run: str, epoch: int, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}
    ) -> None:
        """See `Journal.append`."""
        check_blobs(blobs)
        await self._commit.submit(Append(run, epoch, tuple(events), dict(blobs)))

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
            raise JournalError(f"journal {self.path} is closed; open it again to go on")
        return await asyncio.get_running_loop().run_in_executor(self._reading, read)
