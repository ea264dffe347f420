"""The facts of a run: one small frozen class per event, a tagged union over all of them, and their format version.

An event is appended once, in the past tense, at the run's sequencer, which gives it the next `seq` of its run. Payloads
(messages, requests, results) are not in the event: it names them by content hash, and the journal stores each
once (`runtime/blobs.py`). Every event of a run, in the order of seq, is what a host needs to perform the run again.
"""

from __future__ import annotations

from typing import Literal

import msgspec

FORMAT_VERSION = 2
"""The version of this file's classes as they are written to journals; `runtime/upgrades.py` tells what changed when."""

EffectClass = Literal["read", "idempotent", "compensable", "irreversible"]
"""What may be done with a step that started and did not complete: again freely; again with the same key; undo first;
never again without a person."""

StepKind = Literal["model", "tool", "retrieval", "memory", "question", "clock", "timer", "random"]
"""What a step asks of the outside world."""

AskedFor = Literal["approval", "uncertain", "question"]
"""Why a person is asked about a step: may it happen; did it happen; what is the answer."""

Verdict = Literal["approve", "deny", "done", "retry", "abort"]
"""What a person says of an asked step: do it; do not; here is its result; do it (again); give the run up."""

StepOrigin = Literal["live", "reused", "simulated", "set"]
"""Where a step's result comes from: it was performed; the parent's answer to the same request; the parent's, for an
effect that a fork does not fire again; an edit."""

Digest = str
"""The content hash of a blob: 32 hexadecimal digits of BLAKE2b."""


Listening = tuple[str, str, bool]
"""A subscription as a fact: topic type, agent type, and whether the topic's type only has to begin like that."""


class AgentName(msgspec.Struct, frozen=True, order=True, gc=False):
    """An agent's address: its type and its key, as in autogen-core."""

    type: str
    key: str = "default"

    def __str__(self) -> str:
        return f"{self.type}/{self.key}"


class Topic(msgspec.Struct, frozen=True, gc=False):
    """A topic's address; its source becomes the key of the agents that a publish reaches."""

    type: str
    source: str = "default"

    def __str__(self) -> str:
        return f"{self.type}/{self.source}"


Raised = type[BaseException]
"""The class of an exception."""


class Failure(msgspec.Struct, frozen=True):
    """An error as a fact: enough to raise the same type again where it is awaited."""

    type: str
    """`module:qualname` of the exception's class."""
    message: str
    """What `str()` of it said."""
    code: str = ""
    """The error code, where the exception has one."""

    @classmethod
    def of(cls, error: Raised, message: str, code: str = "") -> Failure:
        """The failure of an exception of that class."""
        return cls(_name(error), message, code)

    def is_of(self, error: Raised) -> bool:
        """Whether the exception was of exactly that class."""
        return self.type == _name(error)


def _name(error: Raised) -> str:
    return f"{error.__module__}:{error.__qualname__}"


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", omit_defaults=True, gc=False):
    """What every event has. None can refer to itself, so Python need not look for garbage among them."""

    seq: int = 0
    """The place in the run, from 1, without gaps; 0 until the sequencer has given it."""
    at: float = 0.0
    """When the sequencer took it, in seconds since 1970 (UTC). Inside a delivery this is what the clock says."""


class RunStarted(Event, frozen=True, tag="run_started"):
    """The first event: all that is needed to build the same team again."""

    name: str
    """The scenario's name, for lists."""
    builder: str
    """`module:function` that builds the team from the spec."""
    spec: Digest
    """The team's specification as JSON: the resolved scenario with its inputs, never a secret."""
    routes: Digest
    """Who exists and who listens to what, as the sequencer needs it (`runtime/routing.py`)."""
    versions: dict[str, str]
    """Versions of Repertory, Python and the libraries that decide how the run goes."""
    format: int = FORMAT_VERSION
    """The version of the events that follow."""


class RunForked(Event, frozen=True, tag="run_forked"):
    """From here on the run is its own; the events before this one are its parent's, of which nothing was copied."""

    parent: str
    """The run whose events up to the one before this are this run's as well."""
    name: str
    """The scenario's name, for lists."""
    spec: Digest
    """The specification that holds from here on; the parent's own, where it was not edited."""
    routes: Digest
    edits: Digest
    """What was asked for, as JSON: a list of `{"path": …, "value": …}`."""
    versions: dict[str, str]
    """Versions of Repertory, Python and the libraries that decide how the run goes on."""
    set_until: int = 0
    """The last of the events after this one that were set by an edit and not done by an agent; 0 for none."""
    live: tuple[str, ...] = ()
    """Models, tools and memories whose steps are performed again even where the parent has the answer."""
    allow: tuple[str, ...] = ()
    """Tools that may fire again although what they do cannot be repeated at will; "all" for every one."""


class MessageSent(Event, frozen=True, tag="message_sent"):
    """A message was sent to one agent; the sender may await its response."""

    message: str
    """The message's id, derived from the delivery that sent it and its ordinal there."""
    sender: AgentName | None
    """Who sent it; None for the driver of the run."""
    cause: str
    """The delivery it was sent from; "root" for the driver."""
    recipient: AgentName
    payload: Digest
    """The message: `{"type": …, "data": …}`."""
    headers: dict[str, str] = {}
    """What travels with it: trace context."""


class MessagePublished(Event, frozen=True, tag="message_published"):
    """A message was published to a topic; each subscriber gets a delivery of its own."""

    message: str
    sender: AgentName | None
    cause: str
    topic: Topic
    recipients: tuple[AgentName, ...]
    """The subscribers at that moment, in the order of their subscriptions."""
    payload: Digest
    headers: dict[str, str] = {}


class DeliveryStarted(Event, frozen=True, tag="delivery_started"):
    """A message was handed to an agent; from here its handler runs."""

    delivery: str
    """The delivery's id, derived from message and agent."""
    message: str
    agent: AgentName
    state: Digest | None = None
    """What the agent saved when it went to sleep, where this wakes it."""


class StepStarted(Event, frozen=True, tag="step_started"):
    """A side effect is about to happen; durable before it happens where it cannot be repeated."""

    step: str
    """The step's id, derived from delivery, kind, request and occurrence."""
    delivery: str
    kind: StepKind
    name: str
    """Which model, tool, memory or person is asked."""
    request: Digest
    """What is asked, canonical; for a model call it holds the head of the prompt chain."""
    occurrence: int = 0
    """How many equal requests this delivery had made before."""
    effect: EffectClass = "read"
    is_metered: bool = False
    """Whether the run's budget counts it: it then happens only when the budget has let it through."""
    tokens: int = 0
    """About how many input tokens it will take, where the budget counts it."""


class StepAsked(Event, frozen=True, tag="step_asked"):
    """A person must say how a step goes on; until then it neither happens nor completes."""

    step: str
    delivery: str
    why: AskedFor
    question: str
    """What the person is asked, in words."""


class StepDecided(Event, frozen=True, tag="step_decided"):
    """A person has said how an asked step goes on; a `StepCompleted` or `RunAborting` that follows comes next."""

    step: str
    delivery: str
    verdict: Verdict
    by: str = ""
    """Who decided: the user's name."""
    note: str = ""
    """What they said to it; with "deny" the agent reads it."""
    result: Digest | None = None
    """With "done": what came of the step, canonical."""


class StepBegun(Event, frozen=True, tag="step_begun"):
    """A step that a person has let through is about to happen; durable before it happens."""

    step: str
    delivery: str


class StepCompleted(Event, frozen=True, tag="step_completed"):
    """A step's result is known and durable; its place in the order is when the agent sees it."""

    step: str
    delivery: str
    result: Digest | None
    """What came back, canonical; None when it failed."""
    failure: Failure | None = None
    attempts: int = 1
    """How often it was tried."""
    started_at: float = 0.0
    """When the last attempt began, by the host's clock."""
    ended_at: float = 0.0
    """When it ended, by the same clock."""
    usage: dict[str, int] = {}
    """What it used: input_tokens, output_tokens."""
    origin: StepOrigin = "live"
    """Whether it was performed, or answered from the record of the run that this one was forked from."""


class DeliveryCompleted(Event, frozen=True, tag="delivery_completed"):
    """A handler returned or raised; for a sent message this is the response."""

    delivery: str
    message: str
    agent: AgentName
    response: Digest | None
    """`{"type": …, "data": …}`, or None when it failed."""
    failure: Failure | None = None


class AgentSlept(Event, frozen=True, tag="agent_slept"):
    """An agent at rest was saved and dropped; its next delivery makes it anew and gives it this state."""

    agent: AgentName
    state: Digest
    """What it saved, canonical."""
    seen: int
    """The last event that it had been told: the state is the one that this left."""


class MessageCancelled(Event, frozen=True, tag="message_cancelled"):
    """The sender gave up waiting; a delivery of it that already runs goes on unless it heeds its token."""

    message: str
    cause: str
    """The delivery that cancelled it."""


class RunCompleted(Event, frozen=True, tag="run_completed"):
    """The driver's message was answered and nothing is left to do."""

    result: Digest


class RunFailed(Event, frozen=True, tag="run_failed"):
    """The run ended without a result."""

    failure: Failure


class RunAborting(Event, frozen=True, tag="run_aborting"):
    """The run will not be finished: from here its agents do nothing more and what can be undone is undone."""

    failure: Failure
    """Why; the `RunFailed` that ends the run says it again."""


class RunInterrupted(Event, frozen=True, tag="run_interrupted"):
    """It was stopped; it can be resumed."""

    reason: str
    why: Literal["stopped", "person", "budget", "unreachable"] = "stopped"
    """From outside; because all that is open waits for a person; because of a limit; because a step could not reach
    what it needs."""
    step: str = ""
    """That step, which has no result and is performed again when the run is resumed."""


class LimitsRaised(Event, frozen=True, tag="limits_raised"):
    """A person has given the run new limits (`runtime/budget.py`)."""

    limits: dict[str, float]
    """The limits that change, by their names."""


class RoutesChanged(Event, frozen=True, tag="routes_changed"):
    """Agent types or subscriptions came or went while the run was under way; what is published later goes by them."""

    types: dict[str, bool] = {}
    """Agent types that are new, each with whether deliveries of one agent may overlap."""
    subscribed: tuple[Listening, ...] = ()
    """Subscriptions that are new; they come after those that were there."""
    unsubscribed: tuple[Listening, ...] = ()
    """Subscriptions that are gone."""


AnyEvent = (
    RunStarted
    | RunForked
    | RoutesChanged
    | MessageSent
    | MessagePublished
    | DeliveryStarted
    | StepStarted
    | StepAsked
    | StepDecided
    | StepBegun
    | StepCompleted
    | DeliveryCompleted
    | AgentSlept
    | MessageCancelled
    | RunCompleted
    | RunFailed
    | RunAborting
    | RunInterrupted
    | LimitsRaised
)
"""Every event that a journal may hold, told apart by its `event` field."""
