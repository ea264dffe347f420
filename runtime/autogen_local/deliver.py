"""Handing over the mail of a `RayAgentRuntime`: into the journal first, then to handlers and to who awaits an answer.

One batch at a time, in the order of the queue; within it handlers start in the order of the journal. Called by
`runtime/autogen_local/runtime.py` only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from autogen_core import AgentId, AgentRuntime, MessageContext
from autogen_core._message_handler_context import MessageHandlerContext
from autogen_core._runtime_impl_helpers import SubscriptionManager
from autogen_core.exceptions import MessageDroppedException
from autogen_core.logging import DeliveryStage, MessageKind
from opentelemetry.trace import Span

from runtime.autogen_local.agents import Agents
from runtime.autogen_local.backlog import Backlog
from runtime.autogen_local.errors import RuntimeStopped, UnknownAgent
from runtime.autogen_local.intervene import Interventions
from runtime.autogen_local.mail import GivenUp, Here, Mail, Outbound, Outcome, here
from runtime.autogen_local.queue import MailQueue
from runtime.autogen_local.record import RunRecord, payload, size_bytes
from runtime.autogen_local.trace import Observers
from runtime.blobs import digest
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Digest,
    MessagePublished,
    MessageSent,
    Topic,
)
from runtime.failures import describe
from runtime.letters import Letters


@dataclass(frozen=True, slots=True)
class Parts:
    """What a runtime is made of."""

    runtime: AgentRuntime
    is_pumping: Callable[[], bool]
    """Whether the runtime hands mail over by itself."""
    agents: Agents
    subscriptions: SubscriptionManager
    queue: MailQueue
    interventions: Interventions
    observers: Observers
    letters: Letters
    backlog: Backlog | None
    """None where messages are objects of this process, which nobody waits for."""


class Deliveries:
    """What has been handed over and is not finished."""

    def __init__(self, parts: Parts, record: RunRecord, *, ignores_errors: bool) -> None:
        self.record = record
        self.generation = 0
        """How often it was halted; handlers of an earlier generation send nothing more."""
        self.fault: BaseException | None = None
        """What the next `stop` or `process_next` raises."""
        self._parts = parts
        self._ignores_errors = ignores_errors
        self._running: dict[str, asyncio.Task[None]] = {}
        self._handing_over = 0
        self._flushes: set[asyncio.Task[None]] = set()
        self._sent: dict[str, Outbound] = {}
        """Messages that somebody still handles, by their ids."""
        self._open: dict[str, tuple[int, Span]] = {}
        """For each publish that is still handled: how many handlers are left, and its span."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits, is handed over, or runs."""
        waits = self._parts.backlog is not None and self._parts.backlog.is_awaited
        return self._parts.queue.is_empty and not self._handing_over and not self._running and not waits

    def raise_fault(self) -> None:
        """Raises the first fault, once."""
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault

    # From the queue

    async def step(self, limit: int) -> None:
        """Hands over up to `limit` messages, in one append."""
        async with self._parts.queue.lock():
            await self._hand_over(self._parts.queue.take(limit))

    def flush_soon(self) -> None:
        """Sees to it that errors and ends reach the record and their waiters, even if nobody processes messages."""
        if not self._parts.is_pumping():
            self._flushes.add(task := asyncio.get_running_loop().create_task(self._flush()))
            task.add_done_callback(self._flushes.discard)

    async def _flush(self) -> None:
        async with self._parts.queue.lock():
            await self._hand_over(self._parts.queue.take_internal())

    def halt(self) -> None:
        """Nothing more is handed over: whoever awaits what still waits is told so."""
        self.generation += 1
        stopped = RuntimeStopped("the runtime stopped before the message was handed over; start it and send again")
        if self._parts.backlog is not None:
            self._parts.backlog.halt(stopped)
        for mail in self._parts.queue.drop_outbound():
            _fail(mail, stopped)
            self._finished(mail)

    async def halted(self) -> None:
        """Halts, and hands the outcomes that lie there to their waiters."""
        self.halt()
        await self._flush()

    async def end_run(self) -> None:
        """Ends the run in the journal, once its last handler has ended."""
        await self._flush()
        await self.record.end()

    async def _hand_over(self, mails: Sequence[Mail]) -> None:
        if not mails:
            return
        self._handing_over += 1
        try:
            await self._record_and_release(mails)
        except Exception as error:
            self.fault = self.fault or error
            for mail in mails:
                if not isinstance(mail, GivenUp):
                    failed = mail.mail if isinstance(mail, Outcome) else mail
                    _fail(failed, error)
                    self._finished(failed)
        finally:
            self._handing_over -= 1
            self._parts.queue.signal()

    async def _record_and_release(self, mails: Sequence[Mail]) -> None:
        proposed: list[AnyEvent] = []
        blobs: dict[Digest, bytes] = {}
        for mail in mails:
            event = await self._event(mail, blobs)
            if event is not None:
                proposed.append(event)
        if self.record.has_ended:
            self.record = self.record.next()
        parts = self._parts
        durable = await self.record.write(proposed, blobs, parts.agents.types, parts.subscriptions.subscriptions)
        for event in durable:
            self._release(event)
        for mail in mails:
            if isinstance(mail, Outcome):
                self._settle(mail)

    # Into events

    async def _event(self, mail: Mail, blobs: dict[Digest, bytes]) -> AnyEvent | None:
        match mail:
            case Outbound():
                return await self._outbound(mail, blobs)
            case Outcome():
                return await self._completed(mail, blobs)
            case GivenUp():
                return mail.event
            case _:
                assert_never(mail)

    async def _outbound(self, mail: Outbound, blobs: dict[Digest, bytes]) -> MessageSent | MessagePublished | None:
        if not mail.is_internal:
            try:
                mail.message = await self._parts.interventions.outbound(mail)
            except BaseException as error:
                self._refused(mail, error)
                return None
        body = payload(mail.message, self._parts.letters)
        blobs[digest(body)] = body
        self._sent[mail.id] = mail
        if self._parts.backlog is not None and (size := size_bytes(body)) is not None:
            self._parts.backlog.weighed(mail, size)
        headers = {} if mail.given_id is None else {"message_id": mail.given_id}
        sender = None if mail.sender is None else _name(mail.sender)
        if mail.recipient is not None:
            return MessageSent(
                message=mail.id,
                sender=sender,
                cause=mail.cause,
                recipient=_name(mail.recipient),
                payload=digest(body),
                headers=headers,
            )
        assert mail.topic is not None
        found = await self._parts.subscriptions.get_subscribed_recipients(mail.topic)
        recipients = tuple(dict.fromkeys(_name(agent) for agent in found if agent != mail.sender))
        return MessagePublished(
            message=mail.id,
            sender=sender,
            cause=mail.cause,
            topic=Topic(mail.topic.type, mail.topic.source),
            recipients=recipients,
            payload=digest(body),
            headers=headers,
        )

    def _refused(self, mail: Outbound, error: BaseException) -> None:
        """An intervention handler dropped a message or failed: its sender learns it, which a publisher cannot."""
        self._finished(mail)
        if mail.recipient is not None:
            _fail(mail, error)
        elif not isinstance(error, MessageDroppedException) and not self._ignores_errors:
            self.fault = self.fault or error

    async def _completed(self, outcome: Outcome, blobs: dict[Digest, bytes]) -> DeliveryCompleted:
        if outcome.error is None and outcome.mail.future is not None:
            try:
                outcome.response = await self._parts.interventions.response(outcome)
            except BaseException as error:
                outcome.error = error
        body = None
        if outcome.error is None:
            body = payload(outcome.response if outcome.mail.future is not None else None, self._parts.letters)
            blobs[digest(body)] = body
        return DeliveryCompleted(
            delivery=outcome.started.delivery,
            message=outcome.started.message,
            agent=outcome.started.agent,
            response=None if body is None else digest(body),
            failure=None if outcome.error is None else describe(outcome.error),
        )

    # Out of events

    def _release(self, event: AnyEvent) -> None:
        if isinstance(event, DeliveryStarted):
            self._start(event)
        elif isinstance(event, DeliveryCompleted) and event.delivery not in self._running and event.failure is not None:
            mail = self._sent.get(event.message)
            if mail is not None and mail.is_internal:
                _fail(mail, UnknownAgent(event.failure.message))
                self._finished(self._sent.pop(event.message))
        elif isinstance(event, MessagePublished):
            self._open_publish(event)

    def _open_publish(self, event: MessagePublished) -> None:
        mail = self._sent[event.message]
        has_handlers = bool(event.recipients)
        with self._parts.observers.block(
            "publish", mail.topic, mail.metadata, is_ended_on_exit=not has_handlers
        ) as span:
            if has_handlers:
                self._open[event.message] = (len(event.recipients), span)
            else:
                self._finished(self._sent.pop(event.message))

    def _start(self, started: DeliveryStarted) -> None:
        mail = self._sent[started.message]
        if self._parts.backlog is not None:
            self._parts.backlog.began(started.delivery, mail)
        task = asyncio.get_running_loop().create_task(self._deliver(started, mail))
        self._running[started.delivery] = task

    async def _deliver(self, started: DeliveryStarted, mail: Outbound) -> None:
        here.set(Here(self._parts.runtime, started.delivery, self.generation))
        generation = self.generation
        outcome = Outcome(started=started, mail=mail, is_internal=mail.future is None)
        try:
            outcome.response = await self._handled(mail, AgentId(started.agent.type, started.agent.key))
        except BaseException as error:
            outcome.error = error
            outcome.is_internal = True
            self._parts.observers.failed(mail.message, AgentId(started.agent.type, started.agent.key), error)
            if mail.future is None and not self._ignores_errors:
                self.fault = self.fault or error
        outcome.is_internal = outcome.is_internal or generation != self.generation
        self._parts.queue.put(outcome)
        del self._running[started.delivery]
        if self._parts.backlog is not None:
            self._parts.backlog.ended(started.delivery)
        if outcome.is_internal:
            self.flush_soon()

    async def _handled(self, mail: Outbound, agent_id: AgentId) -> Any:
        kind = MessageKind.PUBLISH if mail.future is None else MessageKind.DIRECT
        self._parts.observers.moved(mail.message, mail.sender, agent_id, kind, DeliveryStage.DELIVER)
        if mail.future is None:
            return await self._processed(mail, agent_id)
        with self._parts.observers.block("send", agent_id, mail.metadata):
            return await self._processed(mail, agent_id)

    async def _processed(self, mail: Outbound, agent_id: AgentId) -> Any:
        agent = await self._parts.agents.get(agent_id)
        context = MessageContext(
            sender=mail.sender,
            topic_id=mail.topic,
            is_rpc=mail.topic is None,
            cancellation_token=mail.token,
            message_id=mail.visible_id,
        )
        with (
            self._parts.observers.processing(agent, mail.sender, mail.metadata),
            MessageHandlerContext.populate_context(agent_id),
        ):
            return await agent.on_message(mail.message, ctx=context)

    def _settle(self, outcome: Outcome) -> None:
        mail = outcome.mail
        if mail.future is None:
            self._close_publish(outcome.started.message)
            return
        self._sent.pop(outcome.started.message, None)
        self._finished(mail)
        if outcome.error is not None:
            _fail(mail, outcome.error)
            return
        assert mail.recipient is not None
        with self._parts.observers.block("ack", mail.sender, mail.metadata):
            self._parts.observers.moved(
                outcome.response, mail.recipient, mail.sender, MessageKind.RESPOND, DeliveryStage.DELIVER
            )
            if not mail.future.done():
                mail.future.set_result(outcome.response)

    def _close_publish(self, message: str) -> None:
        left, span = self._open.pop(message)
        if left > 1:
            self._open[message] = (left - 1, span)
            return
        span.end()
        self._finished(self._sent.pop(message))

    def _finished(self, mail: Outbound) -> None:
        if self._parts.backlog is not None:
            self._parts.backlog.finished(mail)


def _fail(mail: Outbound, error: BaseException) -> None:
    if mail.future is not None and not mail.future.done():
        mail.future.set_exception(error)


def _name(agent: AgentId) -> AgentName:
    return AgentName(agent.type, agent.key)
