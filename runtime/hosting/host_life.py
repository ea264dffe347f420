"""A host's life: it joins the sequencer, takes its parcels in order, and joins again where one has started afresh."""

from __future__ import annotations

from typing import Protocol

from runtime.exchange.channel import Channel, Held, NotKnownHere
from runtime.host import Host


class HostChannel(Channel, Protocol):
    """A channel that says which host speaks, and which life of it."""

    async def join(self, held: Held) -> None:
        """See `SequencerService.join`."""
        ...


async def attend(host: Host, channel: HostChannel) -> None:
    """Takes the host's parcels until it is cancelled.

    Raises:
        HostReplaced: another process has taken over; nothing that this one still does may be recorded.
        ClusterLost: the sequencer does not come back.
    """
    await channel.join(host.held())
    told = 0
    while True:
        try:
            told, parcels = await channel.pull(host.name, told)
            for parcel in parcels:
                await host.feed(parcel)
        except NotKnownHere:  # also from a run that was just to begin here: it comes again, when this host has joined
            await channel.join(host.held())
            told = 0
