"""The shell around the sequencer's core: it makes events durable, then hands them to hosts in order.

One shell serves many runs. The in-process engine calls it directly, the Ray engine through an actor
(`runtime/cluster.py`). For each run one append is under way at a time and takes with it all that was proposed
since the last one; nothing leaves before its append has returned. Hosts pull their parcels, so that the driver of a
run, which nobody can call, is a host like any other.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from runtime import clock
from runtime.ancestry import Ancestry, ancestry
from runtime.beginning import beginning
from runtime.errors import UsageError
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Digest,
    MessagePublished,
    MessageSent,
    RunAborting,
    RunCompleted,
    RunFailed,
    RunStarted,
    StepCompleted,
    StepDecided,
    StepStarted,
)
from runtime.journal import Journal
from runtime.parcels import ForkPast, Parcel
from runtime.patience import PatientJournal
from runtime.placement import HostInfo, place
from runtime.recollection import Recalled
from runtime.references import named
from runtime.routing import Placement, Routes
from runtime.sequencer import UNDO, Outgoing, Sequencer

PULL_WAIT_S = 20.0
"""How long a pull waits for something to hand out before it returns empty, which also shows that its host lives."""

CACHE_BYTES = 64 * 1024 * 1024
"""How many bytes of payloads are kept to be handed out without reading them back."""


class RunOrder(msgspec.Struct, frozen=True):
    """A run to begin: its first event with the blobs that it names."""

    run: str
    started: RunStarted
    blobs: dict[Digest, bytes]
    driver: str
    """The host that drives it and takes its `local` agents."""


class Past(msgspec.Struct, frozen=True):
    """What is known of a run when a host begins to take part in it."""

    started: RunStarted
    spec: bytes
    """The team's specification, canonical JSON."""
    completed: frozenset[str] = frozenset()
    """The steps whose results are on record from before, or come from a person; they are not performed again."""
    fork: ForkPast | None = None
    """Where the run is a fork: what its agents had asked for before."""


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

    async def submit(self, run: str, events: list[AnyEvent], blobs: dict[Digest, bytes]) -> None:
        """Proposes events; returns when what is new of them is durable.

        Raises:
            JournalError: when they cannot be made durable; the run is broken then.
        """
        ...

    async def pull(self, host: str, after: int) -> tuple[int, list[Parcel]]:
        """The parcels for a host after its first `after` ones, and how many there are now; waits a while for some."""
        ...

    async def watch(self, run: str, after: int) -> list[AnyEvent]:
        """The run's durable events with a seq above `after`; waits a while for some."""
        ...

    async def describe(self, run: str) -> Past:
        """What a host must know of a run before it takes its first parcel."""
        ...

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        """How a step of a fork ends by what its parent knows; None when it must be performed."""
        ...

    async def trouble(self, known: str) -> str:
        """Why all runs wait for the journal's store, empty when they do not; waits a while for it to differ."""
        ...


@dataclass(slots=True)
class _Stream:
    """What a host has to be told; `base` parcels were told and forgotten."""

    base: int = 0
    parcels: list[Parcel] = field(default_factory=list[Parcel])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Pending:
    """What the next append takes with it."""

    outgoing: list[Outgoing] = field(default_factory=list[Outgoing])
    blobs: dict[Digest, bytes] = field(default_factory=dict[Digest, bytes])
    waiting: list[asyncio.Future[None]] = field(default_factory=list[asyncio.Future[None]])


@dataclass(slots=True)
class _Run:
    order: RunOrder
    epoch: int
    routes: Routes
    core: Sequencer
    pending: _Pending = field(default_factory=_Pending)
    committing: asyncio.Task[None] | None = None
    durable_seq: int = 0
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    homes: dict[AgentName, str] = field(default_factory=dict[AgentName, str])
    broken: Exception | None = None
    completed: frozenset[str] = frozenset()
    fork: Ancestry | None = None


class SequencerService:
    """Runs, their journal and their hosts; see the module and `Channel`."""

    def __init__(self, journal: Journal, hosts: Sequence[HostInfo] = ()) -> None:
        self._store = journal
        self._journal = PatientJournal(journal)
        self._hosts = tuple(hosts)
        self._runs: dict[str, _Run] = {}
        self._streams: dict[str, _Stream] = {}
        self._cache: OrderedDict[Digest, bytes] = OrderedDict()
        self._cached_bytes = 0

    async def open(self, order: RunOrder) -> None:
        """See `Channel.open`. A journal that cannot be used is an error here, and waited for later."""
        if order.run in self._runs or await self._store.events(order.run):
            raise UsageError(f"a run {order.run!r} exists already; choose another id")
        epoch = await self._store.claim(order.run)
        routes = msgspec.json.decode(order.blobs[order.started.routes], type=Routes)
        self._runs[order.run] = _Run(order, epoch, routes, Sequencer(routes))
        await self.submit(order.run, [order.started], order.blobs)

    async def describe(self, run: str) -> Past:
        """See `Channel.describe`."""
        entry = self._runs[run]
        return Past(entry.order.started, entry.order.blobs[entry.order.started.spec], entry.completed, _past(entry))

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        """See `Channel.recall`."""
        entry = self._runs.get(run)
        return None if entry is None or entry.fork is None else await entry.fork.recall(started, request)

    async def resume(self, run: str, driver: str) -> Past:
        """See `Channel.resume`. What every agent has seen is handed out again, to wherever the agents live now."""
        events = await self._journal.events(run)
        started = beginning(events)
        if started is None:
            raise UsageError(f"there is no run {run!r}; `repertory runs list` shows those that there are")
        if isinstance(events[-1], RunCompleted | RunFailed):
            raise UsageError(f"run {run!r} has ended; nothing is left to resume")
        epoch = await self._journal.claim(run)
        blobs = await self._journal.blobs({started.spec, started.routes})
        routes = msgspec.json.decode(blobs[started.routes], type=Routes)
        entry = _Run(RunOrder(run, started, blobs, driver), epoch, routes, Sequencer(routes))
        entry.completed = frozenset(event.step for event in events if isinstance(event, StepCompleted))
        entry.durable_seq = events[-1].seq
        entry.fork = await ancestry(self._journal, events)
        seen = (MessageSent, MessagePublished, StepCompleted, DeliveryCompleted)
        self._remember(
            await self._journal.blobs({n for event in events if isinstance(event, seen) for n in named(event)})
        )
        is_given_up = any(isinstance(event, RunAborting) for event in events)
        for event in events:
            outgoing = entry.core.restore(event)
            if not is_given_up or outgoing.to is None or outgoing.to.type == UNDO:
                await self._hand_out(entry, outgoing, is_past=True)
        entry.completed |= {asked.step for asked in entry.core.steps.asked() if asked.why == "question"}
        self._runs[run] = entry
        entry.pending.outgoing += entry.core.resume(at=clock.time_s())
        await self.submit(run, [], {})
        return await self.describe(run)

    async def submit(self, run: str, events: list[AnyEvent], blobs: dict[Digest, bytes]) -> None:
        """See `Channel.submit`. What is proposed is numbered before the first wait, so calls keep their order."""
        entry = self._runs.get(run)
        if entry is None:
            return
        if entry.broken is not None:
            raise entry.broken
        at = clock.time_s()
        for event in events:
            entry.pending.outgoing += entry.core.take(event, at=at)
            if isinstance(event, StepDecided):
                entry.pending.outgoing += entry.core.begin(at=at)
        entry.pending.blobs.update(blobs)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry.pending.waiting.append(done)
        if entry.committing is None:
            entry.committing = asyncio.create_task(self._commit(entry))
        await done

    async def pull(self, host: str, after: int) -> tuple[int, list[Parcel]]:
        """See `Channel.pull`. What came before `after` is forgotten."""
        stream = self._streams.setdefault(host, _Stream())
        del stream.parcels[: max(0, after - stream.base)]
        stream.base = max(stream.base, after)
        if not stream.parcels:
            stream.arrived.clear()
            await _wait_a_while(stream.arrived)
        return stream.base + len(stream.parcels), list(stream.parcels)

    async def watch(self, run: str, after: int) -> list[AnyEvent]:
        """See `Channel.watch`."""
        entry = self._runs.get(run)
        if entry is not None and entry.durable_seq <= after:
            await _wait_a_while(entry.grown)
        return await self._journal.events(run, after)

    async def trouble(self, known: str) -> str:
        """See `Channel.trouble`."""
        return await self._journal.trouble(known, PULL_WAIT_S)

    # The commit, one at a time for each run

    async def _commit(self, entry: _Run) -> None:
        """Appends what is pending and hands it out, until nothing is pending."""
        try:
            while entry.pending.waiting:
                pending, entry.pending = entry.pending, _Pending()
                try:
                    await self._append(entry, pending)
                except Exception as error:
                    self._break(entry, pending, error)
                    return
                for waiting in pending.waiting:
                    if not waiting.done():
                        waiting.set_result(None)
        finally:
            entry.committing = None

    async def _append(self, entry: _Run, pending: _Pending) -> None:
        if not pending.outgoing:
            return
        run = entry.order.run
        events = [outgoing.event for outgoing in pending.outgoing]
        await self._journal.append(run, entry.epoch, events, pending.blobs)
        self._remember(pending.blobs)
        for outgoing in pending.outgoing:
            await self._hand_out(entry, outgoing)
        if entry.core.has_ended:
            self._end(entry, events[-1])
        entry.durable_seq = events[-1].seq
        entry.grown.set()
        entry.grown = asyncio.Event()

    def _break(self, entry: _Run, pending: _Pending, error: Exception) -> None:
        """The journal refuses: nothing of this run leaves any more, and everyone who waits is told why."""
        entry.broken = error
        for waiting in (*pending.waiting, *entry.pending.waiting):
            if not waiting.done():
                waiting.set_exception(error)
        entry.grown.set()

    def _end(self, entry: _Run, last: AnyEvent) -> None:
        """Tells every host of the run that it is over, and forgets it."""
        for host in {entry.order.driver, *entry.homes.values()}:
            self._tell(host, Parcel(entry.order.run, last))
        self._runs.pop(entry.order.run, None)

    # Handing out

    async def _hand_out(self, entry: _Run, outgoing: Outgoing, *, is_past: bool = False) -> None:
        if outgoing.to is None and not outgoing.to_driver:
            return
        payload = await self._payload(outgoing, is_past=is_past)
        parcel = Parcel(entry.order.run, outgoing.event, outgoing.to, outgoing.message, payload, is_past)
        self._tell(entry.order.driver if outgoing.to is None else self._home(entry, outgoing.to), parcel)

    async def _payload(self, outgoing: Outgoing, *, is_past: bool) -> bytes | None:
        match outgoing.event:
            case DeliveryStarted() if outgoing.message is not None:
                return await self._blob(outgoing.message.payload)
            case DeliveryCompleted(response=str() as response):
                return await self._blob(response)
            case StepCompleted(result=str() as result) if is_past or outgoing.is_given:
                return await self._blob(result)
            case _:
                return None

    def _home(self, entry: _Run, agent: AgentName) -> str:
        """The host of an agent; it stays the same for the run's life."""
        if (home := entry.homes.get(agent)) is not None:
            return home
        policy = entry.routes.policy(agent)
        placement = policy.placement if policy is not None else Placement()
        is_local = placement.where == "local" or not self._hosts
        home = entry.order.driver if is_local else place(entry.order.run, agent, placement, self._hosts)
        entry.homes[agent] = home
        return home

    def _tell(self, host: str, parcel: Parcel) -> None:
        stream = self._streams.setdefault(host, _Stream())
        stream.parcels.append(parcel)
        stream.arrived.set()

    # Payloads

    def _remember(self, blobs: Mapping[Digest, bytes]) -> None:
        for name, data in blobs.items():
            if name not in self._cache:
                self._cache[name] = data
                self._cached_bytes += len(data)
        while self._cached_bytes > CACHE_BYTES:
            _, dropped = self._cache.popitem(last=False)
            self._cached_bytes -= len(dropped)

    async def _blob(self, name: Digest) -> bytes:
        data = self._cache.get(name)
        return await self._journal.blob(name) if data is None else data


def _past(entry: _Run) -> ForkPast | None:
    return None if entry.fork is None else entry.fork.past


async def _wait_a_while(event: asyncio.Event) -> None:
    """Not `wait_for`, which in Python 3.11 forgets a cancellation that comes together with the event."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PULL_WAIT_S):
            await event.wait()
