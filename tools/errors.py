"""What a tool function may raise. What the model should correct is a value instead: `tools.outcome.ToolRetry`."""

from __future__ import annotations

from pydantic import JsonValue

from runtime.errors import RunError


class ToolFault(RunError):
    """The call failed for good; `code` says why, `value` may hold facts that help to plan anew."""

    def __init__(self, code: str, message: str, *, value: JsonValue = None) -> None:
        super().__init__(message)
        self.code = code
        self.value = value

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed a little later; such faults are retried."""
        return False


class TransientFault(ToolFault):
    """The call failed, nothing has happened, and the same call may succeed a little later.

    A tool whose effect cannot be repeated may raise it only when it is sure that nothing has happened.
    """

    def __init__(self, message: str, *, code: str = "unavailable") -> None:
        super().__init__(code, message)

    @property
    def is_transient(self) -> bool:
        """Always true."""
        return True
