"""The actors of a run on Ray: the sequencer service in one, a host of agents in each of the others.

Thin shells around `runtime/service.py` and `runtime/host.py`: an actor method per channel method, nothing decided here.
Who makes them and minds them is in `runtime/crew.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from runtime.actor_channel import ActorChannel
from runtime.channel import Held, HostReplaced, Loss, Past, RunOrder
from runtime.codec import parse
from runtime.collector import collect_rarely
from runtime.events import AnyEvent, Digest, StepStarted
from runtime.host import Host, Part, fork_part
from runtime.host_life import attend
from runtime.journal_address import JournalAddress, open_journal
from runtime.parcels import Parcel
from runtime.placement import HostInfo
from runtime.recollection import Recalled
from runtime.service import SequencerService
from runtime.team import Resources, find_builder

log = structlog.get_logger(__name__)


class SequencerActor:
    """The sequencer service with its journal, in an actor of its own. See `runtime.channel.Channel`."""

    def __init__(self, journal: JournalAddress, hosts: Sequence[HostInfo]) -> None:
        collect_rarely()
        self._service = SequencerService(open_journal(journal), hosts)

    async def open(self, order: RunOrder) -> None:
        """See `Channel.open`."""
        await self._service.open(order)

    async def submit(
        self, run: str, events: list[AnyEvent], blobs: dict[Digest, bytes], host: str = "", life: int = 0
    ) -> None:
        """See `Channel.submit`."""
        await self._service.submit(run, events, blobs, host, life)

    async def pull(self, host: str, after: int, life: int = 0) -> tuple[int, list[Parcel]]:
        """See `Channel.pull`."""
        return await self._service.pull(host, after, life)

    async def watch(self, run: str, after: int) -> list[AnyEvent]:
        """See `Channel.watch`."""
        return await self._service.watch(run, after)

    async def resume(self, run: str, driver: str) -> Past:
        """See `Channel.resume`."""
        return await self._service.resume(run, driver)

    async def rejoin(self, run: str, driver: str, held: Held, seen: int) -> AnyEvent | None:
        """See `Channel.rejoin`."""
        return await self._service.rejoin(run, driver, held, seen)

    async def describe(self, run: str) -> Past:
        """See `Channel.describe`."""
        return await self._service.describe(run)

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        """See `Channel.recall`."""
        return await self._service.recall(run, started, request)

    async def trouble(self, known: str) -> str:
        """See `Channel.trouble`."""
        return await self._service.trouble(known)

    async def join(self, host: str, life: int, held: Held) -> None:
        """See `SequencerService.join`."""
        await self._service.join(host, life, held)

    async def leave(self, host: str, life: int) -> Loss:
        """See `SequencerService.leave`."""
        return await self._service.leave(host, life)

    async def process_id(self) -> int:
        """The id of the process that it lives in."""
        return os.getpid()


class AgentHost:
    """A host of agents in an actor of its own."""

    def __init__(self, name: str) -> None:
        self._name = name
        collect_rarely()

    async def attend(self, life: int, sequencer: Any, secrets: Mapping[str, str], addresses: Mapping[str, str]) -> None:
        """Takes its parcels, in order, for as long as the process lives; ends it when another one has taken over.

        What it needs comes with the call: a constructor's arguments might be lost when Ray restarts the actor.
        """
        channel = ActorChannel(sequencer, self._name, life)

        async def part(run: str) -> Part:
            """Builds a run's team here, from what the sequencer says of the run."""
            past = await channel.describe(run)
            config = parse(past.spec)
            assert isinstance(config, Mapping)
            resources = Resources(run, secrets, None, "ray", addresses)
            team = find_builder(past.started.builder)(config, resources)
            return Part(team, fork_part(past.fork, channel.recall))

        host = Host(self._name, channel.submit, part)
        host.keep_out(secrets)
        try:
            await attend(host, channel)
        except HostReplaced as error:
            log.error("host.replaced", host=self._name, life=life, error=str(error))
            os._exit(1)  # what it still performs must not be recorded, and its agents are at work elsewhere

    async def process_id(self) -> int:
        """The id of the process that it lives in."""
        return os.getpid()
