"""The engine on a Ray cluster: one actor with the sequencer service, a few with hosts; the driver is a host as well.

Thin shells around `runtime/service.py` and `runtime/host.py`: an actor method per channel method, nothing decided here.
All actors belong to the run that made them and end with its driver.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import ray as untyped_ray
from ray.exceptions import RayActorError, RayTaskError

from runtime.codec import Json, parse
from runtime.engine import Performance, build, drive
from runtime.errors import RunError
from runtime.events import AnyEvent, Digest, StepStarted
from runtime.host import Host, Part, fork_part
from runtime.journal_address import JournalAddress, journal_address, open_journal
from runtime.parcels import Parcel
from runtime.placement import HostInfo
from runtime.ray_place import sequencer_options
from runtime.recollection import Recalled
from runtime.routing import Routes
from runtime.service import Channel, Past, RunOrder, SequencerService
from runtime.team import Resources, find_builder

ray: Any = untyped_ray
"""Ray's signatures are partly untyped; here is the one place that knows it."""


class SequencerActor:
    """The sequencer service with its journal, in an actor of its own. See `runtime.service.Channel`."""

    def __init__(self, journal: JournalAddress, hosts: Sequence[HostInfo]) -> None:
        self._service = SequencerService(open_journal(journal), hosts)

    async def open(self, order: RunOrder) -> None:
        """See `Channel.open`."""
        await self._service.open(order)

    async def submit(self, run: str, events: list[AnyEvent], blobs: dict[Digest, bytes]) -> None:
        """See `Channel.submit`."""
        await self._service.submit(run, events, blobs)

    async def pull(self, host: str, after: int) -> tuple[int, list[Parcel]]:
        """See `Channel.pull`."""
        return await self._service.pull(host, after)

    async def watch(self, run: str, after: int) -> list[AnyEvent]:
        """See `Channel.watch`."""
        return await self._service.watch(run, after)

    async def resume(self, run: str, driver: str) -> Past:
        """See `Channel.resume`."""
        return await self._service.resume(run, driver)

    async def describe(self, run: str) -> Past:
        """See `Channel.describe`."""
        return await self._service.describe(run)

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        """See `Channel.recall`."""
        return await self._service.recall(run, started, request)

    async def trouble(self, known: str) -> str:
        """See `Channel.trouble`."""
        return await self._service.trouble(known)


class ActorChannel:
    """A channel to a `SequencerActor`; errors come back as what they were, without Ray's wrapping."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def open(self, order: RunOrder) -> None:
        """See `Channel.open`."""
        await _answer(self._actor.open.remote(order))

    async def submit(self, run: str, events: list[AnyEvent], blobs: dict[Digest, bytes]) -> None:
        """See `Channel.submit`."""
        await _answer(self._actor.submit.remote(run, events, blobs))

    async def pull(self, host: str, after: int) -> tuple[int, list[Parcel]]:
        """See `Channel.pull`."""
        told, parcels = await _answer(self._actor.pull.remote(host, after))
        return int(told), parcels

    async def watch(self, run: str, after: int) -> list[AnyEvent]:
        """See `Channel.watch`."""
        events: list[AnyEvent] = await _answer(self._actor.watch.remote(run, after))
        return events

    async def resume(self, run: str, driver: str) -> Past:
        """See `Channel.resume`."""
        past: Past = await _answer(self._actor.resume.remote(run, driver))
        return past

    async def describe(self, run: str) -> Past:
        """See `Channel.describe`."""
        past: Past = await _answer(self._actor.describe.remote(run))
        return past

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        """See `Channel.recall`."""
        recalled: Recalled | None = await _answer(self._actor.recall.remote(run, started, request))
        return recalled

    async def trouble(self, known: str) -> str:
        """See `Channel.trouble`."""
        return str(await _answer(self._actor.trouble.remote(known)))


async def _answer(reference: Any) -> Any:
    """Awaits an actor's answer.

    Raises:
        RunError: when the actor has died.
        Exception: what the actor raised.
    """
    try:
        return await reference
    except RayTaskError as error:
        raise error.cause from None
    except RayActorError as error:
        raise RunError(
            f"an actor of this run has died ({error}); look into Ray's logs for its end, then start the run again"
        ) from None


class AgentHost:
    """A host of agents in an actor of its own."""

    def __init__(self, name: str, sequencer: Any, secrets: Mapping[str, str]) -> None:
        self._channel: Channel = ActorChannel(sequencer)
        self._secrets = secrets
        self._host = Host(name, self._channel.submit, self._part)
        self._host.keep_out(secrets)

    async def _part(self, run: str) -> Part:
        """Builds a run's team here, from what the sequencer says of the run."""
        past = await self._channel.describe(run)
        config = parse(past.spec)
        assert isinstance(config, Mapping)
        resources = Resources(run, self._secrets, None, "ray")
        team = find_builder(past.started.builder)(config, resources)
        return Part(team, past.completed, fork_part(past.fork, self._channel.recall))

    async def attend(self) -> None:
        """Takes its parcels, in order, for as long as the actor lives."""
        told = 0
        while True:
            told, parcels = await self._channel.pull(self._host.name, told)
            for parcel in parcels:
                await self._host.feed(parcel)

    async def process_id(self) -> int:
        """The id of the process that it lives in."""
        return os.getpid()


class RayEngine:
    """Performs runs on a Ray cluster; see `runtime.engine.Engine`."""

    def __init__(self, address: str, journal: JournalAddress | Path, *, hosts: int = 3) -> None:
        self._address = address
        self._journal = journal if isinstance(journal, JournalAddress) else journal_address(journal)
        self._hosts = hosts

    async def perform(self, performance: Performance) -> Json:
        """See `Engine.perform`.

        Raises:
            RunError: also when an actor of the run dies.
        """
        team = build(performance, "ray")
        connect(self._address)
        actors = _start(team.routes(), self._journal, self._hosts, performance.secrets)
        attending = [asyncio.ensure_future(_answer(actor.attend.remote())) for actor in actors[1:]]
        driving = asyncio.ensure_future(drive(performance, ActorChannel(actors[0]), team))
        try:
            await asyncio.wait([driving, *attending], return_when=asyncio.FIRST_COMPLETED)
            for attendance in attending:
                if attendance.done() and not driving.done():
                    await attendance
            return await driving
        finally:
            await _stop(driving, attending, actors)


def connect(address: str) -> None:
    """Connects this process to a Ray cluster, quietly; nothing when it is connected already."""
    if not ray.is_initialized():
        ray.init(address=address, namespace="repertory", log_to_driver=False, logging_level=logging.ERROR)


def _start(routes: Routes, journal: JournalAddress, hosts: int, secrets: Mapping[str, str]) -> list[Any]:
    """The sequencer's actor first, then the hosts': plain ones, and one for each set of resources that is asked for."""
    demands = {msgspec.json.encode(p.placement.resources, order="sorted") for p in routes.types.values()}
    asked: list[dict[str, float]] = [msgspec.json.decode(demand) for demand in sorted(demands - {b"{}"})]
    plain: list[dict[str, float]] = [{} for _ in range(hosts)]
    infos = [HostInfo(f"host-{n}", demand) for n, demand in enumerate(plain + asked, start=1)]
    options: dict[str, Any] = {"num_cpus": 0, "max_restarts": 0}
    sequencer = ray.remote(SequencerActor).options(**options, **sequencer_options(journal)).remote(journal, infos)
    return [
        sequencer,
        *(
            ray.remote(AgentHost).options(**options, **_demand(info.resources)).remote(info.name, sequencer, secrets)
            for info in infos
        ),
    ]


def _demand(resources: Mapping[str, float]) -> dict[str, Any]:
    """Resources as Ray's actor options name them."""
    others = {name: amount for name, amount in resources.items() if name != "GPU"}
    return {"num_gpus": resources.get("GPU", 0.0), "resources": others}


async def _stop(driving: asyncio.Future[Json], attending: Sequence[asyncio.Future[Any]], actors: list[Any]) -> None:
    tasks = [driving, *attending]
    driving.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await driving
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for actor in actors:
        ray.kill(actor)
