"""What `RayAgentRuntime` raises: our own errors, each also of the type that autogen-core's callers catch."""

from __future__ import annotations

from runtime.errors import RunError, Undeliverable, UsageError


class UnknownAgent(Undeliverable, LookupError):
    """A message or a call names an agent type that nobody has registered."""


class UnregisteredInstance(Undeliverable, RuntimeError):
    """An agent type is one of registered instances, and none was registered under this key."""


class RuntimeStopped(RunError):
    """The runtime stopped before the message was handed to anyone, so its answer will never come."""


class RegistrationError(UsageError, ValueError):
    """An agent type, instance or subscription cannot be registered (again), or is not what was expected."""


class WrongAgentType(UsageError, TypeError):
    """An agent is not of the class that was asked for."""


class WrongAddress(UsageError, TypeError):
    """A message is sent to what is no agent's id, or published to what is no topic's."""


class WrongState(UsageError, RuntimeError):
    """The runtime is not started, or started already."""
