"""The only gate to the outside world: what an agent asks of a model, a tool, a memory, a person or a clock is a step.

A step is named by where it comes from (delivery, kind, request, occurrence). If its result is recorded, the agent gets
the record; otherwise it is performed, recorded, and only when the record is durable does the agent see it, in the order
of the records. The gate of the delivery that runs is in `current`; wrappers (`runtime/journaled.py`) go through
`perform` and so need no more than this module.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Protocol

import msgspec

from runtime.codec import Json, canonical
from runtime.errors import UsageError
from runtime.events import Digest, EffectClass, StepKind


class StepResult(msgspec.Struct, frozen=True):
    """What performing a step brought."""

    value: Json
    usage: Mapping[str, int] = {}
    """Tokens, by `input_tokens` and `output_tokens`."""
    attempts: int = 1


class StepCall(msgspec.Struct, frozen=True):
    """A side effect that an agent asks for."""

    kind: StepKind
    name: str
    request: bytes
    """What is asked, canonical: equal requests have equal bytes."""
    perform: Callable[[str], Awaitable[StepResult]]
    """Does it; gets the step's id, which is the key of an idempotent effect."""
    effect: EffectClass = "read"
    blobs: Mapping[Digest, bytes] = {}
    """What the request refers to: a prompt's links."""
    approval: str = ""
    """What a person is asked before it may happen; empty when nobody is."""
    undo: Callable[[str], Awaitable[None]] | None = None
    """Undoes it, given the step's id, whether or not it has happened: what a compensable effect must offer."""
    is_metered: bool = False
    """Whether it happens only when the run's budget has let it through."""
    tokens: int = 0
    """About how many input tokens it takes."""


class NeedsPerson(Exception):
    """Raised by what performs a step: only a person can say its result; the run waits for `repertory answer`."""


class Recorded(msgspec.Struct, frozen=True):
    """A step's result as the journal has it."""

    step: str
    value: Json


class Gate(Protocol):
    """What a delivery offers to the wrappers."""

    async def step(self, call: StepCall) -> Recorded:
        """Answers from the record or performs.

        Raises:
            Exception: what the performing raised, with its type.
        """
        ...


current: ContextVar[Gate | None] = ContextVar("repertory_gate", default=None)
"""The gate of the delivery that runs; None outside of deliveries."""


async def perform(call: StepCall) -> Recorded:
    """Sends a call through the gate of the delivery that runs.

    Raises:
        UsageError: outside of a delivery, where nothing could be recorded.
    """
    gate = current.get()
    if gate is None:
        raise UsageError(f"{call.kind} {call.name!r} was called outside of a message handler; nothing would record it")
    return await gate.step(call)


async def read_clock() -> float:
    """The machine's time now, in seconds since 1970 (UTC), as a step; `clock.time_s()` is that of the last release."""
    from runtime import clock

    async def read(_: str) -> StepResult:
        return StepResult(clock.time_s())

    recorded = await perform(StepCall("clock", "time", canonical(None), read))
    return msgspec.convert(recorded.value, float)
