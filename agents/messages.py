"""The typed messages of the cast: all that planner, executors, critic, retriever and person say to one another.

Each is a frozen pydantic model of plain JSON, so that it can travel between hosts and be journaled as it is. What a
message says about the domain (a task, a plan, a tool's result) is a JSON object that only the domain looks into.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue

from runtime.board import Posted

JsonObject = dict[str, JsonValue]
"""A JSON object."""


Phase = Literal["perceive", "ask", "recall", "plan", "execute", "look_up", "choose", "review", "book", "remember"]
"""What the cast is at."""


class Message(BaseModel):
    """What all messages have: frozen, and nothing in them but their fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Spent(Message):
    """What a piece of work took."""

    model_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0

    def plus(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(
            model_calls=self.model_calls + other.model_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            tool_calls=self.tool_calls + other.tool_calls,
        )


class Request(Message):
    """To the planner: what a person wants, in their own words. Answered with an `Answer`."""

    text: str
    """The request in free text."""
    inputs: JsonObject = {}
    """Fields of the task that are given outright; they win over what the text says."""


class Answer(Message):
    """From the planner: the whole result, composed by the domain."""

    result: JsonObject


class Question(Message):
    """To the person: something needed is missing. Answered with a `Reply`."""

    field: str
    """The field of the task that the answer is for."""
    text: str
    """The question as the person reads it."""


class Reply(Message):
    """From the person: their words."""

    text: str


class Recall(Message):
    """To the retriever: what is known about this task? Answered with a `Recollection`."""

    text: str


class Note(Message):
    """One piece of memory, with the step that fetched it."""

    text: str
    source: str = ""
    evidence: str = ""


class Recollection(Message):
    """From the retriever: what the memories hold on a task."""

    knowledge: tuple[Note, ...] = ()
    preferences: tuple[Note, ...] = ()
    episodes: tuple[Note, ...] = ()


class Remember(Message):
    """To the retriever: keep this for the person's next request. Answered with `Remembered`."""

    episode: str
    """What was asked for and what came of it, in a few sentences."""
    preferences: tuple[str, ...] = ()
    """What the person likes, one short phrase each."""


class Remembered(Message):
    """From the retriever: how many entries were written."""

    entries: int


class Fact(Message):
    """Something that a tool said, and the step that proves it."""

    tool: str
    arguments: JsonObject
    value: JsonValue
    evidence: str
    """The id of the step; what has none is never stated."""


class Failure(Message):
    """Something that a tool could not do."""

    tool: str
    arguments: JsonObject
    code: str
    message: str
    value: JsonValue = None
    """Facts that help to plan anew, where the tool gave some."""
    evidence: str = ""


class Subtask(Message):
    """One node of the plan's graph."""

    id: str
    goal: str
    about: str = ""
    """What it is about: a place, "hotel", …; the domain's own words."""
    tool: str
    needs: tuple[str, ...] = ()
    """The ids of the subtasks whose findings it needs."""
    success: str
    """When it counts as done."""
    alternative: str = ""
    """What to take instead when it fails; empty when there is nothing."""


class LookUp(Message):
    """To an executor: make these calls, whose arguments follow from what was decided. Answered with a `Finding`."""

    calls: tuple[Call, ...]


class Finding(Message):
    """From an executor: what came of an assignment or a look-up."""

    facts: tuple[Fact, ...] = ()
    failures: tuple[Failure, ...] = ()
    """What did not work, in order; with facts as well, the alternative was taken."""
    spent: Spent = Spent()


class Amendment(Message):
    """A concrete change that a plan needs, and what it means for the decision that is to be taken again."""

    decision: str
    """The key of the decision that must be taken again; "subtasks" asks for more subtasks."""
    text: str
    """What is wrong and what to do instead, as the model reads it."""
    exclude: tuple[str, ...] = ()
    """Values that the new decision may not take."""
    require: tuple[str, ...] = ()
    """Values that the new decision must contain."""


class Checked(Message):
    """One computed check of a plan."""

    name: str
    passed: bool
    detail: str


class Call(Message):
    """A tool and its arguments."""

    tool: str
    arguments: JsonObject


class Scene(Message):
    """All that is known about a request at one moment."""

    task: JsonObject
    subtasks: tuple[Subtask, ...] = ()
    """All that were planned so far."""
    facts: tuple[Fact, ...] = ()
    failures: tuple[Failure, ...] = ()
    asked: tuple[Call, ...] = ()
    """The look-ups that were made, whatever came of them."""
    memories: Recollection = Recollection()
    choices: JsonObject = {}
    """The decisions taken so far, by key."""
    amendments: tuple[Amendment, ...] = ()
    """What is to be changed."""


class Assignment(Message):
    """To an executor: do this subtask. Answered with a `Finding`."""

    scene: Scene
    """The task, the memories, and what the subtasks that it needs have found."""
    subtask: Subtask


class Review(Message):
    """To the critic: is this plan good? Answered with a `Verdict`."""

    scene: Scene | Posted
    """All that is known, or where it lies on the run's blackboard."""
    plan: JsonObject
    last: bool = False
    """Whether no further repair will follow: then the whole is judged whatever the checks say."""


class Verdict(Message):
    """From the critic: the computed checks, the model's judgement, and what is to be changed."""

    checks: tuple[Checked, ...]
    amendments: tuple[Amendment, ...] = ()
    spent: Spent = Spent()


class Progress(Message):
    """Published to the topic "progress": what an agent has just begun or found, for whoever watches."""

    agent: str
    phase: Phase
    detail: str = ""
