"""A list of runs shows how each run stands."""

from __future__ import annotations

import pytest

from runtime.errors import RunAborted
from runtime.events import AnyEvent, Failure, RunCompleted, RunFailed, RunInterrupted, StepAsked, StepDecided
from runtime.failures import describe
from runtime.reading.run_summary import RunStatus, reason_of, summarised
from tests.runtime.journal_samples import HASH, answer, delivery, question, started

FAILED = RunFailed(seq=3, failure=Failure("builtins:ValueError", "no"))
ABORTED = RunFailed(seq=3, failure=describe(RunAborted("ann gave the run up")))
INTERRUPTED = RunInterrupted(seq=3, reason="Ctrl-C")
LEFT = RunInterrupted(seq=3, reason="waits", why="person")
ASKED = StepAsked(seq=2, step="s", delivery="d", why="approval", question="may it?")
DECIDED = StepDecided(seq=4, step="s", delivery="d", verdict="approve")


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([started()], "running"),
        ([started(), question(2)], "waiting"),
        ([started(), question(2), answer(3)], "running"),
        ([started(), question(2), question(3, "p"), answer(4)], "waiting"),
        ([started(), delivery(2), RunCompleted(seq=3, result=HASH)], "done"),
        ([started(), delivery(2), FAILED], "failed"),
        ([started(), delivery(2), FAILED, answer(4)], "failed"),
        ([started(), delivery(2), ABORTED], "aborted"),
        ([started(), question(2), INTERRUPTED], "interrupted"),
        ([started(), question(2), INTERRUPTED, delivery(4)], "waiting"),
        ([started(), delivery(2), FAILED, delivery(4)], "running"),
        ([started(), ASKED], "waiting"),
        ([started(), ASKED, LEFT], "waiting"),
        ([started(), ASKED, LEFT, DECIDED], "running"),
        ([started(), ASKED, INTERRUPTED], "interrupted"),
    ],
)
def test_the_status_of_a_run_follows_its_events(events: list[AnyEvent], status: RunStatus) -> None:
    summary = summarised("r", None, events)
    assert summary is not None
    assert summary.status == status


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], ""),
        ([started(), question(2)], ""),
        ([started(), delivery(2), FAILED], "no"),
        ([started(), delivery(2), FAILED, answer(4)], "no"),
        ([started(), ASKED, LEFT], "waits"),
        ([started(), ASKED, LEFT, DECIDED], ""),
        ([started(), question(2), INTERRUPTED], "Ctrl-C"),
        ([started(), question(2), INTERRUPTED, delivery(4)], ""),
        ([started(), ASKED, LEFT, answer(4), RunCompleted(seq=5, result=HASH)], ""),
    ],
)
def test_why_a_run_does_not_go_on_is_said_while_it_does_not(events: list[AnyEvent], reason: str) -> None:
    assert reason_of(events) == reason


def test_a_summary_grows_by_parts_as_it_does_at_once() -> None:
    events: list[AnyEvent] = [started(), question(2), delivery(3), answer(4)]
    by_parts = None
    for event in events:
        by_parts = summarised("r", by_parts, [event])
    assert by_parts == summarised("r", None, events)
    assert summarised("r", None, []) is None
