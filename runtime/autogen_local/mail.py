"""What waits in the queue of a `RayAgentRuntime`: messages that go out, and what came of those that were delivered."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autogen_core import AgentId, CancellationToken, TopicId
from autogen_core._telemetry import EnvelopeMetadata

from runtime.events import DeliveryStarted, MessageCancelled

if TYPE_CHECKING:
    from runtime.autogen_local.backlog import Account


@dataclass(slots=True)
class Here:
    """Whose handler runs: what it sends is caused by this delivery."""

    runtime: object
    delivery: str
    generation: int
    """How often the runtime had stopped when it began."""
    sent: int = 0
    """How many messages it has sent so far."""


here: ContextVar[Here | None] = ContextVar("repertory_autogen_here", default=None)


@dataclass(slots=True, kw_only=True)
class Outbound:
    """A message on its way out."""

    message: Any
    id: str
    """Its id in the journal."""
    given_id: str | None
    """The id that its sender chose for it."""
    cause: str
    sender: AgentId | None
    token: CancellationToken
    metadata: EnvelopeMetadata | None
    recipient: AgentId | None = None
    """Who it is for, when it is sent."""
    topic: TopicId | None = None
    """Where it goes to, when it is published."""
    future: asyncio.Future[Any] | None = None
    """Who awaits the response, when it is sent."""
    is_internal: bool = False
    """Whether its recipient does not exist, which its sender must learn even from a runtime that is not started."""
    account: Account | None = None
    """Where it counts as unfinished, if it does."""
    counted_bytes: int = 0
    """How much it counts there."""

    @property
    def visible_id(self) -> str:
        """The id that handlers see."""
        return self.given_id or self.id


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a delivery."""

    started: DeliveryStarted
    mail: Outbound
    response: Any = None
    error: BaseException | None = None
    is_internal: bool = False
    """Whether nobody awaits it as a message of its own: the end of a publish's delivery, or an error."""


@dataclass(slots=True, kw_only=True)
class GivenUp:
    """A request whose sender waits no more."""

    event: MessageCancelled
    is_internal: bool = True


Mail = Outbound | Outcome | GivenUp
