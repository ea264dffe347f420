"""Undoing what a run has done, when it is given up or fails for good: which steps, in which order, and how it went.

Pure. Each undo is a message from the driver to the team's own agent of type `undo`, whose handler calls the undoing
tool as a step; so undos are on record, survive crashes, and are keyed by the id of the step in which they happen. The
compensable steps that have happened, or may have, are undone, the last one first; what a person denied, or never let
begin, is not. An undo must therefore be safe for a step that has not happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runtime import ids
from runtime.beginning import last_fork
from runtime.blobs import digest
from runtime.clock import derived_id
from runtime.codec import canonical
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Digest,
    MessageSent,
    StepAsked,
    StepBegun,
    StepCompleted,
    StepStarted,
)
from runtime.exchange.recollection import may_fire
from runtime.sequencer import UNDO

UNDOER = AgentName(UNDO)


@dataclass(frozen=True, slots=True)
class Undo:
    """One compensable step and what has become of it."""

    step: str
    tool: str
    """The name of the step: the tool that did what is to be undone."""
    state: Literal["to do", "undone", "failed"] = "to do"
    why: str = ""
    """Why it failed."""

    @property
    def message(self) -> str:
        """The id of the message that asks for it."""
        return "m" + derived_id(ids.ROOT, UNDO, self.step)

    def asked(self) -> tuple[MessageSent, dict[Digest, bytes]]:
        """The message that asks for it, with its payload."""
        payload = canonical({"type": "json", "data": {"step": self.step, "tool": self.tool}})
        event = MessageSent(
            message=self.message, sender=None, cause=ids.ROOT, recipient=UNDOER, payload=digest(payload)
        )
        return event, {digest(payload): payload}


def undos(events: Sequence[AnyEvent]) -> list[Undo]:
    """What there is to undo or was undone, in the order in which it is undone."""
    answers = {event.message: event for event in events if isinstance(event, DeliveryCompleted)}
    found = [Undo(started.step, started.name) for started in _happened(events)]
    return [_with_answer(undo, answers.get(undo.message)) for undo in found]


def _with_answer(undo: Undo, answer: DeliveryCompleted | None) -> Undo:
    if answer is None:
        return undo
    failure = answer.failure
    return Undo(undo.step, undo.tool, "undone" if failure is None else "failed", failure.message if failure else "")


def _happened(events: Sequence[AnyEvent]) -> list[StepStarted]:
    """The compensable steps that have happened or may have: the open ones first, then the last completed first.

    What a fork shares with its parent, or was given of it in place of doing it, is the parent's to undo.
    """
    fork = last_fork(events)
    agents = {event.delivery: event.agent.type for event in events if isinstance(event, DeliveryStarted)}
    steps: dict[str, StepStarted] = {}
    ends: dict[str, int] = {}
    held: set[str] = set()
    for event in events:
        match event:
            case StepStarted(effect="compensable") if agents.get(event.delivery) != UNDO:
                if fork is None or (event.seq > fork.seq and may_fire(fork, event)):
                    steps[event.step] = event
            case StepAsked(why="approval"):
                held.add(event.step)
            case StepBegun():
                held.discard(event.step)
            case StepCompleted():
                ends[event.step] = event.seq
            case _:
                pass
    happened = [started for step, started in steps.items() if step not in held]
    last = len(events) + 1
    return sorted(happened, key=lambda started: (ends.get(started.step, last), started.seq), reverse=True)


def is_under_way(events: Sequence[AnyEvent]) -> bool:
    """Whether a compensable step may still be happening."""
    ended = {event.step for event in events if isinstance(event, StepCompleted)}
    return any(started.step not in ended for started in _happened(events))
