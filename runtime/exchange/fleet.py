"""The hosts of a sequencer: which process lives at each, what it still has to be told, and whether it is heard of.

A host is a place with a name; the processes that live there one after another are its lives, numbered upwards by who
starts them. Only the newest life is listened to. Called by `runtime/service.py` only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from runtime import clock
from runtime.events import AgentName, Digest
from runtime.exchange.bell import Bell
from runtime.exchange.channel import Held, HostReplaced, NotKnownHere
from runtime.exchange.parcels import Parcel
from runtime.placement import HostInfo

PULL_WAIT_S = 20.0
"""How long a pull waits for something to hand out before it returns empty, which also shows that its host lives."""

SILENCE_S = 90.0
"""After how long without a pull a host counts as lost, though nobody has seen it die."""


WINDOW = 128
"""How many parcels a pull takes at most; with them the host says what it has taken before."""


class Due(msgspec.Struct, frozen=True, gc=False):
    """A parcel that lies ready; the bytes of its payload and of its agent's state are read when it is pulled."""

    parcel: Parcel
    payload: Digest | None = None
    state: Digest | None = None


@dataclass(slots=True)
class _Stream:
    """What a host has to be told; `base` parcels were told and forgotten."""

    base: int = 0
    parcels: deque[Due] = field(default_factory=deque[Due])
    arrived: Bell = field(default_factory=Bell)
    fault: BaseException | None = None


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
        self._places: dict[str, _Place] = {}
        self._streams: dict[str, _Stream] = {}
        self._joined = asyncio.Event()
        self.enlist(hosts)

    # Who is there

    def enlist(self, hosts: Iterable[HostInfo]) -> None:
        """Says which hosts there are, though no process may live there yet; all others are forgotten."""
        infos = {info.name: info for info in hosts}
        for name in self._places.keys() - infos.keys():
            del self._places[name]
            self._streams.pop(name).arrived.ring()
        for info in infos.values():
            self._add(info)

    def _add(self, info: HostInfo) -> _Place:
        place = self._places.setdefault(info.name, _Place(info))
        place.info = info
        self._streams.setdefault(info.name, _Stream())
        return place

    def candidates(self) -> list[HostInfo]:
        """The hosts that can take agents now, or will when their first process is up."""
        return [place.info for place in self._places.values() if not place.is_gone]

    def all(self) -> list[HostInfo]:
        """All hosts, those included whose process is gone and will be replaced."""
        return [place.info for place in self._places.values()]

    def join(self, info: HostInfo, life: int, held: Held) -> bool:
        """A process says that it lives at the host now, which may be a new one; whether another had lived there before.

        Raises:
            HostReplaced: a newer one lives there, or this one was given up.
        """
        host, place = info.name, self._add(info)
        if life < place.life or (life == place.life and place.is_gone):
            raise HostReplaced(f"host {host}: life {life} was given up; life {place.life} is its newest")
        if life == place.life:
            return False
        is_replaced = place.life > 0
        if is_replaced:
            self._reset(host)
        place.life, place.is_gone, place.held, place.heard_at = life, False, held, clock.monotonic()
        joined, self._joined = self._joined, asyncio.Event()
        joined.set()
        return is_replaced

    def give_up(self, host: str, life: int) -> bool:
        """A process at the host has died, or must be taken for dead; whether this is news."""
        place = self._places.get(host) or self._add(HostInfo(host))
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
        if (place := self._places.get(host)) is None:
            raise NotKnownHere(f"host {host} has not joined this sequencer")
        if life < place.life or (place.is_gone and life == place.life):
            raise HostReplaced(f"host {host}: life {life} was given up; its agents live elsewhere")
        if life > place.life:
            raise NotKnownHere(f"host {host}: life {life} has not joined this sequencer")

    def silent(self) -> list[tuple[str, int]]:
        """The hosts, with their lives, that have not pulled for `SILENCE_S`."""
        if not self._places:
            return []
        too_old = clock.monotonic() - SILENCE_S
        return [
            (name, place.life)
            for name, place in self._places.items()
            if place.life and not place.is_gone and place.heard_at < too_old
        ]

    async def assembled(self, limit_s: float) -> None:
        """Waits until a process lives at every host, but not longer than `limit_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while not all(place.life for place in self._places.values()):
                    await self._joined.wait()

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

    def dismiss(self, driver: str) -> None:
        """Forgets the driver of a run that is over, or that it has left."""
        if (stream := self._streams.pop(driver, None)) is not None:
            stream.arrived.ring()

    def fail(self, driver: str, fault: BaseException) -> None:
        """Raises the fault to the driver, once it has pulled what lies ready."""
        if (stream := self._streams.get(driver)) is not None:
            stream.fault = fault
            stream.arrived.ring()

    def tell(self, host: str, parcel: Parcel, payload: Digest | None = None, state: Digest | None = None) -> None:
        """Lays a parcel ready, whose bytes have these names.

        Nothing for a host whose process is gone: the next one begins with the past.
        """
        place, stream = self._places.get(host), self._streams.get(host)
        if stream is not None and (place is None or not place.is_gone):
            stream.parcels.append(Due(parcel, payload, state))
            stream.arrived.ring()

    async def pull(self, host: str, after: int, life: int) -> tuple[int, list[Due]]:
        """See `Channel.pull`: up to `WINDOW` parcels. What came before `after` is forgotten."""
        stream = self._stream(host, life)
        while stream.base < after and stream.parcels:
            stream.parcels.popleft()
            stream.base += 1
        stream.base = max(stream.base, after)
        if not stream.parcels and stream.fault is None:
            await stream.arrived.heard(PULL_WAIT_S)
            if self._stream(host, life) is not stream:
                raise NotKnownHere(f"host {host} was admitted again meanwhile; begin anew")
        if not stream.parcels and stream.fault is not None:
            raise stream.fault
        return stream.base, list(islice(stream.parcels, WINDOW))

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
