"""What a `RayAgentRuntime` tells observers: autogen-core's own log events and spans."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from autogen_core import Agent, AgentId, TopicId
from autogen_core._telemetry import EnvelopeMetadata, MessageRuntimeTracingConfig, TraceHelper
from autogen_core._telemetry._tracing_config import MessagingOperation
from autogen_core.logging import (
    DeliveryStage,
    MessageDroppedEvent,
    MessageEvent,
    MessageHandlerExceptionEvent,
    MessageKind,
)
from opentelemetry.trace import (
    INVALID_SPAN,
    NoOpTracer,
    ProxyTracer,
    Span,
    TracerProvider,
    get_tracer_provider,
)

events = logging.getLogger("autogen_core.events")


_UNSEEN = nullcontext(INVALID_SPAN)
"""Stands for a span that nobody would see: making one takes longer than handing a message over."""


class Observers:
    """The ways out to logs and traces; `payload` writes a message as text, and is called only when someone listens."""

    def __init__(self, provider: TracerProvider | None, payload: Callable[[Any], str]) -> None:
        get_tracer_provider()  # makes the one that the environment names
        self._helper = TraceHelper(provider, MessageRuntimeTracingConfig("RayAgentRuntime"))
        self._payload = payload

    def block(
        self,
        operation: MessagingOperation,
        where: AgentId | TopicId | str | None,
        parent: EnvelopeMetadata | None = None,
        *,
        is_ended_on_exit: bool = True,
    ) -> AbstractContextManager[Span]:
        """A span around something that the runtime does with a message."""
        if not self._is_traced():
            return _UNSEEN
        return self._helper.trace_block(operation, where, parent=parent, end_on_exit=is_ended_on_exit)

    def processing(self, agent: Agent, sender: AgentId | None, parent: EnvelopeMetadata | None) -> Any:
        """The span around a handler."""
        if not self._is_traced():
            return _UNSEEN
        attributes = {"recipient_agent_type": agent.id.type, "recipient_agent_class": type(agent).__name__}
        if sender is not None:
            attributes["sender_agent_type"] = sender.type
        return self._helper.trace_block("process", agent.id, parent=parent, attributes=attributes)

    def _is_traced(self) -> bool:
        """Whether spans go anywhere; a provider may be set at any time."""
        tracer = self._helper.tracer
        if isinstance(tracer, ProxyTracer):  # asking for the provider reads the environment each time
            tracer = tracer._tracer  # pyright: ignore[reportPrivateUsage]
        return not isinstance(tracer, NoOpTracer)

    def moved(
        self,
        message: Any,
        sender: AgentId | None,
        receiver: AgentId | TopicId | None,
        kind: MessageKind,
        stage: DeliveryStage,
    ) -> None:
        """A message was sent or delivered."""
        if events.isEnabledFor(logging.INFO):
            payload = self._payload(message)
            events.info(
                MessageEvent(payload=payload, sender=sender, receiver=receiver, kind=kind, delivery_stage=stage)
            )

    def dropped(
        self, message: Any, sender: AgentId | None, receiver: AgentId | TopicId | None, kind: MessageKind
    ) -> None:
        """An intervention handler dropped a message."""
        if events.isEnabledFor(logging.INFO):
            events.info(
                MessageDroppedEvent(payload=self._payload(message), sender=sender, receiver=receiver, kind=kind)
            )

    def failed(self, message: Any, agent: AgentId, error: BaseException) -> None:
        """A handler raised."""
        if events.isEnabledFor(logging.INFO):
            events.info(
                MessageHandlerExceptionEvent(payload=self._payload(message), handling_agent=agent, exception=error)
            )
