"""An agent's turn that ends with its token.

An `AssistantAgent` calls tools in a task of their own and waits for what that says; a cancelled one says nothing, so
the agent would wait for ever, and with it the run that is to be closed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage
from autogen_core import CancellationToken

from runtime.autogen_teams.steps import linked

Stream = AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]


@dataclass(frozen=True, slots=True)
class Turn:
    """Stands for an agent's own `on_messages_stream`."""

    own: Callable[[Sequence[BaseChatMessage], CancellationToken], Stream]

    async def __call__(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Stream:
        """What the agent says, until it is done or the token is cancelled."""
        async with aclosing(self.own(messages, cancellation_token)) as stream:
            while True:
                try:
                    said = await linked(anext(stream), cancellation_token)
                except StopAsyncIteration:
                    return
                yield said
