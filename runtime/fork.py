"""Makes a run that shares another's events up to a point and then goes its own way; nothing is copied or performed.

Where a fork may begin is decided here, purely. `fork` then writes the new run's first events: that it was forked, and
what an edit has set in place of what happened. Whoever resumes the run (`runtime/engine.py`) performs the rest: what
is asked again as it was is answered from the parent (`runtime/exchange/recollection.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from runtime import clock
from runtime.beginning import sure_beginning
from runtime.blobs import Payload
from runtime.codec import Json
from runtime.errors import UsageError
from runtime.events import (
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    MessageCancelled,
    MessagePublished,
    MessageSent,
    RunForked,
    StepAsked,
    StepBegun,
    StepCompleted,
    StepDecided,
    StepStarted,
)
from runtime.ids import ROOT
from runtime.journal import Journal

Editable = MessageSent | MessagePublished | StepCompleted
"""The events whose content a fork may set."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a fork begins."""

    shared: int
    """The last event that it shares with its parent."""
    note: str = ""
    """What is to be said of it: that it is not quite what was asked for."""
    event: Editable | None = None
    """The event whose content is to be set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkOrder:
    """A fork to make."""

    parent: str
    point: Point
    edits: Sequence[Mapping[str, Json]] = ()
    """What a person asked for, to be shown: `{"path": …, "value": …}`."""
    content: Payload | None = None
    """The new content of the point's event; at the start of the run: the new first message."""
    spec: Payload | None = None
    """The new specification; None keeps the parent's."""
    routes: Payload | None = None
    """The routes that go with it."""
    live: Sequence[str] = ()
    allow: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict[str, str])


def start(events: Sequence[AnyEvent]) -> Point:
    """The point before the first message.

    Raises:
        UsageError: nothing had been asked of the run.
    """
    if _first_message(events) is None:
        raise UsageError("nothing had been asked of the run yet; there is nothing to fork: start it again")
    return Point(1)


def at_delivery(events: Sequence[AnyEvent], seq: int) -> Point:
    """The point before the event with this seq; inside of a delivery, the point before that delivery.

    Raises:
        UsageError: there is no such event, or nothing had been asked of the run.
    """
    event = _event(events, seq)
    delivery = _delivery_of(event)
    began = next((e for e in events if isinstance(e, DeliveryStarted) and e.delivery == delivery), None)
    if seq <= 2:
        return start(events)
    if began is None or began is event:
        return Point(seq - 1)
    note = (
        f"event {seq} is inside of a delivery to {began.agent}, which began with event {began.seq}; "
        "the fork begins there"
    )
    return Point(began.seq - 1, note)


def at_message(events: Sequence[AnyEvent], seq: int) -> Point:
    """The point before the message that the event with this seq sends or hands over.

    Raises:
        UsageError: it is no message.
    """
    event = _event(events, seq)
    message = event.message if isinstance(event, DeliveryStarted) else ""
    for found in (event, *events):
        if isinstance(found, MessageSent | MessagePublished) and (found is event or found.message == message):
            return Point(found.seq - 1, _elsewhere(seq, found), found)
    raise _not_a(event, "a message", _nearest(events, seq, (MessageSent, MessagePublished)))


def at_result(events: Sequence[AnyEvent], seq: int) -> Point:
    """The point before the result of the step that the event with this seq starts or ends.

    Raises:
        UsageError: it is no step, or the step has no result.
    """
    event = _event(events, seq)
    step = event.step if isinstance(event, StepStarted | StepCompleted) else ""
    for found in events:
        if isinstance(found, StepCompleted) and found.step == step:
            return Point(found.seq - 1, _elsewhere(seq, found), found)
    raise _not_a(event, "a step with a result", _nearest(events, seq, (StepCompleted,)))


async def fork(journal: Journal, run: str, order: ForkOrder, events: Sequence[AnyEvent]) -> RunForked:
    """Writes the beginning of the run `run`; `events` are the parent's. The run is then resumed like any other.

    Raises:
        UsageError: there is no such parent.
        CorruptEvent: the parent has no beginning.
        JournalError: it could not be made durable; there is no such run then.
    """
    began = sure_beginning(order.parent, [event for event in events if event.seq <= order.point.shared])
    edits = Payload.of([dict(edit) for edit in order.edits])
    set_ = _set(order, events)
    at = clock.time_s()
    first = RunForked(
        seq=order.point.shared + 1,
        at=at,
        parent=order.parent,
        name=began.name,
        spec=order.spec.digest if order.spec else began.spec,
        routes=order.routes.digest if order.routes else began.routes,
        edits=edits.digest,
        versions=dict(order.versions),
        set_until=order.point.shared + 2 if set_ else 0,
        live=tuple(order.live),
        allow=tuple(order.allow),
    )
    own: list[AnyEvent] = [first]
    if set_ is not None:
        own.append(msgspec.structs.replace(set_, seq=first.seq + 1, at=at))
    payloads = [payload for payload in (edits, order.content, order.spec, order.routes) if payload is not None]
    await journal.append(run, await journal.claim(run), own, {payload.digest: payload.data for payload in payloads})
    return first


def _set(order: ForkOrder, events: Sequence[AnyEvent]) -> AnyEvent | None:
    """The event that stands in place of the parent's; at the start of a run the first message is said in any case."""
    event = order.point.event or (_first_message(events) if order.point.shared == 1 else None)
    if event is None or order.content is None:
        return event
    if isinstance(event, StepCompleted):
        return msgspec.structs.replace(event, result=order.content.digest, failure=None, origin="set")
    return msgspec.structs.replace(event, payload=order.content.digest)


def _first_message(events: Sequence[AnyEvent]) -> MessageSent | None:
    return next((event for event in events if isinstance(event, MessageSent) and event.cause == ROOT), None)


def _event(events: Sequence[AnyEvent], seq: int) -> AnyEvent:
    if not 1 <= seq <= len(events):
        raise UsageError(f"found event {seq}, expected one from 1 to {len(events)}; `runs events` shows them")
    return events[seq - 1]


def _delivery_of(event: AnyEvent) -> str:
    """The delivery that an event is part of; empty for none."""
    match event:
        case MessageSent() | MessagePublished() | MessageCancelled():
            return event.cause
        case DeliveryStarted() | DeliveryCompleted() | StepStarted() | StepCompleted():
            return event.delivery
        case StepAsked() | StepDecided() | StepBegun():
            return event.delivery
        case _:
            return ""


def _elsewhere(seq: int, found: Editable) -> str:
    return "" if found.seq == seq else f"what event {seq} is about stands in event {found.seq}; the fork begins there"


def _nearest(events: Sequence[AnyEvent], seq: int, kinds: tuple[type, ...]) -> list[int]:
    places = [event.seq for event in events if isinstance(event, kinds)]
    return sorted(sorted(places, key=lambda place: abs(place - seq))[:3])


def _not_a(event: AnyEvent, expected: str, near: list[int]) -> UsageError:
    hint = f"; the nearest are events {', '.join(map(str, near))}" if near else ""
    return UsageError(f"event {event.seq}: found {type(event).__name__}, expected {expected}{hint}")
