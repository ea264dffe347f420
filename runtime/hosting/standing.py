"""What the agents of a fork did before it was forked stands, whatever they would do now.

To be in the state in which the fork begins, each agent does again what it did, with the code and the settings of the
fork. What it asks may then differ from what it asked; what it was told does not. So a step that it asks for before
the fork point is the recorded one of the same place, a message that it sends is the recorded one of the same id, and
so is the end of a delivery. After the fork point everything is what it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from runtime.events import (
    AnyEvent,
    DeliveryCompleted,
    MessagePublished,
    MessageSent,
    RunForked,
    StepKind,
    StepStarted,
)


@dataclass(slots=True)
class _Steps:
    """The recorded steps of a delivery, by kind, that nothing has been asked for yet."""

    waiting: dict[StepKind, list[StepStarted]] = field(default_factory=dict[StepKind, list[StepStarted]])


class Standing:
    """The recorded doings of a fork's agents; each is given out for what an agent does now in its place."""

    def __init__(self, fork: RunForked, recorded: Iterable[AnyEvent]) -> None:
        self._fork_seq = fork.seq
        last = max(fork.seq, fork.set_until)
        self._known: dict[str, AnyEvent] = {}
        self._deliveries: dict[str, _Steps] = {}
        for event in recorded:
            if event.seq > last:
                continue
            if isinstance(event, StepStarted):
                self._known[event.step] = event
                waiting = self._deliveries.setdefault(event.delivery, _Steps()).waiting
                waiting.setdefault(event.kind, []).append(event)
            elif isinstance(event, MessageSent | MessagePublished):
                self._known[event.message] = event
            elif isinstance(event, DeliveryCompleted):
                self._known[event.delivery] = event

    def step(self, now: StepStarted, seen: int) -> StepStarted:
        """The recorded step for one that is asked for now; `seen` is the seq of what the agent was told last."""
        waiting = self._deliveries.get(now.delivery, _Steps()).waiting.get(now.kind, [])
        recorded = self._known.get(now.step)
        if isinstance(recorded, StepStarted):
            if recorded in waiting:
                waiting.remove(recorded)
            return recorded
        return waiting.pop(0) if waiting and seen < self._fork_seq else now

    def event(self, now: AnyEvent) -> AnyEvent:
        """The recorded message or end of a delivery for one of now."""
        match now:
            case MessageSent() | MessagePublished():
                return self._known.get(now.message, now)
            case DeliveryCompleted():
                return self._known.get(now.delivery, now)
            case _:
                return now
