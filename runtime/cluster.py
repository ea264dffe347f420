"""The engine on a Ray cluster: one actor with the sequencer service, a few with hosts; the driver is a host as well.

Thin shells around `runtime/service.py` and `runtime/host.py`: an actor method per channel method, nothing decided here.
All actors belong to the run that made them and end with its driver. Ray restarts those whose process dies; the driver
attends the hosts and gives each process that comes up a life of its own (`runtime/fleet.py`).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import ray as untyped_ray
import structlog

from runtime import clock
from runtime.actor_channel import RETRY_S, RETURN_LIMIT_S, ActorChannel, ActorUnavailable, answer
from runtime.channel import Held, HostReplaced, Loss, Past, RunOrder
from runtime.codec import Json, parse
from runtime.engine import Performance, build, drive
from runtime.errors import ClusterLost
from runtime.events import AnyEvent, Digest, StepStarted
from runtime.host import Host, Part, fork_part
from runtime.host_life import attend
from runtime.journal_address import JournalAddress, journal_address, open_journal
from runtime.parcels import Parcel
from runtime.placement import HostInfo
from runtime.ray_head import HeadLost, watch_head
from runtime.ray_place import sequencer_options
from runtime.recollection import Recalled
from runtime.routing import Routes
from runtime.service import SequencerService
from runtime.team import Resources, find_builder

LOSSES = 5
"""How many processes of hosts may die one after another without any event between before the run is given up."""

log = structlog.get_logger(__name__)

ray: Any = untyped_ray
"""Ray's signatures are partly untyped; here is the one place that knows it."""


class SequencerActor:
    """The sequencer service with its journal, in an actor of its own. See `runtime.channel.Channel`."""

    def __init__(self, journal: JournalAddress, hosts: Sequence[HostInfo]) -> None:
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


class RayEngine:
    """Performs runs on a Ray cluster; see `runtime.engine.Engine`."""

    def __init__(self, address: str, journal: JournalAddress | Path, *, hosts: int = 3, losses: int = LOSSES) -> None:
        self._address = address
        self._journal = journal if isinstance(journal, JournalAddress) else journal_address(journal)
        self._hosts = hosts
        self._losses = losses
        self._crew: _Crew | None = None

    async def perform(self, performance: Performance) -> Json:
        """See `Engine.perform`.

        Raises:
            ClusterLost: also when actors of the run are gone and do not come back; the run can be resumed.
        """
        team = build(performance, "ray")
        connect(self._address)
        crew = self._crew = _Crew(team.routes(), self._journal, self._hosts, performance)
        guarding = [asyncio.ensure_future(crew.guard(name, self._losses)) for name in crew.hosts]
        guarding.append(asyncio.ensure_future(watch_head(ray.get_runtime_context().gcs_address)))
        driving = asyncio.ensure_future(drive(performance, crew.channel, team))
        try:
            await asyncio.wait([driving, *guarding], return_when=asyncio.FIRST_COMPLETED)
            for guard in guarding:
                if guard.done() and not driving.done():
                    await guard
            return await driving
        except HeadLost:
            crew.is_lost = True
            raise
        finally:
            self._crew = None
            await _stop(driving, guarding, crew)

    async def processes(self) -> dict[str, int]:
        """The ids of the processes of the run that is performed: of the sequencer, and of each host by its name."""
        return {} if self._crew is None else await self._crew.processes()


def connect(address: str) -> None:
    """Connects this process to a Ray cluster, quietly; nothing when it is connected already."""
    if not ray.is_initialized():
        ray.init(address=address, namespace="repertory", log_to_driver=False, logging_level=logging.ERROR)


class _Crew:
    """The actors of a run: a sequencer, plain hosts, and a host for each set of resources that is asked for."""

    def __init__(self, routes: Routes, journal: JournalAddress, hosts: int, performance: Performance) -> None:
        demands = {msgspec.json.encode(p.placement.resources, order="sorted") for p in routes.types.values()}
        asked: list[dict[str, float]] = [msgspec.json.decode(demand) for demand in sorted(demands - {b"{}"})]
        plain: list[dict[str, float]] = [{} for _ in range(hosts)]
        infos = [HostInfo(f"host-{n}", demand) for n, demand in enumerate(plain + asked, start=1)]
        options: dict[str, Any] = {"num_cpus": 0, "max_restarts": -1}
        self.sequencer = (
            ray.remote(SequencerActor).options(**options, **sequencer_options(journal)).remote(journal, infos)
        )
        self.hosts = {
            info.name: ray.remote(AgentHost).options(**options, **_demand(info.resources)).remote(info.name)
            for info in infos
        }
        self._equipment = performance.secrets, performance.addresses
        self.channel = ActorChannel(self.sequencer, on_silent=self._revive)
        self._lives = itertools.count(1)
        self._last: Loss | None = None
        self._in_a_row = 0
        self.is_lost = False
        """Whether they are gone with the head; Ray would wait for it to be told so."""

    def _revive(self) -> None:
        """Ends a sequencer that does not answer; Ray restarts it."""
        ray.kill(self.sequencer, no_restart=False)

    async def guard(self, name: str, losses: int) -> None:
        """Has a host attended, by one process of it after another.

        Raises:
            ClusterLost: no process of it comes up, and agents live there that no other host can take; or processes
                die again and again at the same point of the run.
        """
        actor = self.hosts[name]
        while True:
            life = next(self._lives)
            try:
                await answer(partial(actor.attend.remote, life, self.sequencer, *self._equipment))
            except ActorUnavailable as error:
                log.warning("host.lost", host=name, life=life, error=str(error))
            loss = await self.channel.leave(name, life)
            self._count(loss, losses)
            await _return_of(actor, name, loss)

    def _count(self, loss: Loss, losses: int) -> None:
        is_same = self._last is not None and loss.progress == self._last.progress
        self._in_a_row = self._in_a_row + 1 if is_same else 1
        self._last = loss
        if self._in_a_row >= losses:
            raise ClusterLost(
                f"processes of hosts have died {self._in_a_row} times at the same point of the run (event "
                f"{loss.progress}); an agent or a tool seems to end its process: look at the last steps of the run "
                "and into Ray's logs, then resume it"
            )

    async def processes(self) -> dict[str, int]:
        """See `RayEngine.processes`."""
        found = {"sequencer": self.sequencer, **self.hosts}
        ids = await asyncio.gather(*(actor.process_id.remote() for actor in found.values()))
        return dict(zip(found, ids, strict=True))

    def kill(self) -> None:
        """Ends all actors."""
        for actor in () if self.is_lost else (self.sequencer, *self.hosts.values()):
            with suppress(Exception):  # where Ray is gone, so are they
                ray.kill(actor)


async def _return_of(actor: Any, name: str, loss: Loss) -> None:
    """Waits for the next process of a host; without an end only where nothing waits for it."""
    deadline = clock.monotonic() + RETURN_LIMIT_S
    while True:
        try:
            await answer(actor.process_id.remote)
            return
        except ActorUnavailable as error:
            if loss.is_stranded and clock.monotonic() > deadline:
                raise ClusterLost(
                    f"{name} has not come back within {RETURN_LIMIT_S:g} s ({error}), and no other host has what its "
                    "agents ask for; add a node with these resources, then resume the run"
                ) from None
            await asyncio.sleep(RETRY_S)


def _demand(resources: Mapping[str, float]) -> dict[str, Any]:
    """Resources as Ray's actor options name them."""
    others = {name: amount for name, amount in resources.items() if name != "GPU"}
    return {"num_gpus": resources.get("GPU", 0.0), "resources": others}


async def _stop(driving: asyncio.Future[Json], guarding: Sequence[asyncio.Future[Any]], crew: _Crew) -> None:
    tasks = [driving, *guarding]
    driving.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await driving
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    crew.kill()
