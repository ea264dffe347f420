"""Kills a run at a journal append and recovers it, all in one process: every append of a run in seconds.

The crash is simulated at the journal: from the chosen append on nothing becomes durable any more and nothing is done to
the world (`runtime/killing/effects.py`); the engine is then closed, and another one takes the run up from what the
journal has.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from runtime import clock
from runtime.chaos import Account, Crash, Point, Trial, Verdict, compare, order_of
from runtime.codec import Json, parse
from runtime.errors import DivergenceError, JournalError, RepertoryError, WaitingForPerson
from runtime.events import AnyEvent, Digest, MessageSent, RunCompleted, RunFailed
from runtime.ids import ROOT
from runtime.journal import Journal, MemoryJournal
from runtime.killing.effects import EffectLedger, watched
from runtime.local import LocalEngine
from runtime.performance import Engine, Performance, recorded_performance
from runtime.reading.run_summary import RunSummary
from runtime.replay import replay

T = TypeVar("T")

Books = Callable[[Path], Mapping[str, int]]
"""What the world's own books in a run's directory say: how often each thing has happened."""


QUIET_S = 0.05
"""After how long without news a run in this process is left to the person it waits for."""


async def consent(question: str) -> str | None:
    """The person of a chaos run: approves what is asked for, and leaves open what only somebody who looks can know."""
    return "yes" if "[y / n" in question else None


class PowerCut(JournalError):
    """Raised where a process would die."""


class CrashingJournal:
    """A journal of a process that dies at an append: see `runtime.journal.Journal`.

    `acknowledged` are the events whose append has returned. The point None never comes.
    """

    def __init__(self, inner: Journal, point: Point | None, on_crash: Callable[[], None] = lambda: None) -> None:
        self._inner = inner
        self._point = point
        self._on_crash = on_crash
        self.appends = 0
        self.is_dead = False
        self.acknowledged: list[AnyEvent] = []
        self.grown_at: float | None = None
        """When the first append returned, by a clock that never goes back."""

    async def append(
        self, run: str, epoch: int, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}
    ) -> None:
        """See `Journal.append`."""
        await self._cut_around(lambda: self._inner.append(run, epoch, events, blobs), events)

    async def begin(self, run: str, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}) -> int:
        """See `Journal.begin`; it counts as an append."""
        return await self._cut_around(lambda: self._inner.begin(run, events, blobs), events)

    async def _cut_around(self, append: Callable[[], Awaitable[T]], events: Sequence[AnyEvent]) -> T:
        self.appends += 1
        is_last = self._point is not None and self.appends == self._point.place
        if self.is_dead or (is_last and self._point is not None and self._point.side == "before"):
            raise self._cut()
        appended = await append()
        if is_last or self.is_dead:
            raise self._cut()
        self.grown_at = self.grown_at or clock.monotonic()
        self.acknowledged += events
        return appended

    def _cut(self) -> PowerCut:
        if not self.is_dead:
            self.is_dead = True
            self._on_crash()
        return PowerCut("the power is cut")

    async def claim(self, run: str) -> int:
        """See `Journal.claim`."""
        return await self._inner.claim(run)

    async def events(self, run: str, after: int = 0) -> list[AnyEvent]:
        """See `Journal.events`."""
        return await self._inner.events(run, after)

    async def blob(self, digest: Digest) -> bytes:
        """See `Journal.blob`."""
        return await self._inner.blob(digest)

    async def blobs(self, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """See `Journal.blobs`."""
        return await self._inner.blobs(digests)

    async def runs(self) -> list[RunSummary]:
        """See `Journal.runs`."""
        return await self._inner.runs()

    async def close(self) -> None:
        """See `Journal.close`."""
        await self._inner.close()


@dataclass(frozen=True)
class LocalChaos:
    """A run that is killed and recovered in this process, each time from its beginning in a directory of its own."""

    performance: Callable[[Path], Performance]
    """The run, for an empty directory in which it may keep what it does to the world."""
    folder: Path
    """Where the directories are made."""
    books: Books = lambda _: {}
    journal: Callable[[], Journal] = MemoryJournal
    """Opens the journal of one trial; several trials may share what is behind it."""
    engine: Callable[[Journal], Engine] = LocalEngine
    replayed: set[str] = field(default_factory=set[str])
    """The orders of events that are known to replay."""

    async def undisturbed(self) -> tuple[Account, list[Point]]:
        """Performs the run to its end; returns what it leaves behind, and all points at which it may be killed."""
        with _Scene(self) as scene:
            async with self._opened() as kept:
                journal = CrashingJournal(kept, None)
                account = await scene.perform(journal, scene.order)
            points = [Point(n, side) for n in range(1, journal.appends + 1) for side in ("before", "after")]
            return account, points

    async def trials(
        self, undisturbed: Account, points: Sequence[Point], on_trial: Callable[[], None] = lambda: None
    ) -> list[Trial]:
        """Tries points, one after the other; the run may end before it gets to some of them."""
        found: list[Trial] = []
        for point in points:
            trial = await self.trial(undisturbed, point)
            found += [] if trial is None else [trial]
            on_trial()
        return found

    async def close(self) -> None:
        """Nothing is left to be closed."""

    async def trial(self, undisturbed: Account, point: Point) -> Trial | None:
        """Kills the run at a point, recovers it, and compares; None when it ends before it gets there."""
        with _Scene(self) as scene:
            async with self._opened() as kept:
                return await self._tried(scene, undisturbed, point, kept)

    async def _tried(self, scene: _Scene, undisturbed: Account, point: Point, kept: Journal) -> Trial | None:
        dying = CrashingJournal(kept, point, scene.ledger.cut)
        await scene.perform(dying, scene.order)
        if not dying.is_dead:
            return None
        crash = Crash(tuple(dying.acknowledged), len(scene.ledger.read()))
        scene.ledger.mend()
        if not scene.was_asked(await kept.events(scene.order.run)):
            scene.begin_anew()
            crash = Crash(effects=crash.effects)
        began, recovering = clock.monotonic(), CrashingJournal(kept, None)
        account = await scene.recover(recovering)
        recovery_s = (recovering.grown_at or clock.monotonic()) - began
        waits = account.failure.startswith(WaitingForPerson.__name__)
        findings = compare(undisturbed, account, crash, has_ended=not waits)
        findings = replace(
            findings, differences=(*findings.differences, *await self._strayed(kept, scene.order.run, account))
        )
        verdict: Verdict = "failed" if findings.faults else "waits" if waits else "survived"
        return Trial(point, verdict, findings, recovery_s)

    @asynccontextmanager
    async def _opened(self) -> AsyncGenerator[Journal]:
        journal = self.journal()
        try:
            yield journal
        finally:
            await journal.close()

    async def _strayed(self, journal: Journal, run: str, account: Account) -> list[str]:
        """Whether the agents' code does what the journal says, in its order: two halves must have become one run.

        An order that is known to replay is not tried again.
        """
        order = order_of(account.events)
        if order in self.replayed:
            return []
        try:
            await replay(journal, run)
        except DivergenceError as error:
            return [f"its journal cannot be replayed: {error}"]
        self.replayed.add(order)
        return []


class _Scene:
    """One performance with its directory and its ledger."""

    def __init__(self, chaos: LocalChaos) -> None:
        self._chaos = chaos
        self._folder = chaos.folder / clock.new_id()
        self.ledger = EffectLedger(self._folder / "effects.jsonl")

    def __enter__(self) -> _Scene:
        (self._folder / "world").mkdir(parents=True)
        plain = self._chaos.performance(self._folder / "world")
        spec = watched(plain.spec, self.ledger.path, keyed_as=plain.run, is_durable=False)  # nothing really dies here
        self.order = replace(plain, run=self._run_id(plain), spec=spec, ask=consent, by="chaos", quiet_s=QUIET_S)
        return self

    @staticmethod
    def _run_id(performance: Performance) -> str:
        return f"{performance.run}-{clock.new_id()[:8]}"

    def begin_anew(self) -> None:
        """Leaves a run of which nothing was asked yet, as a person would, and takes another id."""
        self.order = replace(self.order, run=self._run_id(self.order))

    def __exit__(self, *_: object) -> None:
        self.ledger.mend()
        shutil.rmtree(self._folder)

    def was_asked(self, events: Sequence[AnyEvent]) -> bool:
        """Whether the run has its first message; before, there is nothing to be resumed."""
        return any(isinstance(event, MessageSent) and event.cause == ROOT for event in events)

    async def perform(self, journal: CrashingJournal, order: Performance) -> Account:
        """Performs or resumes; what comes of it is told, not raised."""
        result: Json = None
        failure = ""
        try:
            result = await self._chaos.engine(journal).perform(order)
        except PowerCut:
            failure = PowerCut.__name__
        except RepertoryError as error:
            failure = f"{type(error).__name__}: {error}"
        events = await journal.events(order.run)
        return self._account(result, failure, events)

    async def recover(self, journal: CrashingJournal) -> Account:
        """Takes the run up; begins it where there is nothing, and only looks where it has ended."""
        events = await journal.events(self.order.run)
        if events and isinstance(events[-1], RunCompleted | RunFailed):
            return await self._ended(journal, events)
        if not events:
            return await self.perform(journal, self.order)
        recorded = await recorded_performance(journal, self.order.run)
        resumed = replace(self.order, spec=recorded.spec, payload=recorded.payload, is_resumed=True)
        return await self.perform(journal, resumed)

    async def _ended(self, journal: Journal, events: Sequence[AnyEvent]) -> Account:
        return self._account(*await on_record(journal, events[-1]), events)

    def _account(self, result: Json, failure: str, events: Sequence[AnyEvent]) -> Account:
        return Account(result, failure, events, self.ledger.read(), self._chaos.books(self._folder / "world"))


async def on_record(journal: Journal, ended: AnyEvent) -> tuple[Json, str]:
    """The result and the failure of a run that has ended with this event, as its performance would have told them."""
    match ended:
        case RunCompleted(result=digest):
            answer = parse(await journal.blob(digest))
            return answer["data"] if isinstance(answer, Mapping) else answer, ""
        case RunFailed(failure=failure):
            return None, f"{failure.type.rpartition(':')[2]}: {failure.message}"
        case _:
            raise AssertionError(f"a run does not end with a {type(ended).__name__}")
