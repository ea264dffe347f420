"""The hosts of a sequencer: which process lives at each, what it still has to be told, and whether it is heard of.

A host is a place with a name; the processes that live there one after another are its lives, numbered upwards by who
starts them. Only the newest life is listened to. Called by `runtime/service.py` only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from runtime import clock
from runtime.bell import Bell
from runtime.channel import Held, HostReplaced, NotKnownHere
from runtime.events import AgentName
from runtime.parcels import Parcel
from runtime.placement import HostInfo

PULL_WAIT_S = 20.0
"""How long a pull waits for something to hand out before it returns empty, which also shows that its host lives."""

SILENCE_S = 90.0
"""After how long without a pull a host counts as lost, though nobody has seen it die."""


@dataclass(slots=True)
class _Stream:
    """What a host has to be told; `base` parcels were told and forgotten."""

    base: int = 0
    parcels: list[Parcel] = field(default_factory=list[Parcel])
    arrived: Bell = field(default_factory=Bell)
    fault: Exception | None = None


@dataclass(slots=True)
class _Place:
    """A host: its present life, 0 before the first one."""

    info: HostInfo
    life: int = 0
    is_gone: bool = False
    heard_at: float = 0.0
    held: Held = field(default_factory=dict[str, dict[AgentName, int]])


class Fleet:
    """All hosts, those of drivers included; see the module."""

    def __init__(self, hosts: Sequence[HostInfo]) -> None:
        self._places = {info.name: _Place(info) for info in hosts}
        self._streams = {info.name: _Stream() for info in hosts}
        self._assembled = asyncio.Event()

    # Who is there

    def candidates(self) -> list[HostInfo]:
        """The hosts that can take agents now, or will when their first process is up."""
        return [place.info for place in self._places.values() if not place.is_gone]

    def all(self) -> list[HostInfo]:
        """All hosts, those included whose process is gone and will be replaced."""
        return [place.info for place in self._places.values()]

    def join(self, host: str, life: int, held: Held) -> bool:
        """A process says that it lives at the host now; whether another one had lived there before.

        Raises:
            HostReplaced: a newer one lives there, or this one was given up.
        """
        place = self._places[host]
        if life < place.life or (life == place.life and place.is_gone):
            raise HostReplaced(f"host {host}: life {life} was given up; life {place.life} is its newest")
        if life == place.life:
            return False
        is_replaced = place.life > 0
        if is_replaced:
            self._reset(host)
        place.life, place.is_gone, place.held, place.heard_at = life, False, held, clock.monotonic()
        if all(other.life for other in self._places.values()):
            self._assembled.set()
        return is_replaced

    def give_up(self, host: str, life: int) -> bool:
        """A process at the host has died, or must be taken for dead; whether this is news."""
        place = self._places[host]
        if life < place.life or place.is_gone:
            return False
        place.life, place.is_gone = life, True
        self._reset(host)
        return True

    def check(self, host: str, life: int) -> None:
        """Refuses who does not live at the host.

        Raises:
            HostReplaced: it was given up.
            NotKnownHere: it must join first.
        """
        place = self._places[host]
        if life < place.life or (place.is_gone and life == place.life):
            raise HostReplaced(f"host {host}: life {life} was given up; its agents live elsewhere")
        if life > place.life:
            raise NotKnownHere(f"host {host}: life {life} has not joined this sequencer")

    def silent(self) -> list[tuple[str, int]]:
        """The hosts, with their lives, that have not pulled for `SILENCE_S`."""
        too_old = clock.monotonic() - SILENCE_S
        return [
            (name, place.life)
            for name, place in self._places.items()
            if place.life and not place.is_gone and place.heard_at < too_old
        ]

    async def assembled(self, limit_s: float) -> None:
        """Waits until a process lives at every host, but not longer than `limit_s`."""
        if self._places:
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._assembled.wait()

    def held(self, run: str) -> dict[AgentName, tuple[str, int]]:
        """Where living processes hold agents of a run, and what these have seen; the one that has seen most counts."""
        found: dict[AgentName, tuple[str, int]] = {}
        for name, place in self._places.items():
            for agent, seq in place.held.get(run, {}).items():
                if not place.is_gone and seq > found.get(agent, ("", -1))[1]:
                    found[agent] = (name, seq)
        return found

    # What they are told

    def admit(self, driver: str) -> None:
        """Makes the driver of a run a host; what it was told before is forgotten."""
        self._streams[driver] = _Stream()

    def fail(self, driver: str, fault: Exception) -> None:
        """Raises the fault to the driver, once it has pulled what lies ready."""
        if (stream := self._streams.get(driver)) is not None:
            stream.fault = fault
            stream.arrived.ring()

    def tell(self, host: str, parcel: Parcel) -> None:
        """Lays a parcel ready; nothing for a host whose process is gone: the next one begins with the past."""
        place, stream = self._places.get(host), self._streams.get(host)
        if stream is not None and (place is None or not place.is_gone):
            stream.parcels.append(parcel)
            stream.arrived.ring()

    async def pull(self, host: str, after: int, life: int) -> tuple[int, list[Parcel]]:
        """See `Channel.pull`. What came before `after` is forgotten."""
        stream = self._stream(host, life)
        del stream.parcels[: max(0, after - stream.base)]
        stream.base = max(stream.base, after)
        if not stream.parcels and stream.fault is None:
            await stream.arrived.heard(PULL_WAIT_S)
            if self._stream(host, life) is not stream:
                raise NotKnownHere(f"host {host} was admitted again meanwhile; begin anew")
        if not stream.parcels and stream.fault is not None:
            raise stream.fault
        return stream.base + len(stream.parcels), list(stream.parcels)

    def _stream(self, host: str, life: int) -> _Stream:
        if (place := self._places.get(host)) is not None:
            self.check(host, life)
            place.heard_at = clock.monotonic()
        if (stream := self._streams.get(host)) is None:
            raise NotKnownHere(f"host {host} has not joined this sequencer")
        return stream

    def _reset(self, host: str) -> None:
        """Forgets what was to be told, and wakes who still waits for it."""
        former, self._streams[host] = self._streams[host], _Stream()
        former.arrived.ring()
