"""The shell around the sequencer's core: it makes events durable, then hands them to hosts in order.

One shell serves many runs. The in-process engine calls it directly, the Ray engine through an actor
(`runtime/cluster.py`). For each run one append is under way at a time and takes with it all that was proposed
since the last one; nothing leaves before its append has returned. Hosts pull their parcels, so that the driver of a
run, which nobody can call, is a host like any other.

An agent that has lost its host is fed again from the journal, at another host where one can take it, else at the next
process of the same one: all that it was told since it last slept. That happens between two appends, so that its past
and what follows leave in order. One that sleeps has no home and needs none; its next delivery finds one for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import msgspec

from runtime import clock
from runtime.beginning import sure_beginning
from runtime.errors import JournalError, JournalUnavailable, Undeliverable, UsageError
from runtime.events import (
    AgentName,
    AgentSlept,
    AnyEvent,
    Digest,
    RunCompleted,
    RunFailed,
    RunInterrupted,
    RunStarted,
    StepCompleted,
    StepDecided,
    StepStarted,
)
from runtime.exchange.ancestry import ancestry
from runtime.exchange.channel import Held, HostReplaced, Loss, NotKnownHere, Past, RunOrder, RunOver
from runtime.exchange.fleet import PULL_WAIT_S, Due, Fleet
from runtime.exchange.open_run import Homes, OpenRun, Pending, is_due, restored, woken_state
from runtime.exchange.parcels import Parcel
from runtime.exchange.payloads import Payloads
from runtime.exchange.recollection import Recalled
from runtime.journal import Journal
from runtime.journals.patience import PatientJournal
from runtime.placement import HostInfo, place
from runtime.routing import Placement, Routes
from runtime.sequencer import Outgoing, Sequencer

REJOIN_LIMIT_S = 20.0
"""How long a sequencer that has started afresh waits for the hosts to say what they hold."""

PULL_BYTES = 16 * 1024 * 1024
"""About how many bytes of payloads one pull takes."""


class SequencerService:
    """Runs, their journal and their hosts; see the module and `Channel`."""

    def __init__(self, journal: Journal, hosts: Sequence[HostInfo] = ()) -> None:
        self._store = journal
        self._journal = PatientJournal(journal)
        self._fleet = Fleet(hosts)
        self._payloads = Payloads(self._journal)
        self._runs: dict[str, OpenRun] = {}
        self._over: set[str] = set()
        """Runs that have ended here or were left."""
        self._read: tuple[str, list[AnyEvent]] = ("", [])
        """The run that was taken up last, and its events until then: whoever watches it from its start gets these."""

    # Runs

    async def open(self, order: RunOrder) -> None:
        """See `Channel.open`. A run of which only this very beginning is on record was begun by such a call.

        A journal that cannot be used is an error here, and waited for later.
        """
        if order.run in self._runs:
            raise _exists(order.run)
        routes = msgspec.json.decode(order.blobs[order.started.routes], type=Routes)
        core = Sequencer(routes)
        pending = Pending(core.take(order.started, at=clock.time_s()), order.blobs)
        events = [outgoing.event for outgoing in pending.outgoing]
        if epoch := await self._store.begin(order.run, events, order.blobs):
            self._fleet.admit(order.driver)
            entry = self._runs[order.run] = OpenRun(order, epoch, routes, core)
            self._hand_on(entry, pending)
        else:
            await self._open_again(order)

    async def _open_again(self, order: RunOrder) -> None:
        """Opens a run that somebody has claimed before."""
        if order.run in self._runs:
            raise _exists(order.run)
        events = await self._store.events(order.run)
        if len(events) > 1 or (events and not _is_same_beginning(events[0], order.started)):
            raise _exists(order.run)
        if events:
            await self._restore(order.run, order.driver, dict)
            return
        epoch = await self._store.claim(order.run)
        routes = msgspec.json.decode(order.blobs[order.started.routes], type=Routes)
        self._fleet.admit(order.driver)
        self._runs[order.run] = OpenRun(order, epoch, routes, Sequencer(routes))
        await self.submit(order.run, [order.started], order.blobs)

    async def describe(self, run: str) -> Past:
        """See `Channel.describe`."""
        if run in self._over:
            raise RunOver(f"run {run!r} is over here")
        entry = self._known(run)
        return Past(entry.order.started, entry.order.blobs[entry.order.started.spec], entry.past)

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        """See `Channel.recall`. What undoes is never answered from the parent: it is for what this run has done."""
        entry = None if run in self._over else self._known(run)
        if entry is None or entry.fork is None or entry.core.aborting is not None:
            return None
        return await entry.fork.recall(started, request)

    async def trouble(self, known: str) -> str:
        """See `Channel.trouble`."""
        return await self._journal.trouble(known, PULL_WAIT_S)

    async def resume(self, run: str, driver: str) -> Past:
        """See `Channel.resume`. What every agent has seen is handed out again, to wherever the agents live now."""
        if await self._restore(run, driver, dict) is not None:
            raise UsageError(f"run {run!r} has ended; nothing is left to resume")
        return await self.describe(run)

    async def rejoin(self, run: str, driver: str, held: Held, seen: int) -> AnyEvent | None:
        """See `Channel.rejoin`. It waits a while for all hosts, so that nothing is done twice that one still does."""
        if run in self._runs:
            return None
        await self._fleet.assembled(REJOIN_LIMIT_S)
        own = {agent: (driver, seq) for agent, seq in held.get(run, {}).items()}
        return await self._restore(run, driver, lambda: self._fleet.held(run) | own, seen)

    def submit(
        self, run: str, events: list[AnyEvent], blobs: dict[Digest, bytes], host: str = "", life: int = 0
    ) -> asyncio.Future[None]:
        """See `Channel.submit`. What is proposed is numbered before this returns, so calls keep their order."""
        if host:
            self._fleet.check(host, life)
        if run in self._over:
            return _done()
        entry = self._known(run)
        if entry.broken is not None:
            raise entry.broken
        at = clock.time_s()
        for event in events:
            entry.pending.outgoing += entry.core.take(event, at=at)
            if isinstance(event, StepDecided):
                entry.pending.outgoing += entry.core.begin(at=at)
        entry.pending.blobs.update(blobs)
        return self._committed(entry)

    async def watch(self, run: str, after: int) -> list[AnyEvent]:
        """See `Channel.watch`."""
        if run not in self._over:
            entry = self._known(run)
            if entry.broken is not None:
                raise entry.broken
            if entry.durable_seq <= after:
                await entry.grown.heard(PULL_WAIT_S)
        taken_up, read = self._read
        if after or taken_up != run:
            return await self._journal.events(run, after)
        self._read = ("", [])
        return [*read, *await self._journal.events(run, len(read))]

    # Hosts

    async def pull(self, host: str, after: int, life: int = 0) -> tuple[int, list[Parcel]]:
        """See `Channel.pull`. Whoever pulls also finds out who has not pulled for too long."""
        for silent, its_life in self._fleet.silent():
            await self.leave(silent, its_life)
        base, due = await self._fleet.pull(host, after, life)
        return await self._with_payloads(base, due)

    async def _with_payloads(self, base: int, due: Sequence[Due]) -> tuple[int, list[Parcel]]:
        """The end of what is pulled, and the parcels with their bytes, of which some `PULL_BYTES` travel at once.

        Bytes that cannot be read break the run that they belong to.
        """
        wanted = {name for one in due for name in (one.payload, one.state) if name is not None}
        if not wanted:
            return base + len(due), [one.parcel for one in due]
        try:
            found = await self._payloads.many(wanted)
        except JournalError as error:
            if len(due) > 1:
                return await self._with_payloads(base, due[:1])
            if (entry := self._runs.get(due[0].parcel.run)) is not None:
                self._break(entry, Pending(), error)
            return base + 1, []
        parcels: list[Parcel] = []
        size = 0
        for one in due:
            payload, state = found.get(one.payload or ""), found.get(one.state or "")
            parcels.append(msgspec.structs.replace(one.parcel, payload=payload, state=state))
            size += len(payload or b"") + len(state or b"")
            if size > PULL_BYTES:
                break
        return base + len(parcels), parcels

    async def room(self, run: str, step: str) -> bool:
        """See `Channel.room`."""
        if run in self._over:
            return True
        core = self._known(run).core
        until = clock.monotonic() + PULL_WAIT_S
        while run in self._runs and not core.has_room(step) and (left_s := until - clock.monotonic()) > 0:
            await self._runs[run].grown.heard(left_s)
        return run not in self._runs or core.has_room(step)

    def enlist(self, hosts: Iterable[HostInfo]) -> None:
        """Says which hosts there are."""
        self._fleet.enlist(hosts)

    async def join(self, host: HostInfo, life: int, held: Held) -> None:
        """A process says that it lives at the host now, and what it holds; an earlier one there is given up.

        A host that is new takes agents from now on; those that live elsewhere stay there.

        Raises:
            HostReplaced: it was given up itself, and its agents live elsewhere.
        """
        if late := held.keys() & self._runs.keys():
            raise HostReplaced(
                f"host {host.name}: run {min(late)} goes on without this process; its agents live elsewhere"
            )
        if self._fleet.join(host, life, held):
            self._feed_again(host.name)

    async def leave(self, host: str, life: int) -> Loss:
        """A process at the host has died: its agents go to hosts that can take them, or wait for the next one here."""
        return self._feed_again(host) if self._fleet.give_up(host, life) else Loss({})

    def _feed_again(self, host: str) -> Loss:
        """Finds new homes for the agents of a host."""
        progress: dict[str, int] = {}
        stranded: list[str] = []
        for run, entry in self._runs.items():
            agents = [agent for agent, home in entry.homes.items() if home == host]
            for agent in agents:
                del entry.homes[agent]
                entry.feed(agent)
            if host in {self._home(entry, agent) for agent in agents}:
                stranded.append(run)
            if agents:
                progress[run] = entry.core.seq
            self._commit_soon(entry)
        return Loss(progress, tuple(stranded))

    async def forget(self, run: str, driver: str) -> None:
        """See `Channel.forget`. Hosts stop what they still do of a run that is left."""
        if self._read[0] == run:
            self._read = ("", [])
        entry = self._runs.get(run)
        if entry is not None and entry.order.driver == driver:
            for host in {*entry.homes.values(), *entry.hosts} - {driver}:
                self._fleet.tell(host, Parcel(run, RunInterrupted(reason="its driver has left it")))
            del self._runs[run]
            self._over.add(run)
            entry.feeds.clear()
        self._fleet.dismiss(driver)

    # Restoring

    async def _restore(
        self, run: str, driver: str, held: Callable[[], Homes], seen: int | None = None
    ) -> AnyEvent | None:
        """Takes up a run from its journal; returns its end where it has ended. `held` agents are where they were.

        `seen` is what the same driver was told before; none for a new one.
        """
        events = await self._journal.events(run)
        started = sure_beginning(run, events)
        if isinstance(events[-1], RunCompleted | RunFailed):
            self._over.add(run)
            return events[-1]
        epoch = await self._journal.claim(run)
        events += await self._journal.events(run, events[-1].seq)  # what an earlier owner could still append
        blobs = await self._journal.blobs({started.spec, started.routes})
        fork = await ancestry(self._journal, events)
        entry = restored(RunOrder(run, started, blobs, driver), epoch, events, held(), fork)
        entry.tells_driver, entry.is_new_driver = seen or 0, seen is None
        self._runs[run] = entry
        self._over.discard(run)
        self._read = (run, events)
        self._fleet.admit(driver)
        if entry.core.has_ended:
            self._end(entry, events[-1])
            return events[-1]
        await self._committed(entry)
        return None

    async def _feed(self, entry: OpenRun) -> None:
        """Hands out what the agents that are to be fed have to see, up to what has been handed out to all."""
        feeds, entry.feeds = entry.feeds, {}
        told, entry.tells_driver = entry.tells_driver, None
        entry.fed.update(dict.fromkeys(feeds, entry.core.seq))
        seen = [*(feed.after for feed in feeds.values()), *([] if told is None else [told])]
        recorded, entry.restored = entry.restored, ()
        if not recorded:
            events = await self._journal.events(entry.order.run, min(seen))
            recorded = [entry.core.addressed(event) for event in events if event.seq <= entry.durable_seq]
        past: list[Outgoing] = []
        done = {agent: entry.settled_steps(agent) for agent, feed in feeds.items() if feed.is_anew}
        for outgoing in recorded:
            if outgoing.to is None:
                past += [outgoing] if told is not None and outgoing.event.seq > told else []
            elif is_due(outgoing.event, feeds.get(outgoing.to)) and entry.is_heard(outgoing.to):
                past.append(outgoing)
                if outgoing.to in done and isinstance(outgoing.event, StepCompleted):
                    done[outgoing.to].append(outgoing.event.step)
        self._hand_out(entry, past, done)

    # The commit, one at a time for each run

    def _committed(self, entry: OpenRun) -> asyncio.Future[None]:
        """Done when what is pending is durable."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry.pending.waiting.append(done)
        self._commit_soon(entry)
        return done

    def _commit_soon(self, entry: OpenRun) -> None:
        """Appends what is pending and hands it out; what comes meanwhile follows when that is done."""
        if entry.committing is not None or entry.broken is not None:
            return
        if entry.must_feed:
            entry.committing = asyncio.create_task(self._feed(entry))
            entry.committing.add_done_callback(partial(self._on_fed, entry))
        elif entry.pending.waiting:
            pending, entry.pending = entry.pending, Pending()
            if pending.outgoing:
                self._append(entry, pending, self._store.append)
            else:
                pending.settle()

    def _on_fed(self, entry: OpenRun, feeding: asyncio.Future[None]) -> None:
        entry.committing = None
        if feeding.cancelled():
            return
        if isinstance(error := feeding.exception(), Exception):
            self._break(entry, Pending(), error)
        else:
            self._commit_soon(entry)

    def _append(self, entry: OpenRun, pending: Pending, append: Callable[..., Awaitable[object]]) -> None:
        """Appends what was pending. No task is made for it but where a journal needs one: that would take longer."""
        events = [outgoing.event for outgoing in pending.outgoing]
        blobs = {name: data for name, data in pending.blobs.items() if name not in entry.stored}
        try:
            entry.committing = asyncio.ensure_future(append(entry.order.run, entry.epoch, events, blobs))
        except Exception as error:
            self._break(entry, pending, error)
        else:
            entry.committing.add_done_callback(partial(self._on_appended, entry, pending))

    def _on_appended(self, entry: OpenRun, pending: Pending, appending: asyncio.Future[object]) -> None:
        entry.committing = None
        if appending.cancelled():
            return
        match appending.exception():
            case None:
                self._hand_on(entry, pending)
                self._commit_soon(entry)
            case JournalUnavailable() as failed:
                self._append(entry, pending, partial(self._journal.append, failed=failed))
            case error:
                self._break(entry, pending, error)

    def _hand_on(self, entry: OpenRun, pending: Pending) -> None:
        """Hands out what is durable now, and tells who waits for that."""
        last = pending.outgoing[-1].event
        entry.stored.update(pending.blobs)
        self._payloads.remember(pending.blobs)
        try:
            self._hand_out(entry, pending.outgoing)
        except Exception as error:
            self._break(entry, pending, error)
            return
        if entry.core.has_ended and isinstance(last, RunCompleted | RunFailed):
            self._end(entry, last)
        entry.durable_seq = last.seq
        entry.grown.ring()
        pending.settle()

    def _break(self, entry: OpenRun, pending: Pending, error: BaseException) -> None:
        """The journal refuses: nothing of this run leaves any more, and everyone who waits is told why."""
        entry.broken = error
        pending.settle(error)
        entry.pending.settle(error)
        entry.grown.ring()
        self._fleet.fail(entry.order.driver, error)

    def _end(self, entry: OpenRun, last: AnyEvent) -> None:
        """Tells every host of the run that it is over, and forgets it."""
        for host in {entry.order.driver, *entry.homes.values(), *entry.hosts}:
            self._fleet.tell(host, Parcel(entry.order.run, last))
        self._over.add(entry.order.run)
        self._runs.pop(entry.order.run, None)
        entry.feeds.clear()

    # Handing out

    def _hand_out(
        self, entry: OpenRun, outgoing: Sequence[Outgoing], past: dict[AgentName, list[str]] | None = None
    ) -> None:
        """Tells everyone what is theirs. Agents in `past` have to do all of it again but these steps, which are done.

        An agent that is still to be fed is left out: it gets all of it then.
        """
        for one in outgoing:
            if one.to is None and one.to_driver:
                is_past = past is not None and entry.is_new_driver
                parcel = Parcel(entry.order.run, one.event, is_past=is_past)
                self._fleet.tell(entry.order.driver, parcel, entry.payload(one))
            elif one.to is not None and one.to not in entry.feeds:
                is_past = past is not None and one.to in past
                done = tuple(past[one.to]) if past is not None and is_past else ()
                parcel = Parcel(entry.order.run, one.event, one.to, one.message, None, is_past, done)
                entry.hosts.add(home := self._home(entry, one.to))
                self._fleet.tell(home, parcel, entry.payload(one), woken_state(one))
                if past is not None and done:
                    past[one.to] = []
                if isinstance(one.event, AgentSlept) and not entry.is_shared(one.event.seq):
                    entry.homes.pop(one.to, None)
                    entry.fed.pop(one.to, None)

    def _home(self, entry: OpenRun, agent: AgentName) -> str:
        """The host of an agent; it stays the same as long as that lives."""
        if (home := entry.homes.get(agent)) is not None:
            return home
        policy = entry.routes.policy(agent)
        placement = policy.placement if policy is not None else Placement()
        is_local = placement.where == "local" or not self._fleet.all()
        home = entry.order.driver if is_local else self._place(entry.order.run, agent, placement)
        entry.homes[agent] = home
        return home

    def _place(self, run: str, agent: AgentName, placement: Placement) -> str:
        """One of the hosts that are there; where none of these will do, one whose process will be replaced."""
        try:
            return place(run, agent, placement, self._fleet.candidates())
        except Undeliverable:
            return place(run, agent, placement, self._fleet.all())

    def _known(self, run: str) -> OpenRun:
        if (entry := self._runs.get(run)) is None:
            raise NotKnownHere(f"run {run!r} is not open at this sequencer")
        return entry


def _done() -> asyncio.Future[None]:
    """What has nothing to wait for."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future


def _is_same_beginning(event: AnyEvent, started: RunStarted) -> bool:
    return isinstance(event, RunStarted) and (event.builder, event.spec) == (started.builder, started.spec)


def _exists(run: str) -> UsageError:
    return UsageError(f"a run {run!r} exists already; choose another id")
