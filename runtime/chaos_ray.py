"""Really kills processes of a run on Ray with SIGKILL: a host's, the sequencer's, or the driver's.

Hosts and the sequencer come back by themselves; a run whose driver died is resumed, here. A kill follows an event: it
comes as soon as the driver has been told that the event is durable. What happens in between is the chance that a real
crash has too.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from runtime import clock
from runtime.chaos import Account, Crash, Point, Trial, Verdict, compare
from runtime.chaos_driver import DriverOrder
from runtime.chaos_local import Books, consent
from runtime.cluster import RayEngine
from runtime.codec import Json, canonical
from runtime.effects import EffectLedger, watched
from runtime.engine import OnEvent, Performance
from runtime.errors import DivergenceError, RepertoryError, WaitingForPerson
from runtime.events import AnyEvent
from runtime.replay import replay
from runtime.sql_journal import SqliteJournal

DRIVER = "driver"


@dataclass(frozen=True)
class RayChaos:
    """A run on Ray that is killed and goes on, each time from its beginning in a directory of its own."""

    performance: Callable[[Path], Performance]
    """The run, for an empty directory in which it may keep what it does to the world."""
    folder: Path
    """Where the directories are made; all nodes must see it."""
    address: str
    """Where Ray is."""
    hosts: int = 2
    books: Books = lambda _: {}
    clean: Callable[[], Awaitable[None]] | None = None
    """Removes what a run leaves behind in the cluster."""

    async def undisturbed(self) -> tuple[Account, list[Point]]:
        """Performs the run to its end; returns what it leaves behind, and all points at which it may be killed."""
        scene = _Scene(self)
        account = await scene.perform(scene.order, lambda _: None)
        await scene.close()
        victims = (*(f"host-{n}" for n in range(1, self.hosts + 1)), "sequencer", DRIVER)
        places = range(2, len(account.events))
        return account, [Point(place, "after", victim) for place in places for victim in victims]

    async def trial(self, undisturbed: Account, point: Point) -> Trial | None:
        """Kills a process at a point, lets the run go on, and compares; None when it ends before it gets there."""
        scene = _Scene(self)
        try:
            killing = _Killing(scene, point)
            if point.victim == DRIVER:
                account = await killing.driver()
            else:
                account = await scene.perform(scene.order, killing.on_event)
            if killing.crash is None:
                return None
            waits = account.failure.startswith(WaitingForPerson.__name__)
            findings = compare(undisturbed, account, killing.crash, has_ended=not waits)
            findings = replace(findings, differences=(*findings.differences, *await scene.strayed()))
            verdict: Verdict = "failed" if findings.faults else "waits" if waits else "survived"
            return Trial(point, verdict, findings, killing.silence_s)
        finally:
            await scene.close()


class _Killing:
    """One kill, and what was certain when it came."""

    def __init__(self, scene: _Scene, point: Point) -> None:
        self._scene = scene
        self._point = point
        self._seen: list[AnyEvent] = []
        self._processes: asyncio.Task[dict[str, int]] | None = None
        self._killing: asyncio.Task[None] | None = None
        self._last_at = 0.0
        self.crash: Crash | None = None
        self.silence_s = 0.0
        """The longest time without an event since the kill."""

    def on_event(self, event: AnyEvent) -> None:
        """Kills a host or the sequencer after its event; the run goes on by itself."""
        self._seen.append(event)
        if self._processes is None:
            self._processes = asyncio.create_task(self._scene.engine.processes())
        if event.seq >= self._point.place and self._killing is None:
            self._killing = asyncio.create_task(self._kill(self._processes))
        self._note_silence()

    async def _kill(self, processes: asyncio.Task[dict[str, int]]) -> None:
        process = (await processes).get(self._point.victim)
        if process is not None:
            self.crash = Crash(tuple(self._seen), len(self._scene.ledger.read()))
            os.kill(process, signal.SIGKILL)
            self._last_at = clock.monotonic()

    def _note_silence(self) -> None:
        if self.crash is not None:
            now = clock.monotonic()
            self.silence_s, self._last_at = max(self.silence_s, now - self._last_at), now

    async def driver(self) -> Account:
        """Performs the run in a process of its own, which kills itself; then resumes it in this one."""
        scene, order = self._scene, self._scene.order
        said = DriverOrder(
            address=scene.chaos.address,
            journal=str(scene.journal),
            hosts=scene.chaos.hosts,
            run=order.run,
            name=order.spec.name,
            builder=order.spec.builder,
            config=canonical(dict(order.spec.config)),
            recipient=order.recipient,
            payload=order.payload,
            secrets=dict(order.secrets),
            dies_after=self._point.place,
        )
        driver = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runtime.chaos_driver", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await driver.communicate(msgspec.msgpack.encode(said))
        if driver.returncode != -signal.SIGKILL:
            return await scene.account(None, told.decode() or "the driver did not die")
        events = await scene.events()
        self._seen = events[: self._point.place]
        self.crash = Crash(tuple(self._seen), len(scene.ledger.read()))
        self._last_at = clock.monotonic()
        return await scene.perform(replace(order, is_resumed=True), lambda _: self._note_silence())


class _Scene:
    """One performance with its directory, its journal and its ledger."""

    def __init__(self, chaos: RayChaos) -> None:
        self.chaos = chaos
        self._folder = chaos.folder / clock.new_id()
        (self._folder / "world").mkdir(parents=True)
        self.journal = self._folder / "journal.db"
        self.ledger = EffectLedger(self._folder / "effects.jsonl")
        self.engine = RayEngine(chaos.address, self.journal, hosts=chaos.hosts)
        plain = chaos.performance(self._folder / "world")
        self.order = replace(plain, spec=watched(plain.spec, self.ledger.path), ask=consent, by="chaos")

    async def perform(self, order: Performance, on_event: OnEvent) -> Account:
        """Performs or resumes; what comes of it is told, not raised."""
        result: Json = None
        failure = ""
        try:
            result = await self.engine.perform(replace(order, on_event=on_event))
        except RepertoryError as error:
            failure = f"{type(error).__name__}: {error}"
        return await self.account(result, failure)

    async def account(self, result: Json, failure: str) -> Account:
        """What the run has left behind."""
        events = await self.events()
        return Account(result, failure, events, self.ledger.read(), self.chaos.books(self._folder / "world"))

    async def events(self) -> list[AnyEvent]:
        """What the journal has of the run."""
        journal = SqliteJournal(self.journal)
        try:
            return await journal.events(self.order.run)
        finally:
            await journal.close()

    async def strayed(self) -> list[str]:
        """Whether the agents' code does what the journal says, in its order."""
        journal = SqliteJournal(self.journal)
        try:
            await replay(journal, self.order.run)
        except DivergenceError as error:
            return [f"its journal cannot be replayed: {error}"]
        finally:
            await journal.close()
        return []

    async def close(self) -> None:
        """Removes all that the performance has left behind."""
        shutil.rmtree(self._folder)
        if self.chaos.clean is not None:
            await self.chaos.clean()
