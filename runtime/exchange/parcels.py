"""What the sequencer hands to a host: a numbered event with all that the agent needs to see of it."""

from __future__ import annotations

import msgspec

from runtime.events import AgentName, AnyEvent, RunForked, StepStarted
from runtime.mail_book import Message


class ForkPast(msgspec.Struct, frozen=True):
    """What a host must know of a fork before it takes its first parcel."""

    fork: RunForked
    recorded: tuple[StepStarted, ...]
    """The steps that the agents asked for before the fork point."""


class Parcel(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One release to one agent, or to the driver. Parcels reach a host in the order of their events."""

    run: str
    event: AnyEvent
    to: AgentName | None = None
    """The agent; None when it is for the driver or for the whole host."""
    message: Message | None = None
    """The message that a `DeliveryStarted` hands over."""
    payload: bytes | None = None
    """The message's, response's or result's bytes, where the host does not have them itself."""
    is_past: bool = False
    """Whether it was handed out before, to a host that is gone: the agent does again what it did, without its steps."""
    completed: tuple[str, ...] = ()
    """With the first parcel of an agent's past: its steps whose results are on record and come later in it."""
    state: bytes | None = None
    """With a `DeliveryStarted` that wakes the agent: what it saved."""
