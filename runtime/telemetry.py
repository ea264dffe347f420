"""A run as a trace: events in, spans out, with the names of OpenTelemetry's conventions for generative AI. Pure.

The run is the root (`invoke_workflow`), a delivery is an `invoke_agent`, a step a `chat`, `execute_tool` or `retrieval`
within it. A delivery hangs below the one that sent its message. Ids are functions of the run and of what the span
stands for, so a trace that is exported twice is the same trace, and other processes can name its spans.

What was not performed is never counted as a call: a step that a fork answers from its parent, and every step of a
replay, has neither the operation's name nor its usage, but says where its result comes from. A fork's trace begins with
the fork and links to that of its parent.

Source: OpenTelemetry semantic conventions for generative AI, 1.37 and later (`gen_ai.provider.name`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from runtime.clock import derived_id
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Failure,
    MessagePublished,
    MessageSent,
    RunCompleted,
    RunFailed,
    RunForked,
    RunInterrupted,
    RunStarted,
    StepCompleted,
    StepKind,
    StepStarted,
)

Value = str | int | float | bool

OPERATIONS: Mapping[StepKind, str] = {"model": "chat", "tool": "execute_tool", "retrieval": "retrieval"}
"""The operations that the conventions name."""

Contents = Mapping[str, Mapping[str, str]]
"""By step: attributes with what was asked and answered; only where a person has asked for them."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time."""

    trace: str
    """32 hexadecimal digits."""
    id: str
    """16 hexadecimal digits."""
    name: str
    start_s: float
    """Seconds since 1970."""
    parent: str = ""
    end_s: float = 0.0
    is_call: bool = False
    """Whether another system was called (the span's kind is "client")."""
    attributes: Mapping[str, Value] = field(default_factory=dict[str, Value])
    failure: Failure | None = None
    link: tuple[str, str] | None = None
    """The trace and span that it continues."""


def trace_id(run: str) -> str:
    """The trace of a run."""
    return derived_id(run, "trace", digits=32)


def span_id(run: str, what: str) -> str:
    """The span of a delivery or step, by its id; that of the run itself by "root"."""
    return derived_id(run, "span", what, digits=16)


def traceparent(run: str, cause: str) -> str:
    """The W3C trace context that a message carries which was sent from a delivery (or from "root")."""
    return f"00-{trace_id(run)}-{span_id(run, cause)}-01"


class Tracer:
    """The spans of one run, each given out when it ends."""

    def __init__(
        self, run: str, *, provider: str = "", contents: Contents | None = None, is_replay: bool = False
    ) -> None:
        self._run = run
        self._trace = trace_id(f"{run}/replay" if is_replay else run)
        self._provider = provider
        self._contents: Contents = {} if contents is None else contents
        self._is_replay = is_replay
        self._root: Span | None = None
        self._causes: dict[str, str] = {}
        self._open: dict[str, Span] = {}
        self._agents: dict[str, AgentName] = {}
        self._steps: dict[str, StepStarted] = {}
        self._last_s = 0.0

    def add(self, event: AnyEvent) -> list[Span]:
        """Takes the next event of the run; the spans that it ends."""
        self._last_s = event.at
        match event:
            case RunStarted():
                self._root = self._begun("root", f"invoke_workflow {event.name}", event.at, "", _workflow(event.name))
            case RunForked():
                self._fork(event)
            case MessageSent() | MessagePublished():
                self._causes[event.message] = event.cause
            case DeliveryStarted():
                self._deliver(event)
            case StepStarted():
                self._steps[event.step] = event
            case StepCompleted():
                return self._step(event)
            case DeliveryCompleted():
                return self._ended(event.delivery, event.at, event.failure)
            case RunCompleted() | RunFailed() | RunInterrupted():
                return self.end(event.failure if isinstance(event, RunFailed) else None)
            case _:
                pass
        return []

    def end(self, failure: Failure | None = None) -> list[Span]:
        """Ends what is open, the root last: the run has ended, or no more of it is there."""
        unfinished: dict[str, Value] = {"repertory.unfinished": True}
        left = [
            replace(span, end_s=self._last_s, attributes={**span.attributes, **unfinished})
            for span in self._open.values()
        ]
        self._open.clear()
        root, self._root = self._root, None
        return left if root is None else [*left, replace(root, end_s=self._last_s, failure=failure)]

    # Parts

    def _fork(self, event: RunForked) -> None:
        """What came before is the parent's trace; what is still open of it goes on in this one."""
        self._open = {delivery: replace(span, start_s=event.at) for delivery, span in self._open.items()}
        attributes: dict[str, Value] = {**_workflow(event.name), "repertory.fork.parent": event.parent}
        root = self._begun("root", f"invoke_workflow {event.name}", event.at, "", attributes)
        self._root = replace(root, link=(trace_id(event.parent), span_id(event.parent, "root")))

    def _deliver(self, event: DeliveryStarted) -> None:
        agent = str(event.agent)
        self._agents[event.delivery] = event.agent
        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": event.agent.type,
            "gen_ai.agent.id": agent,
            "repertory.delivery": event.delivery,
        }
        cause = self._causes.get(event.message, "root")
        self._open[event.delivery] = self._begun(
            event.delivery, f"invoke_agent {event.agent.type}", event.at, cause, attributes
        )

    def _ended(self, delivery: str, at: float, failure: Failure | None) -> list[Span]:
        span = self._open.pop(delivery, None)
        return [] if span is None else [replace(span, end_s=at, failure=failure)]

    def _step(self, event: StepCompleted) -> list[Span]:
        started = self._steps.pop(event.step, None)
        if started is None:
            return []
        is_performed = event.origin == "live" and not self._is_replay
        operation = OPERATIONS.get(started.kind, started.kind)
        name = f"{operation} {started.name}" if is_performed else f"recorded {operation} {started.name}"
        attributes = self._asked(started) | (self._performed(started, event) if is_performed else _recorded(event))
        began = event.started_at or started.at
        span = self._begun(event.step, name, began, event.delivery, attributes)
        is_call = is_performed and started.kind == "model"
        return [replace(span, end_s=max(event.ended_at, began), failure=event.failure, is_call=is_call)]

    def _asked(self, started: StepStarted) -> dict[str, Value]:
        names: Mapping[str, str] = {
            "model": "gen_ai.request.model",
            "tool": "gen_ai.tool.name",
            "retrieval": "gen_ai.data_source.id",
        }
        attributes: dict[str, Value] = {
            names.get(started.kind, "repertory.step.name"): started.name,
            "repertory.step": started.step,
            "repertory.step.kind": started.kind,
            "repertory.step.effect": started.effect,
            **self._contents.get(started.step, {}),
        }
        if started.kind == "model" and self._provider:
            attributes["gen_ai.provider.name"] = self._provider
        if started.kind == "tool":
            attributes |= {"gen_ai.tool.type": "function", "gen_ai.tool.call.id": started.step}
        return attributes

    def _performed(self, started: StepStarted, event: StepCompleted) -> dict[str, Value]:
        usage = {f"gen_ai.usage.{name}": count for name, count in event.usage.items()}
        operation = OPERATIONS.get(started.kind)
        named: dict[str, Value] = {} if operation is None else {"gen_ai.operation.name": operation}
        return {**named, **usage, "repertory.attempts": event.attempts}

    def _begun(self, what: str, name: str, at: float, parent: str, attributes: Mapping[str, Value]) -> Span:
        own: dict[str, Value] = {**attributes, "gen_ai.conversation.id": self._run, "repertory.run": self._run}
        if self._is_replay:
            own = {key: value for key, value in own.items() if key != "gen_ai.operation.name"}
            own["repertory.replay"] = True
        above = span_id(self._run, parent) if parent else ""
        return Span(self._trace, span_id(self._run, what), name, at, above, attributes=own)


def _workflow(name: str) -> dict[str, Value]:
    return {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": name}


def _recorded(event: StepCompleted) -> dict[str, Value]:
    """A step that was answered from a record: what it had cost then is no cost of now."""
    usage = {f"repertory.recorded.{name}": count for name, count in event.usage.items()}
    return {**usage, "repertory.step.origin": "replayed" if event.origin == "live" else event.origin}


def spans_of(
    events: Iterable[AnyEvent],
    run: str,
    *,
    provider: str = "",
    contents: Contents | None = None,
    is_replay: bool = False,
) -> list[Span]:
    """The spans of a run: those of a fork only from where it was forked; what is open ends with the last event."""
    tracer = Tracer(run, provider=provider, contents=contents, is_replay=is_replay)
    found: list[Span] = []
    for event in events:
        if isinstance(event, RunForked):
            found.clear()
        found += tracer.add(event)
    return found + tracer.end()
