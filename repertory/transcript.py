"""A run as a tree for people: which delivery led to which, and the steps in each; a pure fold over its events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from repertory.progress import label
from runtime.budget import Price
from runtime.events import (
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Digest,
    Failure,
    MessagePublished,
    MessageSent,
    RunForked,
    StepCompleted,
    StepStarted,
)

ROOT = "root"
"""The cause of the driver's messages."""


@dataclass
class StepEntry:
    """One step of a delivery."""

    seq: int
    id: str
    kind: str
    name: str
    seconds: float | None = None
    """How long the last attempt took; None while it is open."""
    input_tokens: int = 0
    output_tokens: int = 0
    attempts: int = 0
    failure: str = ""
    origin: str = "live"
    """Whether it was performed, or answered from the record of the run that this one was forked from."""
    after_s: float = 0.0
    """When it was asked for, in seconds since the run began."""
    cost: float | None = None
    """What it cost, where the model's price is known; nothing where it was not performed."""
    evidence: str = ""
    """What was asked and answered, in a line."""

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "step": self.id,
            "kind": self.kind,
            "name": self.name,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "attempts": self.attempts,
            "failure": self.failure or None,
            "origin": self.origin,
            "after_s": round(self.after_s, 3),
            "cost": self.cost,
            "evidence": self.evidence or None,
        }


@dataclass
class DeliveryEntry:
    """One delivery, with what happened in it and what it led to, in the order of the journal."""

    seq: int
    id: str
    agent: str
    message_type: str
    started_at: float
    ended_at: float | None = None
    """None while its handler runs."""
    failure: str = ""
    after_s: float = 0.0
    """When its handler started, in seconds since the run began."""
    steps: list[StepEntry] = field(default_factory=list[StepEntry])
    deliveries: list[DeliveryEntry] = field(default_factory=list["DeliveryEntry"])

    @property
    def seconds(self) -> float | None:
        """From the start of its handler to its end, waiting included."""
        return None if self.ended_at is None else max(0.0, self.ended_at - self.started_at)

    @property
    def parts(self) -> list[StepEntry | DeliveryEntry]:
        """Steps and deliveries in the order in which they began."""
        return sorted([*self.steps, *self.deliveries], key=lambda part: part.seq)

    def all_steps(self) -> Iterator[StepEntry]:
        """Its steps and those of what it led to."""
        yield from self.steps
        for entry in self.deliveries:
            yield from entry.all_steps()

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "delivery": self.id,
            "agent": self.agent,
            "message": self.message_type,
            "after_s": round(self.after_s, 3),
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "failure": self.failure or None,
            "parts": [part.as_json() for part in self.parts],
        }


def payloads_of(events: Iterable[AnyEvent]) -> set[Digest]:
    """The payloads whose types a transcript wants to know."""
    return {event.payload for event in events if isinstance(event, MessageSent | MessagePublished)}


@dataclass(frozen=True)
class Known:
    """What the events themselves do not say."""

    types: Mapping[Digest, str] = field(default_factory=dict[Digest, str])
    """The message type of each payload."""
    evidence: Mapping[str, str] = field(default_factory=dict[str, str])
    """What steps were asked and answered, by their ids."""
    prices: Mapping[str, Price] = field(default_factory=dict[str, Price])
    """By the models' names."""


def transcript(events: Iterable[AnyEvent], types: Mapping[Digest, str] | Known) -> list[DeliveryEntry]:
    """The deliveries that the driver's messages led to; `types` names the message type of each payload, and more."""
    builder = _Builder(types if isinstance(types, Known) else Known(types))
    for event in events:
        builder.add(event)
    return builder.roots


class _Builder:
    def __init__(self, known: Known) -> None:
        self.roots: list[DeliveryEntry] = []
        self._known = known
        self._began_s: float | None = None
        self._last_s = 0.0
        self._messages: dict[str, tuple[str, str]] = {}
        """By message: the delivery that caused it, and its type."""
        self._deliveries: dict[str, DeliveryEntry] = {}
        self._steps: dict[str, StepEntry] = {}

    def add(self, event: AnyEvent) -> None:
        self._began_s = event.at if self._began_s is None else self._began_s
        if isinstance(event, RunForked):
            self._skip(event.at - self._last_s)
        self._last_s = event.at
        match event:
            case MessageSent() | MessagePublished():
                self._messages[event.message] = (event.cause, self._known.types.get(event.payload, "message"))
            case DeliveryStarted():
                self._start(event)
            case DeliveryCompleted():
                if entry := self._deliveries.get(event.delivery):
                    entry.ended_at, entry.failure = event.at, _words(event.failure)
            case StepStarted():
                self._start_step(event)
            case StepCompleted():
                self._complete_step(event)
            case _:
                pass

    def _start(self, event: DeliveryStarted) -> None:
        cause, message_type = self._messages.get(event.message, (ROOT, "message"))
        entry = DeliveryEntry(event.seq, event.delivery, label(event.agent), message_type, event.at)
        entry.after_s = self._after(event)
        self._deliveries[event.delivery] = entry
        parent = self._deliveries.get(cause)
        (self.roots if parent is None else parent.deliveries).append(entry)

    def _start_step(self, event: StepStarted) -> None:
        entry = StepEntry(event.seq, event.step, event.kind, event.name)
        entry.after_s, entry.evidence = self._after(event), self._known.evidence.get(event.step, "")
        self._steps[event.step] = entry
        if delivery := self._deliveries.get(event.delivery):
            delivery.steps.append(entry)

    def _complete_step(self, event: StepCompleted) -> None:
        if entry := self._steps.get(event.step):
            entry.seconds = max(0.0, event.ended_at - event.started_at)
            entry.input_tokens = event.usage.get("input_tokens", 0)
            entry.output_tokens = event.usage.get("output_tokens", 0)
            entry.attempts, entry.failure = event.attempts, _words(event.failure)
            entry.origin = event.origin
            if event.origin == "live" and (price := self._known.prices.get(entry.name)) is not None:
                entry.cost = price.of(entry.input_tokens, entry.output_tokens)

    def _skip(self, seconds: float) -> None:
        """Leaves out the time between a fork's last event of its parent and its first own one."""
        self._began_s = (self._began_s or 0.0) + seconds
        for entry in self._deliveries.values():
            if entry.ended_at is None:
                entry.started_at += seconds

    def _after(self, event: AnyEvent) -> float:
        return max(0.0, event.at - (self._began_s or 0.0))


def _words(failure: Failure | None) -> str:
    return "" if failure is None else failure.message
