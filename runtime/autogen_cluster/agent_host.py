"""A host of autogen-core agents in a Ray actor: it makes them, and performs what the driver's line asks of them.

Made and attended by `runtime/autogen_cluster/host_link.py`. A life of it begins with `begin` and has one stream to the
driver; what an earlier life has begun is ended then, so nothing that was given up is done later.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from autogen_core import AgentId, AgentMetadata, CancellationToken, MessageContext, TopicId
from autogen_core._message_handler_context import MessageHandlerContext

from runtime.autogen_cluster.errors import CannotTravel, HostLost, NotLoadable
from runtime.autogen_cluster.freight import unpack
from runtime.autogen_cluster.host_runtime import HereOnHost, HostRuntime
from runtime.autogen_cluster.line import Line
from runtime.autogen_cluster.logs import Levels, ToDriver, listen_from
from runtime.autogen_local.agents import Agents
from runtime.autogen_local.mail import here
from runtime.collector import collect_rarely
from runtime.on_ray.ray_place import listening_ip, own_ip, stand_in
from runtime.on_ray.stream import GREETING_LIMIT_S, Address, listen


class AgentsOfHost:
    """The agents of one life of a host, and what can be asked of them."""

    def __init__(self, where: str) -> None:
        self.line = Line(self._perform, where)
        self._runtime = HostRuntime(self.line)
        self._agents = Agents(self._runtime)
        self._logs = ToDriver(self.line)
        self._logs.attach()

    def end(self, fault: BaseException) -> None:
        """Gives up what is under way."""
        self._logs.detach()
        self.line.end(fault)

    async def _perform(self, verb: str, arguments: tuple[Any, ...], token: CancellationToken) -> Any:
        match verb:
            case "deliver":
                return await self._deliver(*arguments, token=token)
            case "make":
                return await self._make(*arguments)
            case "save":
                return dict(await (await self._agents.get(*arguments)).save_state())
            case "load":
                agent_id, state = arguments
                return await (await self._agents.get(agent_id)).load_state(state)
            case "close":
                return await (await self._agents.get(*arguments)).close()
            case _:
                raise AssertionError(f"a host was asked to {verb!r}")

    async def _make(self, agent_id: AgentId, factory: bytes, wanted: Levels) -> AgentMetadata:
        listen_from(wanted)
        if agent_id.type not in self._agents.types:
            try:
                made, expected = unpack(factory, f"the factory of agent type {agent_id.type!r}")
            except CannotTravel as error:
                raise NotLoadable(str(error)) from None
            self._agents.add_factory(agent_id.type, made, expected)
        return (await self._agents.get(agent_id)).metadata

    async def _deliver(
        self,
        agent_id: AgentId,
        message: Any,
        sender: AgentId | None,
        topic: TopicId | None,
        message_id: str,
        cause: tuple[str, int],
        *,
        token: CancellationToken,
    ) -> Any:
        here.set(HereOnHost(self._runtime, *cause))
        agent = await self._agents.get(agent_id)
        context = MessageContext(
            sender=sender, topic_id=topic, is_rpc=topic is None, cancellation_token=token, message_id=message_id
        )
        with MessageHandlerContext.populate_context(agent_id):
            return await agent.on_message(message, ctx=context)


class AutoGenHost:
    """The actor."""

    def __init__(self, name: str, folder: str) -> None:
        """`folder` is where the driver stands."""
        self._name = name
        self._agents: AgentsOfHost | None = None
        self._carrying: asyncio.Task[None] | None = None
        collect_rarely()
        stand_in(folder)

    async def begin(self, drivers_ip: str) -> tuple[int, Address]:
        """Begins a life without any agents; returns the process's id, and where it waits a while for the driver."""
        self._end()
        agents = self._agents = AgentsOfHost(f"{self._name} (process {os.getpid()})")

        async def on_driver(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server.close()
            if agents is self._agents:
                self._carrying = asyncio.ensure_future(agents.line.carry(reader, writer))
                await asyncio.gather(self._carrying, return_exceptions=True)

        address, server = await listen(listening_ip(own_ip(), drivers_ip), on_driver)
        asyncio.get_running_loop().call_later(GREETING_LIMIT_S, server.close)
        return os.getpid(), address

    async def live(self) -> None:
        """Returns never: its caller learns from Ray when the process has died."""
        await asyncio.Event().wait()

    def _end(self) -> None:
        if self._carrying is not None:
            self._carrying.cancel()
        if self._agents is not None:
            self._agents.end(HostLost(f"{self._name} began anew"))
