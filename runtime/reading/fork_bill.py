"""What a fork cost, and what it did not: a pure fold over its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from runtime.events import AnyEvent, RunForked, StepCompleted, StepStarted


@dataclass(slots=True)
class Count:
    """Calls, and the tokens of the models' among them."""

    model_calls: int = 0
    tool_calls: int = 0
    other_steps: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, kind: str, ended: StepCompleted) -> None:
        """Counts one more step."""
        self.model_calls += kind == "model"
        self.tool_calls += kind == "tool"
        self.other_steps += kind not in ("model", "tool")
        self.input_tokens += ended.usage.get("input_tokens", 0)
        self.output_tokens += ended.usage.get("output_tokens", 0)


@dataclass(slots=True)
class Bill:
    """The steps of a fork by where their results come from; zeros for a run that is none."""

    shared_events: int = 0
    shared: Count = field(default_factory=Count)
    """Steps of the prefix."""
    reused: Count = field(default_factory=Count)
    """Steps after it that the parent's record answered."""
    simulated: Count = field(default_factory=Count)
    """Effects that were not fired again."""
    spent: Count = field(default_factory=Count)
    """Steps that were performed."""


def bill(events: Iterable[AnyEvent]) -> Bill:
    """The bill of a run with these events."""
    found = Bill()
    kinds: dict[str, str] = {}
    for event in events:
        match event:
            case RunForked():
                shared = Count()
                for count in (found.shared, found.reused, found.simulated, found.spent):
                    _merge(shared, count)
                found = Bill(event.seq - 1, shared)
            case StepStarted():
                kinds[event.step] = event.kind
            case StepCompleted():
                _count_of(found, event).add(kinds.get(event.step, ""), event)
            case _:
                pass
    return found


def _count_of(found: Bill, event: StepCompleted) -> Count:
    match event.origin:
        case "reused" | "set":
            return found.reused
        case "simulated":
            return found.simulated
        case "live":
            return found.spent


def _merge(into: Count, count: Count) -> None:
    into.model_calls += count.model_calls
    into.tool_calls += count.tool_calls
    into.other_steps += count.other_steps
    into.input_tokens += count.input_tokens
    into.output_tokens += count.output_tokens
