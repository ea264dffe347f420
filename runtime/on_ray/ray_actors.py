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
from runtime.exchange.channel import HostReplaced
from runtime.host import Host, Part, fork_part
from runtime.hosting.host_life import attend
from runtime.journals.journal_address import JournalAddress, open_journal
from runtime.on_ray.actor_channel import ActorChannel
from runtime.on_ray.ray_place import listening_ip, own_ip, stand_in
from runtime.on_ray.sequencer_desk import SequencerDesk
from runtime.on_ray.stream import Address
from runtime.placement import HostInfo
from runtime.service import SequencerService
from runtime.team import Resources, find_builder

log = structlog.get_logger(__name__)


class SequencerActor:
    """The sequencer service of many runs with its journal, in an actor of its own, and the desk where it is asked."""

    def __init__(self, journal: JournalAddress) -> None:
        collect_rarely()
        self._desk = SequencerDesk(SequencerService(open_journal(journal)))

    async def address(self, callers_ip: str) -> Address:
        """Where whoever has this address asks the desk."""
        return await self._desk.address(listening_ip(own_ip(), callers_ip))

    async def process_id(self) -> int:
        """The id of the process that it lives in."""
        return os.getpid()


class AgentHost:
    """A host of agents in an actor of its own: one `Host` for each sequencer, whose runs it takes part in."""

    def __init__(self, info: HostInfo, folder: str) -> None:
        """`folder` is where the driver stands."""
        self._info = info
        collect_rarely()
        stand_in(folder)

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
