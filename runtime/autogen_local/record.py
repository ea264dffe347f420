"""The journal's side of a `RayAgentRuntime`: what its agents say is numbered by a `Sequencer` and made durable.

Messages travel inside of the process as the objects that they are; the record has their bytes, or, where an object has
none, its type's name. Called by `runtime/autogen_local/runtime.py` only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from autogen_core import Subscription, TypePrefixSubscription, TypeSubscription

from runtime import clock
from runtime.blobs import digest
from runtime.codec import canonical
from runtime.errors import UsageError
from runtime.events import AnyEvent, Digest, Listening, RoutesChanged, RunCompleted, RunStarted
from runtime.journal import Journal
from runtime.letters import Letters
from runtime.performance import given_run_id
from runtime.routing import AgentPolicy, Placement, Routes
from runtime.sequencer import Sequencer
from runtime.team import Resources, Team
from runtime.versions import versions

BUILDER = "runtime.autogen_local.record:refuse"
OPAQUE = "opaque"
"""The type name of a message that has no bytes."""
_OPAQUE_END = canonical({"type": OPAQUE}).removeprefix(b"{")


def refuse(config: Mapping[str, Any], resources: Resources) -> Team:
    """Stands as the builder of such runs: their agents live in the program that made them.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        f"run {resources.run!r} was performed inside of a program, by agents that only it can make; its record "
        "can be read, not performed again. Describe the team as a scenario to replay, resume and fork its runs"
    )


def payload(message: Any, letters: Letters) -> bytes:
    """The bytes of a message for the record; of one that has none, its type and why."""
    try:
        return letters.encode(message)
    except Exception as error:  # whatever a serializer says: the object itself arrives all the same
        name = f"{type(message).__module__}:{type(message).__qualname__}"
        return canonical({"type": OPAQUE, "data": {"class": name, "why": str(error)}})


def size_bytes(body: bytes) -> int | None:
    """How large the message of a payload is; None where the record has not got it."""
    return None if body.endswith(_OPAQUE_END) else len(body)


class RunRecord:
    """One run of a runtime, from its first message to its end."""

    def __init__(self, journal: Journal, run: str | None) -> None:
        self.run = given_run_id(run)
        self._journal = journal
        self._core: Sequencer | None = None
        self._epoch = 0
        self._types: tuple[str, ...] = ()
        self._listening: tuple[Listening, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether the run has its last event."""
        return self._core is not None and self._core.has_ended

    def next(self) -> RunRecord:
        """The record of the run after this one, in the same journal."""
        return RunRecord(self._journal, None)

    async def write(
        self,
        proposed: Iterable[AnyEvent],
        blobs: dict[Digest, bytes],
        types: tuple[str, ...],
        subscriptions: Iterable[Subscription],
    ) -> list[AnyEvent]:
        """Numbers events and what follows from them, under the present routes; returns them when they are durable.

        Raises:
            UsageError: the run exists already.
            JournalError: they cannot be made durable.
        """
        listening = tuple(found for subscription in subscriptions if (found := _listening(subscription)) is not None)
        at = clock.time_s()
        if self._core is None:
            self._epoch = await self._claimed()
            first, core, blobs = self._begun(types, listening, blobs)
            self._core = core
            proposed = [first, *proposed]
        elif (change := self._change(types, listening)) is not None:
            proposed = [change, *proposed]
        self._types, self._listening = types, listening
        numbered = [outgoing.event for event in proposed for outgoing in self._core.take(event, at=at)]
        await self._journal.append(self.run, self._epoch, numbered, blobs)
        return numbered

    async def end(self) -> None:
        """Ends the run, if it was begun; the last event waits for the handlers that still run."""
        if self._core is None or self._core.has_ended:
            return
        result = canonical(None)
        ended = self._core.take(RunCompleted(result=digest(result)), at=clock.time_s())
        events = [outgoing.event for outgoing in ended]
        await self._journal.append(self.run, self._epoch, events, {digest(result): result})

    async def _claimed(self) -> int:
        if await self._journal.events(self.run):
            raise UsageError(f"a run {self.run!r} exists already; choose another id")
        return await self._journal.claim(self.run)

    def _begun(
        self, types: tuple[str, ...], listening: tuple[Listening, ...], blobs: dict[Digest, bytes]
    ) -> tuple[RunStarted, Sequencer, dict[Digest, bytes]]:
        policy = AgentPolicy(concurrent=True, placement=Placement(where="local"))
        routes = Routes(dict.fromkeys(types, policy)).changed(RoutesChanged(subscribed=listening))
        encoded, spec = msgspec.json.encode(routes, order="deterministic"), canonical({})
        first = RunStarted(
            name="autogen", builder=BUILDER, spec=digest(spec), routes=digest(encoded), versions=versions()
        )
        return first, Sequencer(routes), {**blobs, first.spec: spec, first.routes: encoded}

    def _change(self, types: tuple[str, ...], listening: tuple[Listening, ...]) -> RoutesChanged | None:
        if types == self._types and listening == self._listening:
            return None
        return RoutesChanged(
            types=dict.fromkeys((name for name in types if name not in self._types), True),
            subscribed=tuple(found for found in listening if found not in self._listening),
            unsubscribed=tuple(found for found in self._listening if found not in listening),
        )


def _listening(subscription: Subscription) -> Listening | None:
    """The subscription as a fact; None for a class of its own, whose recipients are recorded with each publish."""
    if isinstance(subscription, TypeSubscription):
        return (subscription.topic_type, subscription.agent_type, False)
    if isinstance(subscription, TypePrefixSubscription):
        return (subscription.topic_type_prefix, subscription.agent_type, True)
    return None
