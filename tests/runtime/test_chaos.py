"""Runs that are killed at every append end as if nothing had happened; and a chaos run notices when they do not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import msgspec
import pytest

from runtime import steps
from runtime.chaos import Account, Crash, Point, Trial, compare, parse_point
from runtime.codec import Json, canonical
from runtime.engine import build, drive
from runtime.errors import StaleEpoch, UsageError
from runtime.events import AgentName, AnyEvent, DeliveryCompleted, Digest, EffectClass, StepCompleted
from runtime.exchange.parcels import Parcel
from runtime.journal import Journal, MemoryJournal
from runtime.journals.journal_address import open_journal
from runtime.killing.chaos_local import CrashingJournal, LocalChaos, PowerCut
from runtime.local import LocalEngine
from runtime.performance import Performance, recorded_performance
from runtime.service import SequencerService
from runtime.steps import StepCall, StepResult
from runtime.team import AgentSpec, Resources, Team, TeamSpec
from tests.postgres_server import PostgresServer
from tests.runtime.teams import Scripted, performance


def chaos(folder: Path, recipient: str) -> LocalChaos:
    return LocalChaos(lambda _: performance("run", recipient), folder)


async def trials(chaos: LocalChaos) -> list[Trial]:
    undisturbed, points = await chaos.undisturbed()
    tried = [await chaos.trial(undisturbed, point) for point in points]
    return [trial for trial in tried if trial is not None]


@pytest.mark.parametrize("recipient", ["boss", "both", "ping", "spender", "lost"])
async def test_a_run_that_dies_at_any_append_ends_as_the_undisturbed_one(tmp_path: Path, recipient: str) -> None:
    found = await trials(chaos(tmp_path, recipient))
    assert [(str(t.point), t.findings.faults) for t in found if t.verdict != "survived"] == []
    assert {t.point.side for t in found} == {"before", "after"}
    assert len(found) >= 8


@pytest.mark.postgres
@pytest.mark.parametrize("recipient", ["boss", "spender"])
async def test_a_run_whose_journal_is_on_a_server_survives_a_crash_at_every_append(
    tmp_path: Path, postgres_server: PostgresServer, recipient: str
) -> None:
    address = postgres_server.new_database()
    found = await trials(replace(chaos(tmp_path, recipient), journal=lambda: open_journal(address)))
    assert [(str(t.point), t.findings.faults) for t in found if t.verdict != "survived"] == []
    assert len(found) >= 8


async def test_an_irreversible_effect_that_may_have_happened_is_left_to_a_person(tmp_path: Path) -> None:
    found = await trials(chaos(tmp_path, "payer"))
    assert [t.findings.faults for t in found if t.verdict == "failed"] == []
    assert {t.verdict for t in found} == {"survived", "waits"}


async def test_what_may_be_repeated_is_counted_and_no_fault(tmp_path: Path) -> None:
    found = await trials(chaos(tmp_path, "spender"))
    assert sum(t.findings.repeated_reads for t in found) > 0
    assert sum(t.findings.repeated_keys for t in found) > 0


# What is broken must be noticed


def book_of(folder: Path) -> Mapping[str, int]:
    """What has been bought, by the shop's own book."""
    book = folder / "book.txt"
    return Counter(book.read_text().split()) if book.exists() else {}


def build_shop(config: Mapping[str, Json], resources: Resources) -> Team:
    """One agent that buys twice, with effects of the class that the specification says."""

    async def buy(name: str) -> Json:
        async def perform(_: str) -> StepResult:
            with (Path(cast(str, config["folder"])) / "book.txt").open("a") as book:
                book.write(f"{name}\n")
            await asyncio.sleep(0)
            return StepResult(name)

        call = StepCall("tool", name, canonical(name), perform, cast(EffectClass, config["effect"]))
        return (await steps.perform(call)).value

    async def handler(self: Scripted, data: dict[str, Json]) -> Json:
        return [await buy("tickets"), await buy("dinner")]

    async def make(name: AgentName) -> Scripted:
        return Scripted(name, handler, [])

    return Team({"shop": AgentSpec(make)})


def shopping(effect: EffectClass) -> Callable[[Path], Performance]:
    def order(folder: Path) -> Performance:
        spec = TeamSpec("shop", "tests.runtime.test_chaos:build_shop", {"folder": str(folder), "effect": effect})
        return Performance("run", spec, AgentName("shop"), canonical({"type": "json", "data": {}}))

    return order


async def test_an_effect_that_is_wrongly_declared_a_read_is_noticed_in_the_worlds_own_books(tmp_path: Path) -> None:
    honest = await trials(LocalChaos(shopping("irreversible"), tmp_path, book_of))
    assert {t.verdict for t in honest} == {"survived", "waits"}
    wrong = await trials(LocalChaos(shopping("read"), tmp_path, book_of))
    failed = [t for t in wrong if t.verdict == "failed"]
    assert failed
    assert failed[0].findings.duplicated[0] in ("tickets: 2 against 1", "dinner: 2 against 1")


Held = tuple[str, Sequence[AnyEvent], Mapping[Digest, bytes]]
NOTHING: Held = ("", (), {})


class LosingJournal(MemoryJournal):
    """Acknowledges appends that are not durable yet: what came last is gone when it is opened again."""

    def __init__(self) -> None:
        super().__init__()
        self._held = NOTHING

    async def claim(self, run: str) -> int:
        self._held = NOTHING
        return await super().claim(run)

    async def append(
        self, run: str, epoch: int, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}
    ) -> None:
        (_, durable, named), self._held = self._held, (run, events, blobs)
        await super().append(run, epoch, durable, named)

    async def events(self, run: str, after: int = 0) -> list[AnyEvent]:
        held = self._held[1] if self._held[0] == run else ()
        return [*await super().events(run), *held][after:]

    async def blobs(self, digests: object) -> dict[Digest, bytes]:
        return {**self._blobs, **self._held[2]}

    async def blob(self, digest: Digest) -> bytes:
        return (await self.blobs(()))[digest]


class Reopened(LocalEngine):
    """An engine whose journal has just been opened."""

    def __init__(self, journal: Journal) -> None:
        inner = journal._inner if isinstance(journal, CrashingJournal) else journal  # pyright: ignore[reportPrivateUsage]
        assert isinstance(inner, LosingJournal)
        inner._held = NOTHING  # pyright: ignore[reportPrivateUsage]
        super().__init__(journal)


async def test_a_journal_that_loses_what_it_acknowledged_is_noticed(tmp_path: Path) -> None:
    found = await trials(LocalChaos(shopping("irreversible"), tmp_path, book_of, LosingJournal, Reopened))
    faults = [fault for t in found for fault in t.findings.faults]
    assert any("was acknowledged and is not in the journal" in fault for fault in faults)
    assert any("duplicated effect" in fault for fault in faults)


class ForgetfulService(SequencerService):
    """Does not tell hosts which steps are on record."""

    async def pull(self, host: str, after: int, life: int = 0) -> tuple[int, list[Parcel]]:
        told, parcels = await super().pull(host, after, life)
        return told, [msgspec.structs.replace(parcel, completed=()) for parcel in parcels]


class ForgetfulEngine:
    """An engine whose hosts do steps again although they are on record."""

    def __init__(self, journal: Journal) -> None:
        self._service = ForgetfulService(journal)

    async def perform(self, performance: Performance) -> Json:
        return await drive(performance, self._service, build(performance, "local"))


async def test_a_host_that_does_a_finished_step_again_is_noticed(tmp_path: Path) -> None:
    broken = replace(chaos(tmp_path, "spender"), engine=ForgetfulEngine)
    failed = [t for t in await trials(broken) if t.verdict == "failed"]
    assert any("was finished and is done again" in name for t in failed for name in t.findings.duplicated)


async def account_of(recipient: str) -> Account:
    journal = MemoryJournal()
    result = await LocalEngine(journal).perform(performance("run", recipient))
    return Account(result, "", await journal.events("run"), ())


async def test_every_kind_of_difference_is_told() -> None:
    good = await account_of("boss")
    assert compare(good, good, Crash(good.events)).faults == ()
    gap = replace(good, events=[*good.events[:3], *good.events[4:]])
    assert "a gap" in compare(good, gap, Crash()).faults[0]
    other = replace(good, result="something else")
    assert compare(good, other, Crash()).faults == ("its result is not that of the undisturbed run",)
    failed = replace(good, failure="RunError: no")
    assert compare(good, failed, Crash()).faults == ("it ended with 'RunError: no', undisturbed with 'a result'",)
    step = next(event for event in good.events if isinstance(event, StepCompleted))
    changed = [msgspec.structs.replace(event, result="0" * 32) if event is step else event for event in good.events]
    assert compare(good, replace(good, events=changed), Crash()).faults == (f"steps with another result: {step.step}",)
    ended = next(event for event in good.events if isinstance(event, DeliveryCompleted))
    twice = [*good.events, msgspec.structs.replace(ended, seq=len(good.events) + 1)]
    assert compare(good, replace(good, events=twice), Crash()).faults == (
        f"deliveries ended: on record twice: {ended.delivery}",
    )


def test_a_point_is_read_as_it_is_written() -> None:
    for point in (Point(3, "before"), Point(17, "after", "host-1")):
        assert parse_point(str(point)) == point
    with pytest.raises(UsageError, match=r"found '3:during', expected"):
        parse_point("3:during")


async def test_who_resumes_a_run_shuts_out_its_former_owner() -> None:
    kept = MemoryJournal()
    with pytest.raises(PowerCut):
        await LocalEngine(CrashingJournal(kept, Point(5, "before"))).perform(performance("run", "boss"))
    events = await kept.events("run")
    await LocalEngine(kept).perform(await recorded_performance(kept, "run"))
    with pytest.raises(StaleEpoch):
        await kept.append("run", 1, [events[-1]])
