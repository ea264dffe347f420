"""What an agent did, as one event says it: its name, its contents, in words, and how two of them differ. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from runtime.codec import Json, parse
from runtime.errors import CorruptEvent
from runtime.events import (
    AgentSlept,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Digest,
    Failure,
    MessageCancelled,
    MessagePublished,
    MessageSent,
    StepStarted,
)
from runtime.ids import ROOT
from runtime.prompt_chain import unchain

BlobOf = Callable[[Digest], bytes]
"""Gives the bytes of a digest."""

Key = tuple[str, str]


def key_of(event: AnyEvent) -> Key | None:
    """What names an event that an agent's code causes; None for what comes from elsewhere."""
    match event:
        case MessageSent() | MessagePublished() if event.cause != ROOT:
            return "message", event.message
        case StepStarted():
            return "step", event.step
        case DeliveryCompleted():
            return "delivery", event.delivery
        case MessageCancelled():
            return "cancelled", event.message
        case AgentSlept():
            return "sleep", f"{event.agent} {event.seen}"
        case _:
            return None


def words(event: AnyEvent) -> str:
    """An event as a part of a sentence."""
    match event:
        case MessageSent():
            return f"a message to {event.recipient}"
        case MessagePublished():
            return f"a message to the topic {event.topic}"
        case StepStarted():
            return f"the {event.kind} step {event.name!r}"
        case DeliveryStarted():
            return f"the message {event.message} (delivery {event.delivery})"
        case DeliveryCompleted():
            return f"the end of a delivery to {event.agent}"
        case MessageCancelled():
            return f"giving up message {event.message}"
        case AgentSlept():
            return f"what {event.agent} has kept"
        case _:
            return type(event).__name__


def content_of(event: AnyEvent, blob: BlobOf) -> Json:
    """What an agent did, as a value to compare and to show."""
    match event:
        case StepStarted():
            request = request_of(event, blob)
            return {"name": event.name, "effect": event.effect, "request": request}
        case MessageSent():
            return {"to": str(event.recipient), "message": parse(blob(event.payload))}
        case MessagePublished():
            return {"topic": str(event.topic), "message": parse(blob(event.payload))}
        case DeliveryCompleted(response=str() as response):
            return {"answer": parse(blob(response))}
        case DeliveryCompleted():
            return {"failure": msgspec.to_builtins(event.failure)}
        case MessageCancelled():
            return {"cancelled": event.message}
        case AgentSlept():
            return {"state": parse(blob(event.state))}
        case _:
            return {"event": type(event).__name__}


def request_of(event: StepStarted, blob: BlobOf) -> Json:
    """A step's request; that of a model call has its prompt as messages."""
    request = parse(blob(event.request))
    if event.kind == "model" and isinstance(request, Mapping) and isinstance(head := request.get("prompt"), str):
        with suppress(CorruptEvent):
            return {**request, "prompt": unchain(head, blob)}
    return request


_ADDED = ("seq", "at", "recipients", "is_metered", "tokens")
"""What the sequencer adds to what an agent's code does, and what its budget counts."""


def differing_fields(recorded: AnyEvent, now: AnyEvent, *, is_strict: bool) -> tuple[str, ...]:
    """The names of the fields in which two events of one name differ."""
    if type(recorded) is not type(now):
        return ("event",)
    fields = [name for name in recorded.__struct_fields__ if name not in _ADDED]
    differing = [name for name in fields if getattr(recorded, name) != getattr(now, name)]
    if "headers" in differing and (not is_strict or _own_headers(recorded) == _own_headers(now)):
        differing.remove("headers")
    if not is_strict and differing == ["failure"] and _is_same_failure(recorded, now):
        return ()
    return tuple(differing)


def _own_headers(event: AnyEvent) -> Mapping[str, str]:
    """A message's headers as an agent's code made them; they make no difference to an agent, and their trace context
    is the host's doing."""
    headers: Mapping[str, str] = getattr(event, "headers", {})
    return {key: header for key, header in headers.items() if key != "traceparent"}


def _is_same_failure(recorded: AnyEvent, now: AnyEvent) -> bool:
    """Whether two failures differ in their wording only."""
    before, after = getattr(recorded, "failure", None), getattr(now, "failure", None)
    if not isinstance(before, Failure) or not isinstance(after, Failure):
        return False
    return msgspec.structs.replace(before, message="") == msgspec.structs.replace(after, message="")
