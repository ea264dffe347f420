"""The bytes that parcels carry: those of late from memory, the others from the journal, many at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Set

from runtime.events import Digest
from runtime.journals.patience import PatientJournal

CACHE_BYTES = 64 * 1024 * 1024
"""How many bytes of payloads are kept to be handed out without reading them back."""


class Payloads:
    """A cache in front of a journal's blobs, which never change."""

    def __init__(self, journal: PatientJournal) -> None:
        self._journal = journal
        self._cache: OrderedDict[Digest, bytes] = OrderedDict()
        self._cached_bytes = 0

    def remember(self, blobs: Mapping[Digest, bytes]) -> None:
        """Keeps bytes that are durable now; the oldest go when there are too many."""
        for name, data in blobs.items():
            if name not in self._cache:
                self._cache[name] = data
                self._cached_bytes += len(data)
        while self._cached_bytes > CACHE_BYTES:
            _, dropped = self._cache.popitem(last=False)
            self._cached_bytes -= len(dropped)

    async def many(self, wanted: Set[Digest]) -> dict[Digest, bytes]:
        """The bytes of all names.

        Raises:
            CorruptEvent: some are not stored, or damaged.
        """
        found = {name: self._cache[name] for name in wanted if name in self._cache}
        if missing := wanted - found.keys():
            found.update(await self._journal.blobs(missing))
        return found
