"""What a list of runs shows of each: a fold over the run's events, kept up to date by the journal at each append."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from runtime.errors import RunAborted
from runtime.events import (
    AnyEvent,
    DeliveryStarted,
    MessagePublished,
    MessageSent,
    RunCompleted,
    RunFailed,
    RunForked,
    RunInterrupted,
    RunStarted,
    StepAsked,
    StepBegun,
    StepCompleted,
    StepDecided,
    StepStarted,
)

RunStatus = Literal["running", "waiting", "done", "failed", "aborted", "interrupted", "damaged"]
"""How a run stands.

Waiting means that a person was asked and has not answered, aborted that one gave it up, damaged that the journal cannot
say. A run whose process was killed is running, as its events cannot know.
"""


class RunSummary(msgspec.Struct, frozen=True, gc=False):
    """One run in a list of runs."""

    run: str
    """The run's id."""
    name: str = ""
    """The scenario's name."""
    status: RunStatus = "running"
    started_at: float = 0.0
    """When its first event was taken, in seconds since 1970 (UTC)."""
    events: int = 0
    """How many events it has, which is the seq of the last."""
    last_at: float = 0.0
    """When its last event was taken, in seconds since 1970 (UTC)."""
    questions: tuple[str, ...] = ()
    """The steps in which a person was asked and has not answered yet."""


_NAMING = (RunStarted, RunForked)


def summarised(run: str, before: RunSummary | None, events: Sequence[AnyEvent]) -> RunSummary | None:
    """The summary after these events, which follow those that `before` was made of; None for no events at all."""
    if not events:
        return before
    summary = before or RunSummary(run, started_at=events[0].at)
    name, status, questions = summary.name, summary.status, summary.questions
    for event in events:
        name = event.name if isinstance(event, _NAMING) else name
        questions = _open_questions(questions, event)
        status = _status(status, questions, event)
    last = events[-1]
    return msgspec.structs.replace(
        summary, name=name, status=status, events=last.seq, last_at=last.at, questions=questions
    )


def reason_of(events: Sequence[AnyEvent]) -> str:
    """Why a run with these events does not go on: it failed, or was left; empty while it does, and when it is done."""
    for event in reversed(events):
        match event:
            case RunFailed():
                return event.failure.message
            case RunInterrupted():
                return event.reason
            case RunCompleted():
                return ""
            case _ if type(event) in _BEGINS:
                return ""
            case _:
                pass
    return ""


def _open_questions(before: tuple[str, ...], event: AnyEvent) -> tuple[str, ...]:
    match event:
        case StepCompleted() | StepDecided():
            return tuple(step for step in before if step != event.step) if before else before
        case StepStarted(kind="question") | StepAsked() if event.step not in before:
            return (*before, event.step)
        case _:
            return before


_BEGINS = frozenset[type[AnyEvent]](
    {
        RunStarted,
        RunForked,
        MessageSent,
        MessagePublished,
        DeliveryStarted,
        StepStarted,
        StepAsked,
        StepDecided,
        StepBegun,
    }
)
_ENDS = (RunCompleted, RunFailed, RunInterrupted)


def _status(before: RunStatus, questions: tuple[str, ...], event: AnyEvent) -> RunStatus:
    """An ended run stays so, whatever still comes in, until something is begun again."""
    if isinstance(event, _ENDS):
        return _ended(event)
    if before not in ("running", "waiting") and type(event) not in _BEGINS:
        return before
    return "waiting" if questions else "running"


def _ended(event: RunCompleted | RunFailed | RunInterrupted) -> RunStatus:
    match event:
        case RunCompleted():
            return "done"
        case RunFailed():
            return "aborted" if event.failure.is_of(RunAborted) else "failed"
        case RunInterrupted():
            return "waiting" if event.why == "person" else "interrupted"
