"""What `RayAgentRuntime` raises where agents live on hosts: our own errors, each also of a type that callers catch."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.autogen_local.errors import WrongAgentType
from runtime.errors import RunError


class CannotTravel(RunError, TypeError):
    """A message, response or factory cannot go from one process to another, or cannot be made there."""


class NotLoadable(CannotTravel):
    """A factory reached a host, which cannot import what it is made of."""


class HostLost(RunError, ConnectionError):
    """The process of a host ended while an agent there handled a message; what it had done of it is not known."""


class NodeGone(HostLost):
    """A host will not be back, since its node is gone; its agents are made on another one."""

    def __init__(self, message: str, left: Sequence[str]) -> None:
        super().__init__(message)
        self.left = tuple(left)
        """The nodes that there are."""


class LivesElsewhere(WrongAgentType):
    """An agent's object was asked for, and is in another process; messages and `save_state` tell what it knows."""
