"""One message handed to one agent, from handler start to handler end: the gate that the handler's code goes through.

A delivery counts what it does, so that its messages, steps, ids and readings of the clock get the names that they will
get again when the run is replayed. It is its handler's `Gate` (`runtime/steps.py`) and clock (`runtime/clock.py`).
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from runtime import clock, ids, steps
from runtime.blobs import digest
from runtime.clock import derived_id
from runtime.codec import canonical
from runtime.events import (
    AgentName,
    AnyEvent,
    Digest,
    MessageCancelled,
    MessagePublished,
    MessageSent,
    StepAsked,
    StepStarted,
    Topic,
)
from runtime.hosting.link_book import LinkBook
from runtime.mail_book import ROOM
from runtime.steps import Recorded, StepCall, StepResult
from runtime.team import CancelSignal


class Outbox(Protocol):
    """Where what an agent's code does is put, in the order in which it does it."""

    @property
    def links(self) -> LinkBook:
        """The links of the agent's prompts."""
        ...

    def propose(self, event: AnyEvent, blobs: dict[Digest, bytes]) -> None:
        """Proposes an event to the sequencer."""
        ...

    def permitted(self, call: StepCall) -> StepCall:
        """The call as it will happen: nobody is asked about an effect that a fork does not fire."""
        ...

    def standing_step(self, now: StepStarted) -> StepStarted:
        """The step itself, or the recorded one that stands for it."""
        ...

    async def room(self, step: str) -> StepResult:
        """Performs the step that waits for room in the mailboxes of others."""
        ...

    def expect_response(self, message: str) -> asyncio.Future[bytes]:
        """A future of the agent's loop for the response to a message."""
        ...

    def expect_step(self, started: StepStarted, call: StepCall) -> asyncio.Future[Recorded]:
        """A future of the agent's loop for a step's result, which the host performs or finds."""
        ...


WINDOW = 256
"""After how many messages a handler waits until those to whom it sends have room for more."""


@dataclass(slots=True)
class Delivery:
    """The counters and the way out of one handler."""

    id: str
    agent: AgentName
    outbox: Outbox
    time_of_release: Callable[[], float]
    cancelled: CancelSignal = field(default_factory=CancelSignal)
    _messages: int = 0
    _let_go: int = 0
    """How many messages there were when it last had waited for room."""
    _room: asyncio.Future[Recorded] | None = None
    _ids: int = 0
    _occurrences: dict[tuple[str, Digest], int] = field(default_factory=dict[tuple[str, Digest], int])

    def context(self) -> contextvars.Context:
        """A context in which this delivery is the gate and the clock."""
        context = contextvars.copy_context()
        context.run(steps.current.set, self)
        context.run(clock.current.set, self)
        return context

    # The clock

    @property
    def time_s(self) -> float:
        """When the agent last saw something, in seconds since 1970."""
        return self.time_of_release()

    def next_id(self) -> str:
        """The next derived id of this delivery: 32 hexadecimal digits."""
        self._ids += 1
        return derived_id(self.id, "id", self._ids, digits=32)

    # The gate

    async def step(self, call: StepCall) -> Recorded:
        """Answers from the record or performs."""
        call = self.outbox.permitted(call)
        started = self.start_step(call)
        return await self.outbox.expect_step(started, call)

    def start_step(self, call: StepCall) -> StepStarted:
        """Names the step and proposes its start."""
        request = digest(call.request)
        occurrence = self._occurrences.get((call.kind, request), 0)
        self._occurrences[call.kind, request] = occurrence + 1
        now = StepStarted(
            step=ids.step_id(self.id, call.kind, request, occurrence),
            delivery=self.id,
            kind=call.kind,
            name=call.name,
            request=request,
            occurrence=occurrence,
            effect=call.effect,
            is_metered=call.is_metered,
            tokens=call.tokens if call.is_metered else 0,
        )
        started = self.outbox.standing_step(now)
        if started is now:
            self.outbox.propose(started, {request: call.request, **call.blobs})
            self.outbox.links.sent(call.blobs)
        else:  # it is on record with its own request, and what is asked now is not
            self.outbox.propose(started, {})
        if call.approval:
            asked = StepAsked(step=started.step, delivery=self.id, why="approval", question=call.approval)
            self.outbox.propose(asked, {})
        return started

    async def room(self) -> None:
        """Waits, every `WINDOW` messages, until those to whom the last one goes have room for more.

        The wait is a step like any other, so what the agent sees afterwards comes in the order of the record.
        """
        while self._messages - self._let_go >= WINDOW:
            if self._room is None:
                call = StepCall("timer", ROOM, canonical({"after": self._messages}), self.outbox.room)
                self._room = self.outbox.expect_step(self.start_step(call), call)
            room = self._room
            await asyncio.shield(room)  # others wait for it too
            if self._room is room:
                self._room, self._let_go = None, self._messages

    def send(self, recipient: AgentName, payload: bytes, headers: dict[str, str]) -> tuple[str, asyncio.Future[bytes]]:
        """Sends a message; returns its id and a future for the response's payload."""
        message, body = self._next_message(), digest(payload)
        event = MessageSent(
            message=message, sender=self.agent, cause=self.id, recipient=recipient, payload=body, headers=headers
        )
        self.outbox.propose(event, {body: payload})
        return message, self.outbox.expect_response(message)

    def publish(self, topic: Topic, payload: bytes, headers: dict[str, str]) -> str:
        """Publishes a message; returns its id. The sequencer finds the subscribers."""
        message, body = self._next_message(), digest(payload)
        event = MessagePublished(
            message=message,
            sender=self.agent,
            cause=self.id,
            topic=topic,
            recipients=(),
            payload=body,
            headers=headers,
        )
        self.outbox.propose(event, {body: payload})
        return message

    def cancel(self, message: str) -> None:
        """Gives up waiting for a message's response."""
        self.outbox.propose(MessageCancelled(message=message, cause=self.id), {})

    def _next_message(self) -> str:
        self._messages += 1
        return ids.message_id(self.id, self._messages - 1)
