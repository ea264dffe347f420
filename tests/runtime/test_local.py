"""Runs of a small team in one process: what they answer, what they record, and that the record suffices."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec
import pytest

from bench.step_agent import performance as idle_performance
from runtime.blobs import digest
from runtime.codec import Json, canonical
from runtime.engine import build, drive
from runtime.errors import DivergenceError, Undeliverable, UsageError
from runtime.events import (
    AnyEvent,
    DeliveryStarted,
    Digest,
    MessageSent,
    RunCompleted,
    RunFailed,
    RunInterrupted,
    RunStarted,
    StepCompleted,
    StepStarted,
)
from runtime.exchange.parcels import Parcel
from runtime.journal import MemoryJournal
from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine
from runtime.replay import replay
from runtime.service import SequencerService
from tests.runtime.teams import performance


async def perform(recipient: str, data: Mapping[str, Json] = {}) -> tuple[Json, MemoryJournal]:
    journal = MemoryJournal()
    return await LocalEngine(journal).perform(performance("run", recipient, data)), journal


def of_type(events: list[AnyEvent], kind: type) -> list[AnyEvent]:
    return [event for event in events if isinstance(event, kind)]


async def test_a_run_begins_ends_and_numbers_everything_between() -> None:
    answer, journal = await perform("echo", {"word": "hello"})
    events = await journal.events("run")
    assert answer == {"word": "hello"}
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunCompleted)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[0].versions["python"].startswith("3.11")


async def test_parallel_requests_tools_and_a_publish_are_all_on_record() -> None:
    answer, journal = await perform("boss", {"workers": 3})
    assert cast(dict[str, Json], answer)["tools"] == ["ALPHA", "BETA"]
    events = await journal.events("run")
    assert len(of_type(events, StepStarted)) == len(of_type(events, StepCompleted)) == 5
    assert len(of_type(events, DeliveryStarted)) == 5
    assert {event.name for event in events if isinstance(event, StepStarted)} >= {"alpha", "beta", "square 2"}


async def test_the_clock_and_the_ids_of_a_handler_are_those_of_its_record() -> None:
    answer, journal = await perform("boss", {"workers": 1})
    events = await journal.events("run")
    last_step = of_type(events, StepCompleted)[-1]
    assert cast(dict[str, Json], answer)["time"] == last_step.at
    again, _ = await perform("boss", {"workers": 1})
    assert cast(dict[str, Json], again)["id"] == cast(dict[str, Json], answer)["id"]


async def test_the_same_run_gives_the_same_names_to_the_same_things() -> None:
    _, first = await perform("boss")
    _, second = await perform("boss")
    names = [
        {e.message for e in await journal.events("run") if isinstance(e, MessageSent)}
        | {e.step for e in await journal.events("run") if isinstance(e, StepStarted)}
        for journal in (first, second)
    ]
    assert names[0] == names[1]


async def test_an_agent_that_is_asked_back_answers_while_it_waits() -> None:
    assert (await perform("ping"))[0] == {"pong": {"ping": "inner"}}


async def test_two_agents_that_ask_each_other_both_get_an_answer() -> None:
    assert (await perform("both"))[0] == ["right says", "left says"]


async def test_failures_time_limits_and_irreversible_effects_reach_the_handler() -> None:
    answer, journal = await perform("careful")
    assert answer == {"code": "broken", "slow": "timed out", "paid": "PAY"}
    events = await journal.events("run")
    [paid] = [e for e in events if isinstance(e, StepStarted) and e.name == "pay"]
    assert paid.effect == "irreversible"
    slow = [e.step for e in events if isinstance(e, StepStarted) and e.name == "slow"]
    assert not [e for e in events if isinstance(e, StepCompleted) and e.step in slow]


async def test_an_unknown_recipient_fails_the_run_with_its_type() -> None:
    journal = MemoryJournal()
    with pytest.raises(Undeliverable, match="nobody"):
        await LocalEngine(journal).perform(performance("run", "lost"))
    last = (await journal.events("run"))[-1]
    assert isinstance(last, RunFailed)
    assert last.failure.type == "runtime.errors:Undeliverable"


async def test_of_two_drivers_that_begin_a_run_at_once_one_is_refused(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    engine = LocalEngine(journal)
    ends = await asyncio.gather(*(engine.perform(performance("run", "ping")) for _ in range(2)), return_exceptions=True)
    refused = [end for end in ends if isinstance(end, BaseException)]
    assert [str(error) for error in refused] == ["a run 'run' exists already; choose another id"]
    assert isinstance((await journal.events("run"))[-1], RunCompleted)
    await journal.close()


async def test_a_run_id_can_be_used_once() -> None:
    journal = MemoryJournal()
    engine = LocalEngine(journal)
    await engine.perform(performance("run", "echo"))
    with pytest.raises(UsageError, match="exists already"):
        await LocalEngine(journal).perform(performance("run", "echo"))


async def test_every_event_is_shown_to_who_watches_in_order() -> None:
    seen: list[AnyEvent] = []
    journal = MemoryJournal()
    await LocalEngine(journal).perform(dataclasses.replace(performance("run", "boss"), on_event=seen.append))
    assert seen == await journal.events("run")


@pytest.mark.parametrize("recipient", ["boss", "ping", "both", "careful", "lost", "echo"])
async def test_the_record_suffices_to_perform_the_run_again_without_the_world(recipient: str) -> None:
    journal = MemoryJournal()
    try:
        await LocalEngine(journal).perform(performance("run", recipient))
    except Undeliverable:
        assert recipient == "lost"
    replayed = await replay(journal, "run")
    assert replayed.events == len(await journal.events("run"))


async def copied(journal: MemoryJournal, events: list[AnyEvent]) -> MemoryJournal:
    """A journal of these events with all blobs of another."""
    copy = MemoryJournal()
    await copy.append("run", await copy.claim("run"), events, journal._blobs)  # pyright: ignore[reportPrivateUsage]
    return copy


@pytest.mark.parametrize("recipient", ["boss", "both", "careful"])
async def test_a_record_that_breaks_off_anywhere_still_replays_as_far_as_it_goes(recipient: str) -> None:
    _, journal = await perform(recipient)
    events = await journal.events("run")
    for length in range(1, len(events)):
        replayed = await replay(await copied(journal, events[:length]), "run")
        assert replayed.events == length


async def test_a_replay_stops_where_something_was_recorded_that_does_not_happen() -> None:
    _, journal = await perform("echo")
    events = await journal.events("run")
    [start] = [event for event in events if isinstance(event, DeliveryStarted)]
    extra = StepStarted(seq=4, step="s", delivery=start.delivery, kind="tool", name="ghost", request="q")
    after = [msgspec.structs.replace(event, seq=event.seq + 1) for event in events[3:]]
    with pytest.raises(DivergenceError, match="now ends without the tool step 'ghost'"):
        await replay(await copied(journal, [*events[:3], extra, *after]), "run")


async def test_a_replay_stops_at_a_tampered_result() -> None:
    _, journal = await perform("boss", {"workers": 1})
    events = await journal.events("run")
    forged = canonical("FORGED")
    first = of_type(events, StepCompleted)[0]
    changed = [
        msgspec.structs.replace(event, result=digest(forged))
        if isinstance(event, StepCompleted) and event == first
        else event
        for event in events
    ]
    copy = await copied(journal, [])
    await copy.append("run", 1, changed, {digest(forged): forged})
    with pytest.raises(DivergenceError, match="worker/0 answers something else"):
        await replay(copy, "run")


class Stumbling(SequencerService):
    """A channel that breaks for its host, once something has come through it."""

    async def pull(self, host: str, after: int, life: int = 0) -> tuple[int, list[Parcel]]:
        if after > 0:
            raise OSError(5, "Input/output error")
        return await super().pull(host, after, life)


async def test_an_unexpected_error_leaves_its_reason_and_a_run_that_can_be_resumed() -> None:
    journal, order = MemoryJournal(), performance("run", "boss", {"workers": 3})
    with pytest.raises(OSError, match="Input/output error"):
        await drive(order, Stumbling(journal), build(order, "local"))
    events = await journal.events("run")
    reasons = [event.reason for event in events if isinstance(event, RunInterrupted)]
    assert reasons == ["unexpected OSError: [Errno 5] Input/output error"]
    assert of_type(events, RunFailed) == []


async def test_a_run_goes_on_when_nobody_can_be_shown_it() -> None:
    def show(event: AnyEvent) -> None:
        raise BrokenPipeError

    journal = MemoryJournal()
    await LocalEngine(journal).perform(dataclasses.replace(performance("run", "echo"), on_event=show))
    assert isinstance((await journal.events("run"))[-1], RunCompleted)


async def test_a_step_that_is_done_at_once_costs_one_append() -> None:
    class Counting(MemoryJournal):
        appends = 0

        async def append(
            self, run: str, epoch: int, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}
        ) -> None:
            self.appends += 1
            await super().append(run, epoch, events, blobs)

    async def appends(count: int) -> int:
        journal = Counting()
        await LocalEngine(journal).perform(idle_performance("run", count))
        return journal.appends

    assert await appends(60) - await appends(10) == 50
