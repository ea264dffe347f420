"""Every kind of run replays, strictly: from its own journal, and from its export in the journal of another machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.codec import Json
from runtime.errors import RepertoryError
from runtime.events import (
    AnyEvent,
    DeliveryStarted,
    MessageCancelled,
    RunAborting,
    RunFailed,
    RunForked,
    RunInterrupted,
    StepCompleted,
    StepDecided,
    StepStarted,
)
from runtime.export import export_bytes, import_bytes
from runtime.fork import ForkOrder, at_delivery, fork
from runtime.journal import MemoryJournal
from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine
from runtime.people import Decision, abort, decide
from runtime.performance import Performance, recorded_performance
from runtime.replay import Manner, replay
from runtime.undo import undos
from runtime.versions import versions
from tests.runtime import test_autogen
from tests.runtime.teams import EFFECTS, performance
from tests.runtime.test_resume import FailingJournal, PowerCut
from tests.scenarios.test_travel_replay import perform as perform_trip


async def performed(recipient: str, data: Mapping[str, Json] = {}, budget: Mapping[str, Json] = {}) -> MemoryJournal:
    EFFECTS.clear()
    journal = MemoryJournal()
    with suppress(RepertoryError):
        await LocalEngine(journal).perform(performance("run", recipient, data, budget=budget))
    return journal


async def goes_on(journal: MemoryJournal) -> MemoryJournal:
    resumed: Performance = replace(await recorded_performance(journal, "run"), quiet_s=0.02)
    with suppress(RepertoryError):
        await LocalEngine(journal).perform(resumed)
    return journal


async def trip(**faults: Json) -> MemoryJournal:
    journal = MemoryJournal()
    await perform_trip(journal, faults)
    return journal


async def parallel_executors() -> MemoryJournal:
    return await trip()


async def retries_and_fallbacks() -> MemoryJournal:
    return await trip(hotel_search=["unavailable", 1], ticket_availability=["timeout", 9])


async def reentrant() -> MemoryJournal:
    return await performed("ping")


async def human_answer() -> MemoryJournal:
    journal = await performed("curious")
    await decide(journal, "run", "", Decision("done", result="blue", by="wang"))
    return await goes_on(journal)


async def approval() -> MemoryJournal:
    journal = await performed("purchaser")
    await decide(journal, "run", "", Decision("approve", by="wang"))
    return await goes_on(journal)


async def denial() -> MemoryJournal:
    journal = await performed("purchaser")
    await decide(journal, "run", "", Decision("deny", note="too dear"))
    return await goes_on(journal)


async def waiting() -> MemoryJournal:
    return await performed("purchaser")


async def given_up() -> MemoryJournal:
    journal = await performed("holder")
    await abort(journal, "run", "wang", "no holiday after all")
    return await goes_on(journal)


async def budget_stop() -> MemoryJournal:
    return await performed("eager", budget={"tool_calls": 2})


async def recovered_crash() -> MemoryJournal:
    journal = FailingJournal(6, after=True)
    EFFECTS.clear()
    with pytest.raises(PowerCut):
        await LocalEngine(journal).perform(performance("run", "boss"))
    journal.is_repaired = True
    return await goes_on(journal)


async def crashed() -> MemoryJournal:
    journal = FailingJournal(6, after=True)
    with pytest.raises(PowerCut):
        await LocalEngine(journal).perform(performance("run", "boss"))
    return journal


async def cancelled_work() -> MemoryJournal:
    _, journal = await test_autogen.perform("cancel")
    return journal


async def time_limit() -> MemoryJournal:
    return await performed("careful")


async def failed() -> MemoryJournal:
    return await performed("breaker")


async def undone() -> MemoryJournal:
    return await performed("holder", {"fail": True})


async def forked() -> MemoryJournal:
    journal = await performed("spender")
    events = await journal.events("run")
    middle = at_delivery(events, len(events) // 2)
    copy = MemoryJournal()
    await copy.append("parent", await copy.claim("parent"), events, journal._blobs)  # pyright: ignore[reportPrivateUsage]
    order = ForkOrder(parent="parent", point=middle, versions=versions())
    await fork(copy, "run", order, events)
    await LocalEngine(copy).perform(await recorded_performance(copy, "run"))
    return copy


def has(kind: type) -> Callable[[list[AnyEvent]], bool]:
    return lambda events: any(isinstance(event, kind) for event in events)


def overlapping(events: list[AnyEvent]) -> bool:
    """Whether executors were at work at once."""
    agents = [event.agent for event in events if isinstance(event, DeliveryStarted)]
    return len({agent for agent in agents if agent.type == "executor"}) > 1


def retried(events: list[AnyEvent]) -> bool:
    names = {event.name for event in events if isinstance(event, StepStarted)}
    attempts = [event.attempts for event in events if isinstance(event, StepCompleted)]
    return max(attempts) > 1 and {"ticket_availability", "opening_calendar"} <= names


def asked_back(events: list[AnyEvent]) -> bool:
    agents = [event.agent for event in events if isinstance(event, DeliveryStarted)]
    return len(agents) > len(set(agents))


def stopped(why: str) -> Callable[[list[AnyEvent]], bool]:
    return lambda events: any(isinstance(event, RunInterrupted) and event.why == why for event in events)


def without_end(events: list[AnyEvent]) -> bool:
    started = {event.step for event in events if isinstance(event, StepStarted)}
    return bool(started - {event.step for event in events if isinstance(event, StepCompleted)})


KINDS: Mapping[str, tuple[Callable[[], Awaitable[MemoryJournal]], Callable[[list[AnyEvent]], bool]]] = {
    "parallel executors": (parallel_executors, overlapping),
    "re-entrant requests": (reentrant, asked_back),
    "faults, retries and fallbacks": (retries_and_fallbacks, retried),
    "a person's answer": (human_answer, has(StepDecided)),
    "an approval": (approval, has(StepDecided)),
    "a denial": (denial, has(StepDecided)),
    "waiting for a person": (waiting, stopped("person")),
    "given up": (given_up, has(RunAborting)),
    "a budget's stop": (budget_stop, stopped("budget")),
    "a recovered crash": (recovered_crash, has(StepCompleted)),
    "a crash": (crashed, without_end),
    "cancelled work": (cancelled_work, has(MessageCancelled)),
    "a time limit": (time_limit, without_end),
    "a failure": (failed, has(RunFailed)),
    "what was undone": (undone, lambda events: bool(undos(events))),
    "a fork": (forked, has(RunForked)),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_run_of_every_kind_replays_here_and_from_an_export_elsewhere(kind: str, tmp_path: Path) -> None:
    make, is_one = KINDS[kind]
    journal = await make()
    [run] = [summary.run for summary in await journal.runs() if summary.run != "parent"]
    events = await journal.events(run)
    assert is_one(events), "it is a run of this kind"
    effects = list(EFFECTS)
    here = await replay(journal, run, Manner(is_strict=True))
    assert here.events == len(events)
    _, data = await export_bytes(journal, run, versions=versions())
    elsewhere = SqliteJournal(tmp_path / "journal.db")
    await import_bytes(elsewhere, data, "file")
    there = await replay(elsewhere, run, Manner(is_strict=True))
    await elsewhere.close()
    assert there == here
    assert effects == EFFECTS, "nothing was performed"
