"""A journal that waits for its store: what cannot be done now is tried again until it can.

The sequencer service keeps its runs behind it. While the server is gone or the disk is full, appends wait, so nothing
leaves the sequencer, agents get nothing new, and the run stands still without losing anything; when the store is back,
the same appends are made again, of which each that had been made is recognised (`Journal.append`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import structlog

from runtime import clock
from runtime.errors import JournalUnavailable
from runtime.events import AnyEvent, Digest
from runtime.exchange.bell import Bell
from runtime.journal import Journal
from runtime.reading.run_summary import RunSummary

T = TypeVar("T")

FIRST_WAIT_S = 0.1
"""How long to wait before the second try, in seconds; each further wait is twice as long."""
LONGEST_WAIT_S = 5.0
"""How long to wait between tries at most, in seconds."""

log = structlog.get_logger(__name__)


class PatientJournal:
    """Passes every call on; one that raises `JournalUnavailable` is made again until it does not."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._trouble = ""
        self._changed = Bell()

    async def trouble(self, known: str, wait_s: float) -> str:
        """Why the store is waited for, empty when it is not; waits up to so many seconds for that to differ."""
        if self._trouble == known:
            await self._changed.heard(wait_s)
        return self._trouble

    async def claim(self, run: str) -> int:
        """See `Journal.claim`; when an answer is lost, epochs are left out."""
        return await self._insist(lambda: self._journal.claim(run))

    async def begin(self, run: str, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}) -> int:
        """See `Journal.begin`; when an answer is lost, the run may be found begun."""
        return await self._insist(lambda: self._journal.begin(run, events, blobs))

    async def append(
        self,
        run: str,
        epoch: int,
        events: Sequence[AnyEvent],
        blobs: Mapping[Digest, bytes] = {},
        *,
        failed: JournalUnavailable | None = None,
    ) -> None:
        """See `Journal.append`; `failed` is what came of the first try, where that was made elsewhere."""
        await self._insist(lambda: self._journal.append(run, epoch, events, blobs), failed)

    async def events(self, run: str, after: int = 0) -> list[AnyEvent]:
        """See `Journal.events`."""
        return await self._insist(lambda: self._journal.events(run, after))

    async def blob(self, digest: Digest) -> bytes:
        """See `Journal.blob`."""
        return await self._insist(lambda: self._journal.blob(digest))

    async def blobs(self, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """See `Journal.blobs`."""
        wanted = list(digests)
        return await self._insist(lambda: self._journal.blobs(wanted))

    async def runs(self) -> list[RunSummary]:
        """See `Journal.runs`."""
        return await self._insist(self._journal.runs)

    async def close(self) -> None:
        """See `Journal.close`."""
        await self._journal.close()

    async def _insist(self, work: Callable[[], Awaitable[T]], failed: JournalUnavailable | None = None) -> T:
        wait_s, began = FIRST_WAIT_S, clock.monotonic()
        while True:
            if failed is not None:
                self._tell(str(failed), began)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            try:
                done = await work()
            except JournalUnavailable as error:
                failed = error
            else:
                self._tell("", began)
                return done

    def _tell(self, trouble: str, began: float) -> None:
        """Keeps the first words about a trouble: later ones tell of the same one."""
        if bool(trouble) == bool(self._trouble):
            return
        self._trouble = trouble
        if trouble:
            log.warning("journal.waiting", error=trouble)
        else:
            log.warning("journal.back", after_s=round(clock.monotonic() - began, 3))
        self._changed.ring()
