"""How each step of a run stands: open, asked of a person, let through, or done. Pure; the sequencer's own book.

A step that a person is asked about goes `open → asked → allowed → open`: what a person lets through begins by an event
of its own, so that a record always says whether an effect may have happened. Everything else completes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from runtime.errors import RunAborted, StepFailed
from runtime.events import (
    AnyEvent,
    Failure,
    RunAborting,
    StepAsked,
    StepBegun,
    StepCompleted,
    StepDecided,
    StepStarted,
)

StepState = Literal["open", "asked", "allowed", "settled"]
"""Performed, or to be; asked of a person; let through and not begun; decided, so that its completion follows."""


@dataclass(slots=True)
class OpenStep:
    """A step that started and did not complete."""

    started: StepStarted
    state: StepState = "open"
    asked: StepAsked | None = None
    """What a person was asked last."""


class StepBook:
    """The steps of one run."""

    def __init__(self) -> None:
        self._open: dict[str, OpenStep] = {}
        self._done: set[str] = set()

    def open(self) -> list[OpenStep]:
        """The steps that started and did not complete, in the order of their starts."""
        return list(self._open.values())

    def asked(self) -> list[StepAsked]:
        """What a person is asked and has not decided, in the order of the steps' starts."""
        return [step.asked for step in self._open.values() if step.state == "asked" and step.asked is not None]

    def has(self, step: str) -> bool:
        """Whether the step has ever started."""
        return step in self._open or step in self._done

    def is_settled(self, step: str) -> bool:
        """Whether a person has said what comes of it, so that no host performs it."""
        return step in self._open and self._open[step].state == "settled"

    def is_known(self, event: StepStarted | StepAsked | StepDecided | StepBegun | StepCompleted) -> bool:
        """Whether the event says nothing that is not known, or comes when it can not be true any more."""
        step = self._open.get(event.step)
        match event:
            case StepStarted():
                return self.has(event.step)
            case StepCompleted():
                return step is None
            case StepAsked():
                return step is None or step.state != "open" or (event.why == "approval" and step.asked is not None)
            case StepDecided():
                return step is None or step.state != "asked"
            case StepBegun():
                return step is None or step.state != "allowed"

    def apply(self, event: StepStarted | StepAsked | StepDecided | StepBegun | StepCompleted) -> None:
        """Changes the book as the event says."""
        match event:
            case StepStarted():
                if not self.has(event.step):
                    self._open[event.step] = OpenStep(event)
            case StepCompleted():
                self._open.pop(event.step, None)
                self._done.add(event.step)
            case StepAsked():
                step = self._open[event.step]
                step.state, step.asked = "asked", event
            case StepDecided():
                self._open[event.step].state = "allowed" if event.verdict in ("approve", "retry") else "settled"
            case StepBegun():
                self._open[event.step].state = "open"

    def to_begin(self) -> list[StepBegun]:
        """What may begin because a person has let it through."""
        return [
            StepBegun(step=step.started.step, delivery=step.started.delivery)
            for step in self._open.values()
            if step.state == "allowed"
        ]


def outcome_of(decided: StepDecided) -> Iterator[AnyEvent]:
    """What follows from a decision at once, whoever performs the run."""
    match decided.verdict:
        case "deny":
            said = f": {decided.note}" if decided.note else ""
            failure = Failure.of(StepFailed, f"a person has denied this{said}", "denied")
            yield StepCompleted(step=decided.step, delivery=decided.delivery, result=None, failure=failure)
        case "done":
            yield StepCompleted(step=decided.step, delivery=decided.delivery, result=decided.result)
        case "abort":
            said = f": {decided.note}" if decided.note else ""
            yield RunAborting(failure=Failure.of(RunAborted, f"a person gave the run up{said}"))
        case "approve" | "retry":
            return
