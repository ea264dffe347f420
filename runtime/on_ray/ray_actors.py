"""The actors of a crew: a sequencer service in one, a host of agents in another. Thin shells, nothing decided here.

Made and attended by `runtime/on_ray/crew.py`; each method that a channel calls is one of
`runtime.exchange.channel.Channel`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from runtime.codec import parse
from runtime.collector import collect_rarely
from runtime.events import AnyEvent, Digest, StepStarted
from runtime.exchange.channel import Held, HostReplaced, Loss, Past, RunOrder
from runtime.exchange.parcels import Parcel
from runtime.exchange.recollection import Recalled
from runtime.host import Host, Part, fork_part
from runtime.hosting.host_life import attend
from runtime.journals.journal_address import JournalAddress, open_journal
from runtime.on_ray.actor_channel import ActorChannel
from runtime.placement import HostInfo
from runtime.service import SequencerService
from runtime.team import Resources, find_builder

log = structlog.get_logger(__name__)


class SequencerActor:
    """The sequencer service of many runs with its journal, in an actor of its own.

    Who begins or takes up a run says which hosts there are: a process that Ray has started again knows none.
    """

    def __init__(self, journal: JournalAddress) -> None:
        collect_rarely()
        self._service = SequencerService(open_journal(journal))

    async def open(self, order: RunOrder, hosts: list[HostInfo]) -> None:
        """See `Channel.open`."""
        self._service.enlist(hosts)
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

    async def resume(self, run: str, driver: str, hosts: list[HostInfo]) -> Past:
        """See `Channel.resume`."""
        self._service.enlist(hosts)
        return await self._service.resume(run, driver)

    async def rejoin(self, run: str, driver: str, held: Held, seen: int, hosts: list[HostInfo]) -> AnyEvent | None:
        """See `Channel.rejoin`."""
        self._service.enlist(hosts)
        return await self._service.rejoin(run, driver, held, seen)

    async def forget(self, run: str, driver: str) -> None:
        """See `Channel.forget`."""
        await self._service.forget(run, driver)

    async def describe(self, run: str) -> Past:
        """See `Channel.describe`."""
        return await self._service.describe(run)

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        """See `Channel.recall`."""
        return await self._service.recall(run, started, request)

    async def room(self, run: str, step: str) -> bool:
        """See `Channel.room`."""
        return await self._service.room(run, step)

    async def trouble(self, known: str) -> str:
        """See `Channel.trouble`."""
        return await self._service.trouble(known)

    async def join(self, host: HostInfo, life: int, held: Held) -> None:
        """See `SequencerService.join`."""
        await self._service.join(host, life, held)

    async def leave(self, host: str, life: int) -> Loss:
        """See `SequencerService.leave`."""
        return await self._service.leave(host, life)

    async def process_id(self) -> int:
        """The id of the process that it lives in."""
        return os.getpid()


class AgentHost:
    """A host of agents in an actor of its own: one `Host` for each sequencer, whose runs it takes part in."""

    def __init__(self, info: HostInfo) -> None:
        self._info = info
        collect_rarely()

    async def attend(
        self, life: int, sequencers: Sequence[Any], secrets: Mapping[str, str], addresses: Mapping[str, str]
    ) -> None:
        """Takes its parcels, in order, for as long as the process lives; ends it when another one has taken over.

        What it needs comes with the call: it may be another one each time that Ray restarts the actor.
        """
        channels = [ActorChannel(sequencer, self._info, life) for sequencer in sequencers]
        try:
            await asyncio.gather(*(attend(self._host(channel, secrets, addresses), channel) for channel in channels))
        except HostReplaced as error:
            log.error("host.replaced", host=self._info.name, life=life, error=str(error))
            os._exit(1)  # what it still performs must not be recorded, and its agents are at work elsewhere

    def _host(self, channel: ActorChannel, secrets: Mapping[str, str], addresses: Mapping[str, str]) -> Host:
        async def part(run: str) -> Part:
            """Builds a run's team here, from what the sequencer says of the run."""
            past = await channel.describe(run)
            config = parse(past.spec)
            assert isinstance(config, Mapping)
            resources = Resources(run, secrets, None, "ray", addresses)
            team = find_builder(past.started.builder)(config, resources)
            return Part(team, fork_part(past.fork, channel.recall))

        host = Host(self._info.name, channel.submit, part, channel.room)
        host.keep_out(secrets)
        return host

    async def process_id(self) -> int:
        """The id of the process that it lives in."""
        return os.getpid()
