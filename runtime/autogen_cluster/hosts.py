"""The hosts of a `RayAgentRuntime`: on the nodes of the Ray that is there or is started, chosen for each agent by name.

They are spread over the nodes that offer processors, the driver's own last. A node that joins gets a host, which takes
agents from then on; those that live elsewhere stay there. A node that goes takes its hosts along; where there are fewer
than were wanted then, others are made on the nodes that are left.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from itertools import count as count_up
from typing import Any

import ray as untyped_ray
from autogen_core import AgentId, AgentMetadata

from runtime.autogen_cluster.errors import NodeGone
from runtime.autogen_cluster.host_link import HostLink
from runtime.autogen_cluster.line import Line, Perform
from runtime.autogen_cluster.logs import levels
from runtime.autogen_cluster.staffing import hires
from runtime.autogen_local.errors import RuntimeStopped, WrongState
from runtime.errors import ClusterLost
from runtime.events import AgentName
from runtime.journals.journal_address import usual_home
from runtime.on_ray.connection import connect, give_up, head_address, is_connected
from runtime.on_ray.ray_head import HeadLost, watch_head
from runtime.on_ray.ray_local import ensure_ray
from runtime.on_ray.ray_place import nodes_for_hosts
from runtime.placement import HostInfo, place
from runtime.routing import Placement

LOOK_EVERY_S = 1.0
"""How often nodes are looked for that have joined."""

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
        self._numbers = count_up(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._watching: list[asyncio.Task[None]] = []
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
        link, line = await self._open(agent_id)
        return link, line, await line.call("make", agent_id, factory, levels())

    async def _open(self, agent_id: AgentId) -> tuple[HostLink, Line]:
        while True:
            link = self._chosen(agent_id)
            try:
                return link, await link.line()
            except NodeGone as gone:
                self._hire(gone.left)

    def processes(self) -> dict[str, int]:
        """The ids of the processes of the hosts that were begun."""
        return {link.name: link.process_id for link in self._links if link.process_id}

    async def stop(self) -> None:
        """Gives all actors back; the next agent begins with new ones."""
        links, connecting, watching = self._links, self._connecting, self._watching
        self._forget()
        for task in (*([] if connecting is None else [connecting]), *watching):
            task.cancel()
        lost, self._lost = self._lost, None
        if lost is None:  # else they are gone with the head, and Ray would wait for it to be told so
            stopped = RuntimeStopped("the runtime was closed, and with it the host of the agent")
            await asyncio.gather(*(link.stop(stopped) for link in links))

    def abandon(self) -> None:
        """Ends the actors, whether or not the event loop that used them still runs."""
        links = self._links
        self._forget()
        for link in links:
            link.kill()

    def _forget(self) -> None:
        self._links, self._connecting, self._watching, self._loop = (), None, [], None
        self._numbers = count_up(1)

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
            self._connecting = loop.create_task(self._connect(), context=contextvars.Context())
        connecting = self._connecting
        try:
            await asyncio.shield(connecting)
        except Exception:
            if self._connecting is connecting:  # the next agent tries again
                self._connecting = self._loop = None
            raise

    async def _connect(self) -> None:
        if not is_connected():
            found = await asyncio.to_thread(ensure_ray, usual_home(os.environ))
            await connect(found.address)
        nodes = await nodes_for_hosts()
        self._hire(nodes)
        self._watch(self._watch_head())
        self._watch(self._watch_nodes(nodes))

    def _watch(self, work: Coroutine[Any, Any, None]) -> None:
        self._watching.append(asyncio.get_running_loop().create_task(work))

    async def _watch_head(self) -> None:
        head = head_address()
        try:
            await watch_head(head)
        except HeadLost as error:
            give_up(head)
            self._lost = lost = ClusterLost(f"the agents on hosts are gone: {error}")
            for link in self._links:
                link.abandon(lost)

    # Nodes

    async def _watch_nodes(self, known: Collection[str]) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(Exception):  # when Ray is gone, the head's watch says so
                nodes = await nodes_for_hosts()
                self._hire(nodes, joined=set(nodes).difference(known))
                known = nodes

    def _hire(self, nodes: Collection[str], joined: Collection[str] = ()) -> None:
        """Has hosts for the nodes that there are; each is begun when the first agent is placed there."""
        own = str(ray.get_runtime_context().get_node_id())  # where the driver has its own work
        living = [link for link in self._links if not link.is_gone]
        found = hires(
            sorted(nodes, key=lambda node: (node == own, node)), [link.node for link in living], joined, self._count
        )
        new = [HostLink(f"host-{next(self._numbers)}", node, self._perform) for node in found]
        self._links = (*living, *new)
