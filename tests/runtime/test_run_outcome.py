"""What came of a run: its end, what it took, and what that cost."""

from __future__ import annotations

import msgspec
import pytest

from runtime.blobs import Payload, digest
from runtime.budget import Budget, Price
from runtime.events import (
    AnyEvent,
    RunCompleted,
    RunFailed,
    RunForked,
    RunInterrupted,
    RunStarted,
    StepCompleted,
    StepStarted,
)
from runtime.journal import MemoryJournal
from runtime.reading.run_outcome import outcome_of
from runtime.routing import Routes
from tests.repertory.story import told

BUDGET = Budget(prices={"qwen": Price(input=10, output=100)})
ROUTES = msgspec.json.encode(Routes(types={}, budget=BUDGET), order="deterministic")
RESULT = Payload.of({"type": "Answer", "data": {"result": {"checks": [{"name": "fits", "passed": False}]}}})


def priced(events: list[AnyEvent]) -> list[AnyEvent]:
    """The events of a run whose model has a price, with a result where it is done."""
    first, *others = events
    assert isinstance(first, RunStarted)
    rest = [msgspec.structs.replace(e, result=RESULT.digest) if isinstance(e, RunCompleted) else e for e in others]
    return [msgspec.structs.replace(first, routes=digest(ROUTES)), *rest]


async def journal_with_blobs() -> MemoryJournal:
    journal = MemoryJournal()
    blobs = {digest(ROUTES): ROUTES, RESULT.digest: RESULT.data}
    await journal.append("r", await journal.claim("r"), [], blobs)
    return journal


async def test_an_outcome_has_checks_calls_tokens_retries_time_and_cost() -> None:
    events = priced(told())
    found = await outcome_of(await journal_with_blobs(), "r", events)
    assert (found.status, found.failure, found.checks) == ("done", "", {"fits": False})
    assert found.counts["cost"] == pytest.approx(0.013)
    assert (found.counts["model calls"], found.counts["tool calls"], found.counts["retries"]) == (1, 1, 2)
    assert (found.counts["input tokens"], found.counts["output tokens"]) == (900, 40)
    assert found.counts["seconds"] == events[-1].at - events[0].at


async def test_a_failed_run_says_why() -> None:
    events = priced(told(failing=True))
    found = await outcome_of(await journal_with_blobs(), "r", events)
    failed = next(event for event in events if isinstance(event, RunFailed))
    assert (found.status, found.failure, found.result) == ("failed", failed.failure.message, None)


async def test_a_run_that_goes_on_says_nothing_of_an_earlier_interruption() -> None:
    begun, rest = priced(told())[:2], priced(told())[2:]
    left = RunInterrupted(seq=3, at=begun[-1].at, reason="Ctrl-C")
    resumed = [msgspec.structs.replace(event, seq=event.seq + 1) for event in rest[:1]]
    journal = await journal_with_blobs()
    found = [await outcome_of(journal, "r", events) for events in ([*begun, left], [*begun, left, *resumed])]
    assert [(each.status, each.failure) for each in found] == [("interrupted", "Ctrl-C"), ("running", "")]


async def test_what_a_fork_reused_costs_nothing_and_the_time_until_it_was_forked_does_not_count() -> None:
    first, rest = priced(told())[:2], priced(told())[2:]
    fork = RunForked(
        seq=3, at=9000.0, parent="p", name="n", spec="s", routes=digest(ROUTES), edits="e", versions={}
    )  # hours later
    later: list[AnyEvent] = []
    for event in rest:
        changes = {"origin": "reused"} if isinstance(event, StepCompleted) else {}
        moved = event.at + 9000.0 - first[-1].at
        later.append(msgspec.structs.replace(event, seq=event.seq + 1, at=moved, **changes))
    found = await outcome_of(await journal_with_blobs(), "r", [*first, fork, *later])
    assert (found.counts["cost"], found.counts["not performed"]) == (0, 2)
    assert found.counts["seconds"] == told()[-1].at - told()[0].at


async def test_without_prices_there_is_no_cost() -> None:
    steps = [event for event in told() if isinstance(event, StepStarted)]
    found = await outcome_of(await journal_with_blobs(), "r", [told()[0], *steps])
    assert "cost" not in found.counts
    assert found.status == "running"
