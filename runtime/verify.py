"""Checks a run in a journal from end to end: every event, every blob that one names, every link of every prompt.

Reading alone checks what it reads (sums, seqs, hashes); this reads everything, so that a person knows in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from runtime.errors import CorruptEvent
from runtime.events import AnyEvent, Digest
from runtime.journal import Journal
from runtime.references import named, named_in, requests

BATCH = 512
"""How many events are checked together, and how many blobs are held in memory at once."""


class Verification(msgspec.Struct, frozen=True, omit_defaults=False):
    """What was found of one run."""

    run: str
    events: int = 0
    blobs: int = 0
    """How many different blobs the run stands for."""
    bytes: int = 0
    """Their size, expanded."""
    fault: str = ""
    """The first thing that is not as it was written, with what to do; empty for a run that is whole."""
    seq: int = 0
    """The event at which the fault is; 0 for the run's own row."""


async def verify(journal: Journal, run: str) -> Verification:
    """Reads everything of a run and says whether it is whole; damage is part of the answer, not an error.

    Raises:
        JournalError: the journal cannot be read at all.
    """
    check = _Check(journal, run)
    events: list[AnyEvent] = []
    try:
        events = await journal.events(run)
        for first in range(0, len(events), BATCH):
            await check.events(events[first : first + BATCH])
    except CorruptEvent as error:
        return Verification(run, len(events), len(check.seen), check.size_bytes, str(error), error.seq)
    return Verification(run, len(events), len(check.seen), check.size_bytes)


class _Check:
    """What has been seen of one run."""

    def __init__(self, journal: Journal, run: str) -> None:
        self._journal = journal
        self._run = run
        self.seen: set[Digest] = set()
        self.size_bytes = 0

    async def events(self, events: Sequence[AnyEvent]) -> None:
        """Checks what these events name, and what is named there, down to the first link of every prompt.

        Raises:
            CorruptEvent: something is missing or damaged; `seq` is that of the event that needs it.
        """
        asked = set(requests(events))
        wanted = self._unseen((name, event.seq) for event in events for name in named(event))
        while wanted:
            inner: list[tuple[Digest, int]] = []
            names = list(wanted)
            for first in range(0, len(names), BATCH):
                part = {name: wanted[name] for name in names[first : first + BATCH]}
                inner += await self._blobs(part, asked)
            wanted, asked = self._unseen(inner), set[Digest]()

    def _unseen(self, names: Iterable[tuple[Digest, int]]) -> dict[Digest, int]:
        """The names that come for the first time, each with the event that needs it first."""
        new: dict[Digest, int] = {}
        for name, seq in names:
            if name not in self.seen:
                new.setdefault(name, seq)
        self.seen |= new.keys()
        return new

    async def _blobs(self, wanted: Mapping[Digest, int], asked: set[Digest]) -> list[tuple[Digest, int]]:
        """Reads blobs; gives what is named in the requests and in the links of prompts among them."""
        inner: list[tuple[Digest, int]] = []
        for name, data in (await self._read(wanted)).items():
            self.size_bytes += len(data)
            try:
                inner += [(other, wanted[name]) for other in named_in(data, is_request=name in asked)]
            except CorruptEvent as error:
                raise self._fault(wanted[name], name, error) from error
        return inner

    async def _read(self, wanted: Mapping[Digest, int]) -> Mapping[Digest, bytes]:
        try:
            return await self._journal.blobs(wanted)
        except CorruptEvent:
            for name, seq in sorted(wanted.items(), key=lambda each: each[1]):
                try:
                    await self._journal.blob(name)
                except CorruptEvent as error:
                    raise self._fault(seq, name, error) from error
            raise

    def _fault(self, seq: int, name: Digest, error: CorruptEvent) -> CorruptEvent:
        return CorruptEvent(f"run {self._run}: event {seq} needs blob {name}: {error}", self._run, seq)
