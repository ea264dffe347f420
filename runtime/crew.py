"""The actors of a run, or of several one after the other: made, minded, and ended with their driver.

Ray restarts those whose process dies; the driver attends the hosts and gives each process that comes up a life of its
own (`runtime/fleet.py`). `runtime/cluster.py` has a crew for each run; chaos runs keep one for all of theirs.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import msgspec
import ray as untyped_ray
import structlog

from runtime import clock
from runtime.actor_channel import RETRY_S, RETURN_LIMIT_S, ActorChannel, ActorUnavailable, answer
from runtime.channel import Loss
from runtime.codec import Json
from runtime.engine import Performance, drive
from runtime.errors import ClusterLost
from runtime.journal_address import JournalAddress
from runtime.placement import HostInfo
from runtime.ray_actors import AgentHost, SequencerActor
from runtime.ray_head import HeadLost, watch_head
from runtime.ray_place import sequencer_options
from runtime.routing import Routes
from runtime.team import Team

LOSSES = 5
"""How many processes of hosts may die one after another without any event between before the run is given up."""

log = structlog.get_logger(__name__)

ray: Any = untyped_ray
"""Ray's signatures are partly untyped; here is the one place that knows it."""


def connect(address: str) -> None:
    """Connects this process to a Ray cluster, quietly; nothing when it is connected already."""
    if not ray.is_initialized():
        ray.init(address=address, namespace="repertory", log_to_driver=False, logging_level=logging.ERROR)
        # Ray prints on stdout that a worker has died, which is for the program that reads it; the log says it too.
        ray._private.ray_logging.stdout_deduplicator.skip_re = re.compile("")


@asynccontextmanager
async def crew_for(
    routes: Routes, journal: JournalAddress, hosts: int, performance: Performance, losses: int = LOSSES
) -> AsyncGenerator[Crew]:
    """A crew that is minded as long as the block runs, and ends with it; the process must be connected.

    It serves this performance and others with the same secrets and addresses.
    """
    crew = Crew(routes, journal, hosts, performance)
    crew.mind(losses)
    try:
        yield crew
    finally:
        await crew.end()


class Crew:
    """A sequencer, plain hosts, and a host for each set of resources that is asked for."""

    def __init__(self, routes: Routes, journal: JournalAddress, hosts: int, performance: Performance) -> None:
        demands = {msgspec.json.encode(p.placement.resources, order="sorted") for p in routes.types.values()}
        asked: list[dict[str, float]] = [msgspec.json.decode(demand) for demand in sorted(demands - {b"{}"})]
        plain: list[dict[str, float]] = [{} for _ in range(hosts)]
        infos = [HostInfo(f"host-{n}", demand) for n, demand in enumerate(plain + asked, start=1)]
        options: dict[str, Any] = {"num_cpus": 0, "max_restarts": -1}
        self._sequencer = (
            ray.remote(SequencerActor).options(**options, **sequencer_options(journal)).remote(journal, infos)
        )
        self._hosts = {
            info.name: ray.remote(AgentHost).options(**options, **_demand(info.resources)).remote(info.name)
            for info in infos
        }
        self._equipment = performance.secrets, performance.addresses
        self._channel = ActorChannel(self._sequencer, on_silent=self._revive)
        self._lives = itertools.count(1)
        self._last: Loss | None = None
        self._in_a_row = 0
        self._minding: Sequence[asyncio.Future[Any]] = ()
        self._is_lost = False
        """Whether they are gone with the head; Ray would wait for it to be told so."""

    async def perform(self, performance: Performance, team: Team) -> Json:
        """Performs a run; see `Engine.perform`.

        Raises:
            ClusterLost: also when actors are gone and do not come back; the run can be resumed.
        """
        driving = asyncio.ensure_future(drive(performance, self._channel, team))
        try:
            await asyncio.wait([driving, *self._minding], return_when=asyncio.FIRST_COMPLETED)
            for guard in self._minding:
                if guard.done() and not driving.done():
                    await guard
            return await driving
        except HeadLost:
            self._is_lost = True
            raise
        finally:
            driving.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await driving

    async def processes(self) -> dict[str, int]:
        """The ids of their processes: of the sequencer, and of each host by its name."""
        found = {"sequencer": self._sequencer, **self._hosts}
        ids = await asyncio.gather(*(actor.process_id.remote() for actor in found.values()))
        return dict(zip(found, ids, strict=True))

    async def assembled(self) -> dict[str, int]:
        """The same as `processes`, as soon as all of them live.

        Raises:
            ClusterLost: one of them does not come up.
        """
        deadline = clock.monotonic() + RETURN_LIMIT_S
        while True:
            try:
                return dict(await answer(self.processes))
            except ActorUnavailable as error:
                if clock.monotonic() > deadline:
                    raise ClusterLost(f"not all actors are up after {RETURN_LIMIT_S:g} s: {error}") from None
            await asyncio.sleep(RETRY_S)

    # Minding

    def mind(self, losses: int) -> None:
        """Begins to attend the hosts and to look after the head; a run fails when one of that fails."""
        minding = [asyncio.ensure_future(self._guard(name, losses)) for name in self._hosts]
        minding.append(asyncio.ensure_future(watch_head(ray.get_runtime_context().gcs_address)))
        self._minding = minding

    async def end(self) -> None:
        """Ends all actors."""
        for task in self._minding:
            task.cancel()
        await asyncio.gather(*self._minding, return_exceptions=True)
        for actor in () if self._is_lost else (self._sequencer, *self._hosts.values()):
            with suppress(Exception):  # where Ray is gone, so are they
                ray.kill(actor)

    def _revive(self) -> None:
        """Ends a sequencer that does not answer; Ray restarts it."""
        ray.kill(self._sequencer, no_restart=False)

    async def _guard(self, name: str, losses: int) -> None:
        """Has a host attended, by one process of it after another.

        Raises:
            ClusterLost: no process of it comes up, and agents live there that no other host can take; or processes
                die again and again at the same point of the run.
        """
        actor = self._hosts[name]
        while True:
            life = next(self._lives)
            try:
                await answer(partial(actor.attend.remote, life, self._sequencer, *self._equipment))
            except ActorUnavailable as error:
                log.warning("host.lost", host=name, life=life, error=str(error))
            loss = await self._channel.leave(name, life)
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
