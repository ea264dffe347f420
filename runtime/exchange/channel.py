"""What hosts and drivers say to a sequencer, and what it answers: the seam between the shells.

`SequencerService` is a channel itself; on Ray, `runtime/on_ray/actor_channel.py` reaches one in another process.
Whoever waits for an answer may lose it: every call may be made again, and changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec

from runtime.errors import RepertoryError
from runtime.events import AgentName, AnyEvent, Digest, RunStarted, StepStarted
from runtime.exchange.parcels import ForkPast, Parcel
from runtime.exchange.recollection import Recalled

Held = dict[str, dict[AgentName, int]]
"""What a living process holds: run → agent → the highest seq that the agent has seen."""


class NotKnownHere(RepertoryError):
    """This sequencer has started afresh and does not know the host, or the run, yet: join again, or ask a bit later."""


class HostReplaced(RepertoryError):
    """The process was given up and its agents live elsewhere; it must end, and nothing that it says is taken."""


class RunOver(RepertoryError):
    """The run has ended, or its driver has left it; what is still under way of it concerns nobody."""


class RunOrder(msgspec.Struct, frozen=True):
    """A run to begin: its first event with the blobs that it names."""

    run: str
    started: RunStarted
    blobs: dict[Digest, bytes]
    driver: str
    """The host that drives it and takes its `local` agents."""


class Past(msgspec.Struct, frozen=True):
    """What a host must know of a run when it begins to take part in it."""

    started: RunStarted
    spec: bytes
    """The team's specification, canonical JSON."""
    fork: ForkPast | None = None
    """Where the run is a fork: what its agents had asked for before."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What the loss of a host means for the runs that had agents there."""

    progress: Mapping[str, int]
    """How many events each of them has: the same for two losses when nothing of it has happened between them."""
    stranded: tuple[str, ...] = ()
    """Those with agents that no other host can take."""


class Channel(Protocol):
    """How a host or a driver reaches the sequencer: `SequencerService` itself, or the actor that it runs in."""

    async def open(self, order: RunOrder) -> None:
        """Begins a run.

        Raises:
            UsageError: when a run of this id exists.
        """
        ...

    async def resume(self, run: str, driver: str) -> Past:
        """Takes up a run from its journal, with this driver; earlier owners of the run are refused from now on.

        Raises:
            UsageError: when there is no such run, or it has ended.
        """
        ...

    async def rejoin(self, run: str, driver: str, held: Held, seen: int) -> AnyEvent | None:
        """Takes up the driver's own run again after the sequencer has started afresh; returns its end if it has one.

        The agents that living hosts hold go on from what they have seen; the others begin from their past. The
        driver itself has been told what is its own up to the seq `seen`.

        Raises:
            UsageError: when there is no such run.
        """
        ...

    def submit(self, run: str, events: list[AnyEvent], blobs: dict[Digest, bytes]) -> Awaitable[None]:
        """Proposes events; returns when what is new of them is durable.

        Raises:
            JournalError: when they cannot be made durable; the run is broken then.
            HostReplaced: when the host that proposes them was given up.
            NotKnownHere: when the run is not known yet; propose them again a bit later.
        """
        ...

    async def pull(self, host: str, after: int) -> tuple[int, list[Parcel]]:
        """The parcels for a host after its first `after` ones, and how many there are now; waits a while for some.

        Raises:
            NotKnownHere: when the host must join first, and then begin with `after` 0.
            HostReplaced: when the host was given up.
            JournalError: to a driver: why its run is broken.
        """
        ...

    async def watch(self, run: str, after: int) -> list[AnyEvent]:
        """The run's durable events with a seq above `after`; waits a while for some.

        Raises:
            NotKnownHere: when the run is not known yet; ask again a bit later.
            JournalError: why the run is broken.
        """
        ...

    async def forget(self, run: str, driver: str) -> None:
        """The driver is done with a run, whether it has ended or is left: nothing is kept for it any more."""
        ...

    async def describe(self, run: str) -> Past:
        """What a host must know of a run before it takes its first parcel.

        Raises:
            NotKnownHere: when the sequencer has started afresh; join again, and begin the run when it comes again.
            RunOver: when it is over meanwhile; its parcels are to be dropped.
        """
        ...

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        """How a step of a fork ends by what its parent knows; None when it must be performed.

        Raises:
            NotKnownHere: when the run is not known yet; ask again a bit later.
        """
        ...

    async def room(self, run: str, step: str) -> bool:
        """Whether there is room where the delivery of this step has sent its last message; waits a while for some.

        Raises:
            NotKnownHere: when the run is not known yet; ask again a bit later.
        """
        ...

    async def trouble(self, known: str) -> str:
        """Why all runs wait for the journal's store, empty when they do not; waits a while for it to differ."""
        ...
