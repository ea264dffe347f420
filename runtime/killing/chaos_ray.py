"""Really kills processes of a run on Ray with SIGKILL: a host's, the sequencer's, or the driver's.

Hosts and the sequencer come back by themselves; a run whose driver died is resumed, here. A kill follows an event: it
comes as soon as the driver has been told that the event is durable. What happens in between is the chance that a real
crash has too.

One crew stands ready for all points (each is a run of its own), and gets a new process for each that is killed. A
driver that is to die has a process and a crew of its own, since these end with it; it is started ahead while another
point is tried.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from runtime import clock
from runtime.chaos import Account, Crash, Point, Trial, Verdict, compare
from runtime.cluster import RayStage
from runtime.errors import WaitingForPerson
from runtime.events import AnyEvent
from runtime.journals.journal_address import JournalAddress
from runtime.killing.chaos_driver import MortalDriver, driver_order
from runtime.killing.chaos_local import Books
from runtime.killing.chaos_scene import RayScene
from runtime.performance import Performance

DRIVER = "driver"
ANY_LOSSES = 1_000_000
"""How many processes may die without progress: here they are killed, by a person who wants it so."""


@dataclass
class RayChaos:
    """A run on Ray that is killed and goes on, each time from its beginning in a directory of its own."""

    performance: Callable[[Path], Performance]
    """The run, for an empty directory in which it may keep what it does to the world."""
    folder: Path
    """Where the directories are made; all nodes must see it."""
    journal: JournalAddress
    """The journal of all points."""
    address: str
    """Where Ray is."""
    hosts: int = 2
    books: Books = lambda _: {}
    clean: Callable[[str], Awaitable[None]] | None = None
    """Removes what a run, named by its id, leaves behind in the cluster."""
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _stage: RayStage | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Who has it uses the crew: a run that is resumed must not be disturbed a second time."""

    async def undisturbed(self) -> tuple[Account, list[Point]]:
        """Performs the run to its end; returns what it leaves behind, and all points at which it may be killed."""
        stage, scene = await self._standing(), self._scene()
        try:
            account = await scene.perform(stage, scene.order, lambda _: None)
        finally:
            await scene.close()
        victims = (*(f"host-{n}" for n in range(1, self.hosts + 1)), "sequencer", DRIVER)
        places = range(2, len(account.events))
        return account, [Point(place, "after", victim) for place in places for victim in victims]

    async def trials(
        self, undisturbed: Account, points: Sequence[Point], on_trial: Callable[[], None] = lambda: None
    ) -> list[Trial]:
        """Tries points, those of the driver beside the others; the run may end before it gets to some of them."""
        found: list[Trial] = []

        def told(trial: Trial | None) -> None:
            found.extend([] if trial is None else [trial])
            on_trial()

        drivers = [point for point in points if point.victim == DRIVER]
        others = [point for point in points if point.victim != DRIVER]
        lanes = [
            asyncio.ensure_future(self._kill_drivers(undisturbed, drivers, told)),
            asyncio.ensure_future(self._kill_others(undisturbed, others, told)),
        ]
        try:
            await asyncio.gather(*lanes)
        finally:
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
        return sorted(found, key=lambda trial: trial.point)

    async def close(self) -> None:
        """Ends the crew."""
        await self._stack.aclose()

    # One after the other, each kind

    async def _kill_others(
        self, undisturbed: Account, points: Sequence[Point], told: Callable[[Trial | None], None]
    ) -> None:
        for point in points:
            scene = self._scene()
            try:
                async with self._turn:
                    stage = await self._standing()
                    killing = _Killing(scene, point, await stage.assembled())
                    account = await scene.perform(stage, scene.order, killing.on_event)
                told(await _judged(scene, undisturbed, account, killing))
            finally:
                await scene.close()

    async def _kill_drivers(
        self, undisturbed: Account, points: Sequence[Point], told: Callable[[Trial | None], None]
    ) -> None:
        waiting = [(point, self._scene()) for point in points]
        drivers = [await self._driver(*waiting[0])] if waiting else []
        try:
            for number, (point, scene) in enumerate(waiting, start=1):
                complaint = await drivers[-1].die()
                if number < len(waiting):
                    drivers.append(await self._driver(*waiting[number]))
                told(await self._resumed(undisturbed, point, scene, complaint))
        finally:
            for driver in drivers:
                await driver.close()
            for _, scene in waiting:
                await scene.close()

    async def _driver(self, point: Point, scene: RayScene) -> MortalDriver:
        order = driver_order(
            scene.order, address=self.address, journal=self.journal, hosts=self.hosts, dies_after=point.place
        )
        return await MortalDriver.start(order)

    async def _resumed(self, undisturbed: Account, point: Point, scene: RayScene, complaint: str) -> Trial | None:
        killing = _Killing(scene, point, {})
        if complaint:
            return await _judged(scene, undisturbed, await scene.account(None, complaint), killing)
        async with self._turn:
            stage = await self._standing()
            await stage.assembled()
            await killing.happened()
            account = await scene.recover(stage, killing.on_event)
        return await _judged(scene, undisturbed, account, killing)

    # What they share

    def _scene(self) -> RayScene:
        return RayScene(self.performance, self.folder, self.journal, self.books, self.clean)

    async def _standing(self) -> RayStage:
        """The crew for all points; made when it is first asked for."""
        if self._stage is None:
            order = self.performance(self.folder)
            made = RayStage(
                self.address,
                self.journal,
                hosts=self.hosts,
                losses=ANY_LOSSES,
                secrets=order.secrets,
                addresses=order.addresses,
            )
            self._stage = await self._stack.enter_async_context(made)
        return self._stage


class _Killing:
    """One kill, and what was certain when it came."""

    def __init__(self, scene: RayScene, point: Point, processes: dict[str, int]) -> None:
        self._scene = scene
        self.point = point
        self._processes = processes
        self._seen: list[AnyEvent] = []
        self._last_at = 0.0
        self.crash: Crash | None = None
        self.silence_s = 0.0
        """The longest time without an event since the kill."""

    def on_event(self, event: AnyEvent) -> None:
        """Kills the victim after its event, unless that has happened."""
        self._note_silence()
        self._seen.append(event)
        if self.crash is None and event.seq >= self.point.place and self.point.victim in self._processes:
            self._note_crash()
            os.kill(self._processes[self.point.victim], signal.SIGKILL)

    async def happened(self) -> None:
        """The victim was killed elsewhere, after its event."""
        self._seen = (await self._scene.events())[: self.point.place]
        self._note_crash()

    def _note_crash(self) -> None:
        self.crash = Crash(tuple(self._seen), len(self._scene.ledger.read()))
        self._last_at = clock.monotonic()

    def _note_silence(self) -> None:
        if self.crash is not None:
            now = clock.monotonic()
            self.silence_s, self._last_at = max(self.silence_s, now - self._last_at), now


async def _judged(scene: RayScene, undisturbed: Account, account: Account, killing: _Killing) -> Trial | None:
    """What the comparison says; None when the run has ended well before anyone was killed."""
    if killing.crash is None and not account.failure:
        return None
    waits = account.failure.startswith(WaitingForPerson.__name__)
    findings = compare(undisturbed, account, killing.crash or Crash(), has_ended=not waits)
    findings = replace(findings, differences=(*findings.differences, *await scene.strayed()))
    verdict: Verdict = "failed" if findings.faults else "waits" if waits else "survived"
    return Trial(killing.point, verdict, findings, killing.silence_s)
