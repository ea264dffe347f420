"""What a run has done to the world, written down outside of its journal, so that the two can be compared.

A team that is built through here is the team of its specification, but for one thing: each step writes a line into a
file before it is performed, and one after it. The file knows nothing of the engine, is flushed line by line, and
outlives every process. Called by the chaos runs (`runtime/chaos.py`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import msgspec

from runtime import steps
from runtime.codec import Json
from runtime.events import AgentName, AnyEvent, Digest, EffectClass, StepKind, StepStarted
from runtime.hosting.delivery import Delivery, Outbox
from runtime.hosting.link_book import LinkBook
from runtime.steps import Recorded, StepCall, StepResult
from runtime.team import Agent, AgentFactory, AgentSpec, Incoming, Resources, Team, TeamSpec, find_builder

BUILDER = "runtime.killing.effects:build"
"""How a journal names this module's `build`."""


Phase = Literal["begun", "ended", "undone"]


class Effect(msgspec.Struct, frozen=True):
    """A line of the ledger: a step is about to be performed, was, or was undone."""

    step: str
    """Its id, which is also the key of an idempotent effect."""
    kind: StepKind
    name: str
    effect: EffectClass
    phase: Phase


class EffectLedger:
    """A file of effects, one JSON object a line; many processes append to it.

    It survives the death of a process in any case, and that of the machine where it `is_durable`.
    """

    def __init__(self, path: Path, *, is_durable: bool = True) -> None:
        self.path = path
        self._is_durable = is_durable

    def write(self, effect: Effect) -> None:
        """Adds a line; nothing after a power cut in this process."""
        if self.path in _CUT:
            return
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, msgspec.json.encode(effect) + b"\n")
            if self._is_durable:
                os.fsync(file)
        finally:
            os.close(file)

    def read(self) -> list[Effect]:
        """All lines so far."""
        lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        return [msgspec.json.decode(line, type=Effect) for line in lines]

    def cut(self) -> None:
        """From now on this process does nothing to the world: what a simulated crash leaves running must not."""
        _CUT.add(self.path)

    def mend(self) -> None:
        """Ends the power cut."""
        _CUT.discard(self.path)

    async def powered(self) -> None:
        """Returns at once, or, after a power cut, not before it is cancelled."""
        if self.path in _CUT:
            await asyncio.Event().wait()


_CUT: set[Path] = set()
"""The ledgers of runs whose process counts as dead."""


def watched(spec: TeamSpec, ledger: Path, *, keyed_as: str, is_durable: bool = True) -> TeamSpec:
    """The specification of the same team, whose effects are written into a ledger.

    Their keys name the run `keyed_as`, since agents may be told keys and pass them on: what they do can be compared
    with another performance only where these are the same.
    """
    kept: dict[str, Json] = {"path": str(ledger), "is_durable": is_durable}
    inner: dict[str, Json] = {"builder": spec.builder, "config": dict(spec.config)}
    config: dict[str, Json] = {**inner, "ledger": kept, "keyed_as": keyed_as}
    return TeamSpec(spec.name, BUILDER, config)


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """The team of a `watched` specification.

    Raises:
        UsageError: when the inner one cannot be built.
    """
    keyed = replace(resources, keyed_as=cast(str, config["keyed_as"]))
    inner = find_builder(cast(str, config["builder"]))(cast(Mapping[str, Json], config["config"]), keyed)
    kept = cast(Mapping[str, Json], config["ledger"])
    ledger = EffectLedger(Path(cast(str, kept["path"])), is_durable=bool(kept["is_durable"]))
    return replace(inner, agents={name: _watched(spec, ledger) for name, spec in inner.agents.items()})


def _watched(spec: AgentSpec, ledger: EffectLedger) -> AgentSpec:
    make: AgentFactory = spec.factory

    async def factory(name: AgentName) -> Agent:
        return _WatchedAgent(await make(name), ledger)

    return replace(spec, factory=factory)


@dataclass(frozen=True, slots=True)
class _WatchedAgent:
    """An agent whose deliveries go out through a `_WatchedOutbox`."""

    inner: Agent
    ledger: EffectLedger

    async def receive(self, incoming: Incoming) -> bytes:
        """See `Agent.receive`."""
        delivery = steps.current.get()
        if isinstance(delivery, Delivery):
            delivery.outbox = _WatchedOutbox(delivery.outbox, self.ledger, delivery.outbox.links)
        return await self.inner.receive(incoming)


@dataclass(slots=True)
class _WatchedOutbox:
    """An outbox that writes down when a step is performed; answers from the record are not written."""

    inner: Outbox
    ledger: EffectLedger
    links: LinkBook
    """See `Outbox.links`."""

    def propose(self, event: AnyEvent, blobs: dict[Digest, bytes]) -> None:
        """See `Outbox.propose`."""
        self.inner.propose(event, blobs)

    def permitted(self, call: StepCall) -> StepCall:
        """See `Outbox.permitted`."""
        return self.inner.permitted(call)

    def standing_step(self, now: StepStarted) -> StepStarted:
        """See `Outbox.standing_step`."""
        return self.inner.standing_step(now)

    async def room(self, step: str) -> StepResult:
        """See `Outbox.room`."""
        return await self.inner.room(step)

    def expect_response(self, message: str) -> asyncio.Future[bytes]:
        """See `Outbox.expect_response`."""
        return self.inner.expect_response(message)

    def expect_step(self, started: StepStarted, call: StepCall) -> asyncio.Future[Recorded]:
        """See `Outbox.expect_step`."""

        async def perform(key: str) -> StepResult:
            await self.ledger.powered()
            self.ledger.write(_line(started, key, "begun"))
            try:
                return await call.perform(key)
            finally:  # an error is an outcome too
                self.ledger.write(_line(started, key, "ended"))

        async def undo(key: str) -> None:
            await self.ledger.powered()
            if call.undo is not None:
                await call.undo(key)
            self.ledger.write(_line(started, key, "undone"))

        undoing = None if call.undo is None else undo
        return self.inner.expect_step(started, msgspec.structs.replace(call, perform=perform, undo=undoing))


def _line(started: StepStarted, key: str, phase: Phase) -> Effect:
    return Effect(key, started.kind, started.name, started.effect, phase)
