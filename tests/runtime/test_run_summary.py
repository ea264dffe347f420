"""A list of runs shows how each run stands."""

from __future__ import annotations

import pytest

from runtime.events import AnyEvent, Failure, RunCompleted, RunFailed, RunInterrupted, StepAsked, StepDecided
from runtime.reading.run_summary import RunStatus, summarised
from tests.runtime.journal_samples import HASH, answer, delivery, question, started

FAILED = RunFailed(seq=3, failure=Failure("builtins:ValueError", "no"))
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


def test_a_summary_grows_by_parts_as_it_does_at_once() -> None:
    events: list[AnyEvent] = [started(), question(2), delivery(3), answer(4)]
    by_parts = None
    for event in events:
        by_parts = summarised("r", by_parts, [event])
    assert by_parts == summarised("r", None, events)
    assert summarised("r", None, []) is None
