"""What a run asks of a person, and what became of its undos: as people and programs are told."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.codec import Json
from runtime.events import (
    AnyEvent,
    RunAborting,
    RunCompleted,
    RunFailed,
    StepAsked,
    StepBegun,
    StepCompleted,
    StepDecided,
    StepStarted,
)
from runtime.people import VERDICTS
from runtime.step_book import StepBook
from runtime.undo import undos


def open_questions(events: Sequence[AnyEvent]) -> list[StepAsked]:
    """What a person is asked and has not decided."""
    book = StepBook()
    if any(isinstance(event, RunAborting | RunFailed | RunCompleted) for event in events):
        return []
    for event in events:
        if isinstance(event, StepStarted | StepAsked | StepDecided | StepBegun | StepCompleted):
            book.apply(event)
    return book.asked()


def who() -> str:
    """The name of whoever is at this terminal, as the record will have it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without an entry in the list of users
        return ""


def commands(run: str, asked: StepAsked) -> list[str]:
    """The command lines that decide, one for each possible verdict."""
    place = f"{run[:8]} {asked.step[:8]}"
    if asked.why == "approval":
        return [f"repertory approve {place}", f'repertory deny {place} --note "…"']
    if asked.why == "question":
        return [f'repertory answer {place} "…"']
    return [f"repertory answer {place} {verdict}" for verdict in VERDICTS[asked.why]]


def lines(run: str, events: Sequence[AnyEvent]) -> list[str]:
    """What is asked with the commands that decide, and how the undos went."""
    found: list[str] = []
    for asked in open_questions(events):
        found.append(f"asked: {asked.question}  (step {asked.step[:8]})")
        found += [f"  {command}" for command in commands(run, asked)]
    for undo in undo_report(events):
        why = f": {undo['why']}" if undo["why"] else ""
        found.append(f"{undo['state']}: {undo['tool']}  (step {str(undo['step'])[:8]}){why}")
    return found


def asked_as_json(run: str, events: Sequence[AnyEvent]) -> list[Mapping[str, Json]]:
    """What is asked, for programs."""
    return [
        {
            "step": asked.step,
            "why": asked.why,
            "question": asked.question,
            "commands": list(commands(run, asked)),
        }
        for asked in open_questions(events)
    ]


def undo_report(events: Sequence[AnyEvent]) -> list[dict[str, Any]]:
    """What an aborted or failed run undid or could not; nothing for a run that was not given up."""
    if not any(isinstance(event, RunAborting) for event in events):
        return []
    return [{"step": undo.step, "tool": undo.tool, "state": undo.state, "why": undo.why} for undo in undos(events)]
