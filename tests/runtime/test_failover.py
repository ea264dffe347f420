"""Hosts and sequencers that die in the middle of a run, in one process: what is lost with them, and what never is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import ANY

import pytest

from runtime import ids
from runtime.blobs import digest
from runtime.codec import Json, canonical
from runtime.engine import build, drive
from runtime.errors import JournalError, StaleEpoch
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryStarted,
    Digest,
    MessageSent,
    RunCompleted,
    StepCompleted,
    StepStarted,
)
from runtime.exchange.channel import Held, HostReplaced, Loss, NotKnownHere, Past, RunOrder, RunOver
from runtime.exchange.parcels import Parcel
from runtime.exchange.recollection import Recalled
from runtime.host import Host, Part
from runtime.hosting.host_life import attend
from runtime.journal import MemoryJournal
from runtime.placement import HostInfo, place
from runtime.replay import replay
from runtime.routing import Placement
from runtime.service import REJOIN_LIMIT_S, SequencerService
from tests.runtime.payments import Ledger, performance

HOSTS: tuple[str, ...] = ("host-1", "host-2")


class Yard:
    """A sequencer and two hosts, each of which can be killed and replaced; the journal outlives them."""

    def __init__(self, folder: Path, recipient: str, data: dict[str, Json], naps: int = 100) -> None:
        self.journal = MemoryJournal()
        self.order = performance(folder, recipient, data, naps)
        self.ledger = Ledger(folder)
        self.service = self.new_service()
        self.lives = dict.fromkeys(HOSTS, 0)
        self.hosts: dict[str, tuple[Host, asyncio.Task[None]]] = {}
        self.when: Callable[[AnyEvent], str] = lambda _: ""
        self.killing: list[asyncio.Task[None]] = []
        self.dies_at_a_beginning = False
        """Whether the sequencer dies when a host asks for the first time what a run is."""

    def new_service(self) -> SequencerService:
        return SequencerService(self.journal, [HostInfo(name) for name in HOSTS])

    def start(self, name: str) -> None:
        """A new process at a host."""
        life = self.lives[name] = max(self.lives.values()) + 1
        channel = Line(self, name, life)

        async def part(run: str) -> Part:
            await channel.describe(run)
            return Part(build(self.order, "ray"))

        host = Host(name, channel.submit, part)
        host.on_broken(lambda _, __: None)
        self.hosts[name] = (host, asyncio.create_task(attend(host, channel)))

    async def kill(self, name: str) -> None:
        """Ends a process and starts the next one in its place."""
        if name == "sequencer":
            self.service = self.new_service()
            return
        host, attending = self.hosts[name]
        life = self.lives[name]
        self.lives[name] = max(self.lives.values()) + 1
        attending.cancel()
        await host.close()
        with suppress(asyncio.CancelledError):
            await attending
        await Line(self, "", 0).leave(name, life)
        self.start(name)

    async def perform(self) -> Json:
        """Performs the run over this yard; the processes that `when` names are killed at that very event."""

        for name in HOSTS:
            self.start(name)
        try:
            return await drive(self.order, Line(self, "", 0), build(self.order, "ray"))
        finally:
            await asyncio.gather(*self.killing)
            for host, attending in self.hosts.values():
                attending.cancel()
                await host.close()

    async def checked_events(self) -> list[AnyEvent]:
        """The events, none of which is missing or twice there; replay does the same again."""
        events = await self.journal.events("run")
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        for kind, name in ((StepStarted, "step"), (StepCompleted, "step"), (DeliveryStarted, "delivery")):
            found = [getattr(event, name) for event in events if isinstance(event, kind)]
            assert len(found) == len(set(found)), f"{kind.__name__} is there twice"
        await replay(self.journal, "run")
        return events


class Line:
    """A channel to whatever service the yard has: a call to one that is gone is made again to the next."""

    def __init__(self, yard: Yard, host: str, life: int) -> None:
        self._yard = yard
        self._host = host
        self._life = life

    async def open(self, order: RunOrder) -> None:
        await self._yard.service.open(order)

    async def resume(self, run: str, driver: str) -> Past:
        return await self._yard.service.resume(run, driver)

    async def rejoin(self, run: str, driver: str, held: Held, seen: int) -> AnyEvent | None:
        return await self._yard.service.rejoin(run, driver, held, seen)

    async def submit(self, run: str, events: list[AnyEvent], blobs: dict[Digest, bytes]) -> None:
        while self._is_alive():
            service = self._yard.service
            try:
                await service.submit(run, events, blobs, self._host, self._life)
                for event in events:
                    if name := self._yard.when(event):
                        self._yard.killing.append(asyncio.create_task(self._yard.kill(name)))
                return
            except NotKnownHere:
                await asyncio.sleep(0)
            except StaleEpoch:
                if service is self._yard.service:
                    raise

    async def pull(self, host: str, after: int) -> tuple[int, list[Parcel]]:
        while True:
            service = self._yard.service
            pulling = asyncio.create_task(service.pull(host, after, self._life))
            try:
                while not pulling.done() and service is self._yard.service:
                    await asyncio.wait([pulling], timeout=0.001)
                if service is self._yard.service:
                    return await pulling
            finally:
                pulling.cancel()
                await asyncio.gather(pulling, return_exceptions=True)

    async def watch(self, run: str, after: int) -> list[AnyEvent]:
        return await self._yard.service.watch(run, after)

    async def forget(self, run: str, driver: str) -> None:
        await self._yard.service.forget(run, driver)

    async def describe(self, run: str) -> Past:
        if self._yard.dies_at_a_beginning:
            self._yard.dies_at_a_beginning = False
            await self._yard.kill("sequencer")
        return await self._yard.service.describe(run)

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        return await self._yard.service.recall(run, started, request)

    async def room(self, run: str, step: str) -> bool:
        return await self._yard.service.room(run, step)

    async def trouble(self, known: str) -> str:
        return await self._yard.service.trouble(known)

    async def join(self, held: Held) -> None:
        await self._yard.service.join(HostInfo(self._host), self._life, held)

    async def leave(self, host: str, life: int) -> Loss:
        return await self._yard.service.leave(host, life)

    def _is_alive(self) -> bool:
        return not self._host or self._yard.lives[self._host] == self._life


def folder_of(path: Path, name: str) -> Path:
    (path / name).mkdir()
    return path / name


async def undisturbed(folder: Path, kind: str) -> tuple[Json, dict[str, int], int]:
    yard = Yard(folder, "lead", {"rounds": 2, "kind": kind})
    answer = await yard.perform()
    return answer, dict(yard.ledger.times()), len(await yard.checked_events())


def at(number: int, name: str) -> Callable[[AnyEvent], str]:
    """Names the process when so many events have been proposed and taken, once."""
    seen = 0

    def when(_: AnyEvent) -> str:
        nonlocal seen
        seen += 1
        return name if seen == number else ""

    return when


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"), [("host-1", "idempotent"), ("host-2", "read"), ("sequencer", "irreversible")]
)
async def test_a_run_survives_the_end_of_any_process_at_any_event(tmp_path: Path, name: str, kind: str) -> None:
    expected, effects, events = await undisturbed(folder_of(tmp_path, "undisturbed"), kind)
    for number in range(1, events, 1 if name == "sequencer" else 2):
        yard = Yard(folder_of(tmp_path, str(number)), "lead", {"rounds": 2, "kind": kind})
        yard.when = at(number, name)
        assert await yard.perform() == expected, f"{name} killed at {number}"
        assert isinstance((await yard.checked_events())[-1], RunCompleted)
        assert dict(yard.ledger.counts()) == effects
        if name == "sequencer":
            assert dict(yard.ledger.times()) == effects, "hosts that live do nothing twice"


async def test_a_run_does_not_wait_for_a_host_at_which_it_was_just_to_begin(tmp_path: Path) -> None:
    yard = Yard(tmp_path, "lead", {"rounds": 2, "kind": "irreversible"})
    yard.dies_at_a_beginning = True
    async with asyncio.timeout(REJOIN_LIMIT_S / 2):
        await yard.perform()
    assert not yard.dies_at_a_beginning
    assert isinstance((await yard.checked_events())[-1], RunCompleted)


async def test_what_a_run_was_is_told_to_nobody_once_it_is_over(tmp_path: Path) -> None:
    yard = Yard(tmp_path, "lead", {"rounds": 1, "kind": "read"})
    await yard.perform()
    with pytest.raises(RunOver):
        await yard.service.describe("run")


async def test_a_host_that_was_given_up_is_not_listened_to(tmp_path: Path) -> None:
    service = SequencerService(MemoryJournal(), [HostInfo(name) for name in HOSTS])
    await service.join(HostInfo("host-1"), 1, {})
    await service.leave("host-1", 1)
    with pytest.raises(HostReplaced):
        await service.pull("host-1", 0, 1)
    with pytest.raises(HostReplaced):
        await service.submit("run", [], {}, "host-1", 1)
    with pytest.raises(HostReplaced):
        await service.join(HostInfo("host-1"), 1, {})
    await service.join(HostInfo("host-1"), 2, {})


async def test_a_fresh_sequencer_asks_who_pulls_to_join_first(tmp_path: Path) -> None:
    service = SequencerService(MemoryJournal(), [HostInfo(name) for name in HOSTS])
    with pytest.raises(NotKnownHere):
        await service.pull("host-1", 7, 1)
    with pytest.raises(NotKnownHere):
        await service.pull("driver:run", 7)
    with pytest.raises(NotKnownHere):
        await service.submit("run", [], {})


async def test_a_host_that_comes_late_to_a_run_that_is_over_drops_it(tmp_path: Path) -> None:
    yard = Yard(tmp_path, "lead", {"rounds": 1, "kind": "read"})
    await yard.perform()
    channel = Line(yard, "host-1", yard.lives["host-1"])

    async def part(run: str) -> Part:
        await channel.describe(run)
        raise AssertionError("a run that is over was described")

    ended = (await yard.journal.events("run"))[-1]
    host = Host("host-1", channel.submit, part)
    await host.feed(
        Parcel(
            "run", StepCompleted(step="step", delivery="delivery", result=None, seq=ended.seq + 1), AgentName("lead")
        )
    )
    assert host.held() == {}


async def test_a_new_host_takes_new_agents_and_leaves_the_others_where_they_are(tmp_path: Path) -> None:
    yard = Yard(tmp_path, "waiter", {"kind": "idempotent"})
    performing = asyncio.create_task(yard.perform())
    await yard.ledger.written("held")
    before = {name: host.held() for name, (host, _) in yard.hosts.items()}
    yard.start("host-3")
    newcomer = HostInfo("host-3")
    agents = [AgentName("clerk", str(n)) for n in range(40)]
    homes = {agent: place("run", agent, Placement(), [*map(HostInfo, HOSTS), newcomer]) for agent in agents}
    moving = next(agent for agent, home in homes.items() if home == "host-3")
    data = canonical({"type": "json", "data": {"n": 1, "kind": "idempotent"}})
    sent = MessageSent(message="new", sender=None, cause=ids.ROOT, recipient=moving, payload=digest(data))
    await Line(yard, "", 0).submit("run", [sent], {sent.payload: data})
    await yard.ledger.written("pay 1")
    assert yard.hosts["host-3"][0].held() == {"run": {moving: ANY}}
    assert {name: host.held() for name, (host, _) in yard.hosts.items() if name in HOSTS} == before
    yard.ledger.open_gate()
    assert await performing == ["first!", "held!"]


async def test_a_driver_that_only_waits_is_told_why_its_run_is_broken(tmp_path: Path) -> None:
    yard = Yard(tmp_path, "waiter", {"kind": "idempotent"})
    performing = asyncio.create_task(yard.perform())
    await yard.ledger.written("held")
    await yard.journal.claim("run")
    yard.ledger.open_gate()
    with pytest.raises(JournalError, match="epoch"):
        await performing
