"""The hosts of a `RayAgentRuntime`: on the Ray that is there or is started, chosen for each agent by its name."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable
from typing import Any

import ray as untyped_ray
from autogen_core import AgentId, AgentMetadata

from runtime.autogen_cluster.host_link import HostLink
from runtime.autogen_cluster.line import Line, Perform
from runtime.autogen_cluster.logs import levels
from runtime.autogen_local.errors import RuntimeStopped, WrongState
from runtime.cluster import connect
from runtime.errors import ClusterLost
from runtime.events import AgentName
from runtime.journals.journal_address import usual_home
from runtime.on_ray.ray_head import watch_head
from runtime.on_ray.ray_local import ensure_ray
from runtime.placement import HostInfo, place
from runtime.routing import Placement

ray: Any = untyped_ray
"""Ray's signatures are partly untyped."""


class Hosts:
    """Some hosts, each begun when the first agent is placed there. They belong to one event loop at a time."""

    def __init__(self, count: int, perform: Perform, run: Callable[[], str]) -> None:
        """`run` names the run that agents are placed for."""
        self._count = count
        self._perform = perform
        self._run = run
        self._links: tuple[HostLink, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._lost: ClusterLost | None = None

    async def make(self, agent_id: AgentId, factory: bytes) -> tuple[HostLink, Line, AgentMetadata]:
        """Makes an agent at the host that its name and the living hosts give.

        Raises:
            ClusterLost: Ray or its hosts are gone.
            HostLost: the host ended meanwhile.
            NotLoadable: the factory cannot be had there.
            Exception: what the factory raised.
        """
        await self._connected()
        link = self._chosen(agent_id)
        line = await link.line()
        return link, line, await line.call("make", agent_id, factory, levels())

    def processes(self) -> dict[str, int]:
        """The ids of the processes of the hosts that were begun."""
        return {link.name: link.process_id for link in self._links if link.process_id}

    async def stop(self) -> None:
        """Gives all actors back; the next agent begins with new ones."""
        links, self._links = self._links, ()
        for task in (self._connecting, self._watching):
            if task is not None:
                task.cancel()
        self._connecting = self._watching = self._loop = None
        if self._lost is None:  # else they are gone with the head, and Ray would wait for it to be told so
            stopped = RuntimeStopped("the runtime was closed, and with it the host of the agent")
            await asyncio.gather(*(link.stop(stopped) for link in links))

    def abandon(self) -> None:
        """Ends the actors, whether or not the event loop that used them still runs."""
        links, self._links = self._links, ()
        self._connecting = self._watching = self._loop = None
        for link in links:
            link.kill()

    def _chosen(self, agent_id: AgentId) -> HostLink:
        able = [link for link in self._links if not link.is_down] or self._links
        infos = [HostInfo(link.name) for link in able]
        name = place(self._run(), AgentName(agent_id.type, agent_id.key), Placement(), infos)
        return next(link for link in able if link.name == name)

    async def _connected(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop):
            raise WrongState("the hosts of this runtime belong to another event loop; close() the runtime there first")
        if self._lost is not None:
            raise self._lost
        if self._connecting is None:
            self._loop = loop
            self._links = tuple(HostLink(f"host-{number + 1}", self._perform) for number in range(self._count))
            self._connecting = loop.create_task(self._connect(), context=contextvars.Context())
        connecting = self._connecting
        try:
            await asyncio.shield(connecting)
        except Exception:
            if self._connecting is connecting:  # the next agent tries again
                self._connecting = self._loop = None
            raise

    async def _connect(self) -> None:
        if not ray.is_initialized():
            found = await asyncio.to_thread(ensure_ray, usual_home(os.environ))
            connect(found.address)
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        try:
            await watch_head(ray.get_runtime_context().gcs_address)
        except ClusterLost as error:
            self._lost = error
            for link in self._links:
                link.abandon(error)
