"""What `RayAgentRuntime` raises where agents live on hosts: our own errors, each also of a type that callers catch."""

from __future__ import annotations

from runtime.autogen_local.errors import WrongAgentType
from runtime.errors import RunError


class CannotTravel(RunError, TypeError):
    """A message, response or factory cannot go from one process to another, or cannot be made there."""


class NotLoadable(CannotTravel):
    """A factory reached a host, which cannot import what it is made of."""


class HostLost(RunError, ConnectionError):
    """The process of a host ended while an agent there handled a message; what it had done of it is not known."""


class LivesElsewhere(WrongAgentType):
    """An agent's object was asked for, and is in another process; messages and `save_state` tell what it knows."""
