"""The actors that perform many runs on a Ray cluster: sequencers, and hosts on every node. It outlives the runs.

A plain host belongs to a node: it is made there, restarted there, and given up with the node; a node that joins gets
one. A host with resources, such as a GPU, is wherever Ray finds these. The driver attends each host and gives each
process that comes up there a life of its own (`runtime/exchange/fleet.py`); all actors end with the driver.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import ray as untyped_ray
import structlog

from runtime import clock
from runtime.errors import ClusterLost
from runtime.exchange.channel import Loss
from runtime.journals.journal_address import JournalAddress
from runtime.on_ray.actor_channel import (
    RETRY_S,
    RETURN_LIMIT_S,
    ActorChannel,
    ActorGone,
    ActorUnavailable,
    answer,
    resumable,
)
from runtime.on_ray.connection import give_up, head_address
from runtime.on_ray.ray_actors import AgentHost, SequencerActor
from runtime.on_ray.ray_head import HeadLost, watch_head
from runtime.on_ray.ray_place import host_options, nodes_for_hosts, sequencer_options
from runtime.on_ray.suspicion import Suspicion
from runtime.placement import HostInfo
from runtime.routing import Routes

LOOK_EVERY_S = 1.0
"""How often the crew looks for nodes that have joined."""

CALLS = 100_000
"""How many calls an actor may have under way; most of them wait. Ray's own limit is 1,000."""

OPTIONS: dict[str, Any] = {"num_cpus": 0, "max_restarts": -1, "max_concurrency": CALLS}

log = structlog.get_logger(__name__)

ray: Any = untyped_ray
"""Ray's signatures are partly untyped."""


@dataclass(frozen=True, slots=True)
class CrewOrder:
    """What a crew is made of."""

    journal: JournalAddress
    hosts: int
    """How many plain hosts there are at least; there is one on every node in any case."""
    sequencers: int
    losses: int
    """How many hosts a run may lose one after another, without any event between, before it is given up."""
    secrets: Mapping[str, str] = field(repr=False)
    addresses: Mapping[str, str]
    """Where the models and tools of the runs are; see `runtime.performance.Performance`."""


@dataclass(frozen=True, slots=True)
class _Post:
    """A host with its actor; `node` is the one that it belongs to, empty where it goes by its resources."""

    info: HostInfo
    actor: Any
    node: str


class Crew:
    """See the module. Made and stopped by a `RayStage`."""

    def __init__(self, order: CrewOrder) -> None:
        self._order = order
        options = {**OPTIONS, **sequencer_options(order.journal)}
        count = order.sequencers
        names = ["sequencer"] if count == 1 else [f"sequencer-{n}" for n in range(1, count + 1)]
        self._sequencers = {name: ray.remote(SequencerActor).options(**options).remote(order.journal) for name in names}
        self._channels = [
            ActorChannel(actor, hosts=self.hosts, on_silent=partial(ray.kill, actor, no_restart=False))
            for actor in self._sequencers.values()
        ]
        self._posts: dict[str, _Post] = {}
        self._numbers = itertools.count(1)
        self._lives = itertools.count(1)
        self._suspicion = Suspicion(order.losses)
        self._fates: dict[str, asyncio.Future[None]] = {}
        self._is_headless = False
        self._fault: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Makes the hosts, and minds them, the nodes and the head from now on."""
        nodes = await nodes_for_hosts()
        for n in range(max(self._order.hosts, len(nodes))):
            self._hire({}, nodes[n % len(nodes)])
        self._mind(self._staff_new_nodes())
        self._mind(self._watch_head())

    def channel(self, run: str) -> ActorChannel:
        """The driver's channel to the sequencer of a run: the same for the same id and number of sequencers."""
        place = int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest())
        return self._channels[place % len(self._channels)]

    def hosts(self) -> list[HostInfo]:
        """All hosts that there are."""
        return [post.info for post in self._posts.values()]

    def equip(self, routes: Routes) -> None:
        """Makes a host for each set of resources that a run's agents ask for, where there is none yet."""
        demands = {msgspec.json.encode(p.placement.resources, order="sorted") for p in routes.types.values()}
        there = {msgspec.json.encode(dict(info.resources), order="sorted") for info in self.hosts()}
        for demand in sorted(demands - there - {b"{}"}):
            self._hire(msgspec.json.decode(demand), node="")

    def fate(self, run: str) -> asyncio.Future[None]:
        """A future that raises `ClusterLost` when a run cannot go on here; it has no other outcome."""
        fate = self._fates[run] = asyncio.get_running_loop().create_future()
        fate.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._fault is not None:
            fate.set_exception(self._fault)
        return fate

    def release(self, run: str) -> None:
        """A run is performed no more."""
        if (fate := self._fates.pop(run, None)) is not None:
            fate.cancel()
        self._suspicion.acquit(run)

    async def processes(self) -> dict[str, int]:
        """The ids of the processes: of the sequencers and the hosts by their names."""
        found = {**self._sequencers, **{name: post.actor for name, post in self._posts.items()}}
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
            except ActorGone as error:
                raise resumable(error) from None
            except ActorUnavailable as error:
                if clock.monotonic() > deadline:
                    raise ClusterLost(f"not all actors are up after {RETURN_LIMIT_S:g} s: {error}") from None
            await asyncio.sleep(RETRY_S)

    async def stop(self) -> None:
        """Ends all actors."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for channel in self._channels:
            await channel.close()
        if self._is_headless:
            return  # they are gone with it; Ray would wait for it to be told so
        for actor in (*self._sequencers.values(), *(post.actor for post in self._posts.values())):
            with suppress(Exception):  # where Ray is gone, so are they
                ray.kill(actor)

    # Hosts and nodes

    def _hire(self, resources: dict[str, float], node: str) -> None:
        info = HostInfo(f"host-{next(self._numbers)}", resources)
        options = {**OPTIONS, **host_options(node, resources)}
        actor = ray.remote(AgentHost).options(**options).remote(info, str(Path.cwd()))
        post = self._posts[info.name] = _Post(info, actor, node)
        self._mind(self._guard(post))

    async def _staff_new_nodes(self) -> None:
        while True:
            staffed = {post.node for post in self._posts.values()}
            for node in await nodes_for_hosts():
                if node not in staffed:
                    self._hire({}, node)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _watch_head(self) -> None:
        head = head_address()
        try:
            await watch_head(head)
        except HeadLost as error:
            give_up(head)
            self._is_headless = True
            for channel in self._channels:
                channel.lose()
            raise resumable(error) from None

    def _mind(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something for as long as the crew is there; when it fails, no run can go on."""

        def on_done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Exception):
                self._fault = self._fault or error
                self._give_up(error, *self._fates)

        self._tasks.add(task := asyncio.get_running_loop().create_task(work))
        task.add_done_callback(on_done)

    def _give_up(self, error: Exception, *runs: str) -> None:
        for run in runs:
            if (fate := self._fates.get(run)) is not None and not fate.done():
                fate.set_exception(error)

    async def _guard(self, post: _Post) -> None:
        """Has a host attended, by one process of it after another, until its node is gone.

        Raises:
            ClusterLost: Ray does not restart it.
        """
        name, order, sequencers = post.info.name, self._order, list(self._sequencers.values())
        while True:
            life = next(self._lives)
            try:
                await answer(partial(post.actor.attend.remote, life, sequencers, order.secrets, order.addresses))
            except ActorUnavailable as error:
                log.warning("host.lost", host=name, life=life, error=str(error))
            except ActorGone as error:
                if not await self._is_without_node(post):
                    raise resumable(error) from None
            losses = await asyncio.gather(*(channel.leave(name, life) for channel in self._channels))
            self._suspect(losses)
            if not await self._returned(post, [run for loss in losses for run in loss.stranded]):
                log.warning("host.gone_with_node", host=name, node=post.node)
                del self._posts[name]
                return

    def _suspect(self, losses: list[Loss]) -> None:
        for loss in losses:
            for run, progress in self._suspicion.count(loss).items():
                error = ClusterLost(
                    f"processes of hosts have died {self._order.losses} times at the same point of the run (event "
                    f"{progress}); an agent or a tool seems to end its process: look at the last steps of the run "
                    "and into Ray's logs, then resume it"
                )
                self._give_up(error, run)

    async def _returned(self, post: _Post, stranded: list[str]) -> bool:
        """Waits for the next process of a host; False when its node is gone. Runs that need it do not wait for ever."""
        deadline, reason = clock.monotonic() + RETURN_LIMIT_S, ""
        while True:
            try:
                await answer(post.actor.process_id.remote)
                return True
            except ActorUnavailable as error:
                reason = str(error)
            except ActorGone as error:
                if not await self._is_without_node(post):
                    raise resumable(error) from None
            if await self._is_without_node(post):
                return False
            if clock.monotonic() > deadline:
                lost = ClusterLost(
                    f"{post.info.name} has not come back within {RETURN_LIMIT_S:g} s ({reason}), and no other host has "
                    "what its agents ask for; add a node with these resources, then resume the run"
                )
                self._give_up(lost, *stranded)
            await asyncio.sleep(RETRY_S)

    async def _is_without_node(self, post: _Post) -> bool:
        return bool(post.node) and post.node not in await nodes_for_hosts()
