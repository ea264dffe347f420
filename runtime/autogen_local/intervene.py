"""Intervention handlers of a `RayAgentRuntime`: they see what is handed over, and may change or drop it."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from autogen_core import DropMessage, InterventionHandler, MessageContext
from autogen_core.exceptions import MessageDroppedException
from autogen_core.logging import MessageKind

from runtime.autogen_local.mail import Outbound, Outcome
from runtime.autogen_local.trace import Observers


class Interventions:
    """The handlers, asked one after the other; each sees what the one before has left."""

    def __init__(self, handlers: Sequence[InterventionHandler] | None, observers: Observers) -> None:
        self._handlers = tuple(handlers or ())
        self._observers = observers

    def __bool__(self) -> bool:
        return bool(self._handlers)

    async def outbound(self, mail: Outbound) -> Any:
        """The message as it may go out.

        Raises:
            MessageDroppedException: when a handler dropped it.
            Exception: what a handler raised.
        """
        context = MessageContext(
            sender=mail.sender,
            topic_id=mail.topic,
            is_rpc=mail.topic is None,
            cancellation_token=mail.token,
            message_id=mail.visible_id,
        )

        async def ask(handler: InterventionHandler, message: Any) -> Any:
            with self._observers.block("intercept", type(handler).__name__, mail.metadata):
                if mail.recipient is not None:
                    return await handler.on_send(message, message_context=context, recipient=mail.recipient)
                return await handler.on_publish(message, message_context=context)

        try:
            return await self._ask_all(mail.message, ask)
        except MessageDroppedException:
            kind = MessageKind.PUBLISH if mail.topic is not None else MessageKind.DIRECT
            self._observers.dropped(mail.message, mail.sender, mail.topic or mail.recipient, kind)
            raise

    async def response(self, outcome: Outcome) -> Any:
        """The response as it may go back. Raises as `outbound` does."""
        sender, recipient = outcome.mail.recipient, outcome.mail.sender
        assert sender is not None, "only a sent message has a response"

        async def ask(handler: InterventionHandler, message: Any) -> Any:
            return await handler.on_response(message, sender=sender, recipient=recipient)

        try:
            return await self._ask_all(outcome.response, ask)
        except MessageDroppedException:
            self._observers.dropped(outcome.response, sender, recipient, MessageKind.RESPOND)
            raise

    async def _ask_all(self, message: Any, ask: Callable[[InterventionHandler, Any], Awaitable[Any]]) -> Any:
        for handler in self._handlers:
            message = await ask(handler, message)
            if message is None:
                warnings.warn(
                    f"intervention handler {type(handler).__name__} returned None; return the message, or DropMessage",
                    RuntimeWarning,
                    stacklevel=2,
                )
            if message is DropMessage or isinstance(message, DropMessage):
                raise MessageDroppedException
        return message
