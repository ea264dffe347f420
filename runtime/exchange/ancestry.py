"""What the sequencer's shell knows of a fork's parent: read once from the journal, asked by the hosts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from runtime.beginning import last_fork
from runtime.errors import CorruptEvent
from runtime.events import AnyEvent, StepStarted
from runtime.exchange.parcels import ForkPast
from runtime.exchange.recollection import Recalled, Recollection
from runtime.journal import Journal


@dataclass(frozen=True, slots=True)
class Ancestry:
    """A fork's parent."""

    past: ForkPast
    recollection: Recollection
    journal: Journal

    async def recall(self, started: StepStarted, request: bytes) -> Recalled | None:
        """How a step ends by what the parent knows; None when it must be performed, also where the answer is lost."""
        recalled = self.recollection.of(started, request)
        if recalled is None or recalled.result is None:
            return recalled
        with suppress(CorruptEvent):
            return msgspec.structs.replace(recalled, body=await self.journal.blob(recalled.result))
        return None


async def ancestry(journal: Journal, events: Sequence[AnyEvent]) -> Ancestry | None:
    """The parent of a run with these events; None for a run that is no fork. A parent that is gone knows nothing.

    Raises:
        CorruptEvent: the parent's events are damaged.
    """
    fork = last_fork(events)
    if fork is None:
        return None
    shared = [event for event in events if event.seq < fork.seq]
    recorded = tuple(event for event in shared if isinstance(event, StepStarted))
    parent = [*shared, *await journal.events(fork.parent, after=fork.seq - 1)]
    return Ancestry(ForkPast(fork, recorded), Recollection(parent, fork), journal)
