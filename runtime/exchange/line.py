"""How the driver of a run talks to its agents where that is more than one question."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from runtime.errors import RepertoryError, RunError
from runtime.events import AgentName, Failure
from runtime.failures import revive


@dataclass(frozen=True, slots=True)
class Answer:
    """How a message of the driver was answered."""

    payload: bytes | None
    """The response's payload; None where the recipient failed."""
    failure: Failure | None = None
    at: float | None = None
    """When it answered, in seconds since 1970."""


class Line(Protocol):
    """What a driver can do in its run: see `Converse`."""

    async def ask(self, ordinal: int, recipient: AgentName, payload: bytes) -> Answer:
        """Sends the driver's message of this number, which is taken once, and waits for the answer.

        Raises:
            Exception: why the run does not go on.
        """
        ...

    async def cancel(self, ordinal: int) -> None:
        """Gives up waiting for a message's answer."""
        ...


Converse = Callable[[Line], Awaitable[bytes]]
"""What a driver does in its run where that is more than one question; returns the payload that is the run's result."""


def answered(answer: Answer) -> bytes:
    """The payload of an answer.

    Raises:
        RepertoryError: what the recipient failed with.
    """
    if answer.failure is not None:
        raise run_error(answer.failure)
    assert answer.payload is not None, "who did not fail has answered"
    return answer.payload


def run_error(failure: Failure) -> RepertoryError:
    """A failure as an error that a run may end with."""
    error = revive(failure)
    return error if isinstance(error, RepertoryError) else RunError(str(error))
