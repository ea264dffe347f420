"""What the cast must be told about a field of work: the seam between `agents/` and a scenario's own knowledge.

The agents know how to perceive, plan, execute, criticise and remember; what a task is, which choices there are, what a
plan looks like and when it is good, a `Domain` says. A domain is pure: it asks no model, calls no tool, reads no clock;
it turns facts into decisions to be taken (prompt and schema) and decisions into the next facts to be fetched.
It narrows what may be decided, but never decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol, runtime_checkable

from autogen_core.tools import ToolSchema

from agents.messages import (
    Amendment,
    Call,
    Checked,
    Fact,
    Failure,
    Finding,
    JsonObject,
    Question,
    Request,
    Scene,
    Spent,
    Subtask,
)


def no_faults(_value: JsonObject) -> list[str]:
    """Finds nothing wrong."""
    return []


@dataclass(frozen=True)
class Decision:
    """One decision that a model is asked to take: a prompt, filled, and the schema that its answer must satisfy."""

    key: str
    """What is decided, for progress and records: "perceive", "hotel", "day:2026-12-05", …"""
    prompt: str
    """The name of the prompt in `agents/prompts/`."""
    values: Mapping[str, str]
    """What its placeholders are filled with."""
    schema: JsonObject
    """JSON Schema of the answer, an object; it is enforced while decoding where the server can, and always after."""
    faults: Callable[[JsonObject], list[str]] = field(default=no_faults)
    """What is wrong with an answer that satisfies the schema, in words for the model; empty when it is right."""
    max_tokens: int = 256
    """The longest answer, in tokens."""
    temperature: float | None = None
    """None: as the scenario says."""


@dataclass(frozen=True)
class Reading:
    """A request understood: the task, or the questions that stand between the request and a task."""

    task: JsonObject | None
    missing: tuple[Question, ...] = ()


class Perception(Protocol):
    """From a request to a task."""

    def perceiving(self, request: Request, today: date) -> Decision:
        """The decision that reads the request."""
        ...

    def read(self, perceived: JsonObject, request: Request, today: date) -> Reading:
        """The task that the model's reading and the given inputs make; what is needed and missing is a question."""
        ...


class Planning(Protocol):
    """From a task to a graph of subtasks."""

    def recall_text(self, task: JsonObject) -> str:
        """What to ask the memories."""
        ...

    def planning(self, scene: Scene, tools: Sequence[ToolSchema], limit: int) -> Decision:
        """The decision on at most `limit` subtasks with these tools, heeding the failures and amendments."""
        ...

    def subtasks(self, answer: JsonObject) -> tuple[Subtask, ...]:
        """The subtasks that a planning decision named; their graph has no cycle."""
        ...

    def gaps(self, scene: Scene) -> tuple[Amendment, ...]:
        """What the facts do not yet allow to decide; each asks for a subtask."""
        ...


class Acting(Protocol):
    """From a subtask to a tool's call."""

    def tools_for(self, subtask: Subtask) -> tuple[str, ...]:
        """The names of the tools that may serve the subtask; the planned one is first."""
        ...

    def acting(self, scene: Scene, subtask: Subtask, tools: Sequence[ToolSchema]) -> Decision:
        """The decision on `{"tool": …, "arguments": {…}}` among these tools; the scene's failures are calls refused."""
        ...

    def shortfall(self, subtask: Subtask, fact: Fact) -> Failure | None:
        """What the fact lacks for the subtask's success criterion; None when the criterion is met."""
        ...

    def alternative(self, subtask: Subtask, failure: Failure) -> Subtask | None:
        """The subtask with its alternative in place of what failed; None when there is none."""
        ...


class Drafting(Protocol):
    """From facts to a plan, one choice at a time."""

    def look_ups(self, scene: Scene) -> tuple[Call, ...]:
        """The calls for facts that the next choices or the plan need; none that is among the scene's asked ones."""
        ...

    def choosing(self, scene: Scene) -> Decision | None:
        """The next choice to make; None when all are made. Its answer belongs into the scene's choices by its key."""
        ...

    def reopen(self, scene: Scene, amendments: Sequence[Amendment]) -> JsonObject:
        """The scene's choices without those that these amendments want taken again."""
        ...

    def compose(self, scene: Scene) -> JsonObject:
        """The plan that the choices make; what has no evidence is left out and noted."""
        ...


class Judging(Protocol):
    """From a plan to a verdict."""

    def checks(self, scene: Scene, plan: JsonObject) -> tuple[Checked, ...]:
        """The computed checks, always the same ones in the same order."""
        ...

    def amendments(self, scene: Scene, plan: JsonObject) -> tuple[Amendment, ...]:
        """What must change for the failed checks to pass; nothing that the facts show to be impossible."""
        ...

    def judging(self, scene: Scene, plan: JsonObject) -> Decision:
        """The decision of the model that judges the whole."""
        ...

    def judged(self, scene: Scene, answer: JsonObject) -> tuple[Checked, tuple[Amendment, ...]]:
        """The judgement as a check of its own, and what it wants changed."""
        ...


@dataclass(frozen=True)
class Conclusion:
    """A request brought to its end."""

    scene: Scene
    plan: JsonObject
    checks: Sequence[Checked]
    spent: Spent
    wall_s: float
    """Seconds from the request to the plan."""


class Concluding(Protocol):
    """From a plan to the answer and to what is remembered."""

    def result(self, conclusion: Conclusion) -> JsonObject:
        """The whole result as the person gets it."""
        ...

    def lessons(self, conclusion: Conclusion) -> tuple[str, tuple[str, ...]]:
        """The episode in a few sentences, and the preferences that showed."""
        ...


@runtime_checkable
class Booking(Protocol):
    """What a domain offers beside the rest when a good plan is also to be booked."""

    def booking(self, scene: Scene, plan: JsonObject) -> Decision | None:
        """The decision on what to book of a plan that passed every check; None when nothing can be."""
        ...

    def bookings(self, scene: Scene, plan: JsonObject, answer: JsonObject) -> tuple[Call, ...]:
        """The calls that book it, in their order."""
        ...

    def booked(self, result: JsonObject, findings: Sequence[Finding]) -> JsonObject:
        """The result with what was booked and what was not."""
        ...


class Domain(Perception, Planning, Acting, Drafting, Judging, Concluding, Protocol):
    """All that the cast must be told."""
