"""The driver's side of one host: its actor, and a line to each process that comes up in it, one after another.

A host belongs to a node: it is made there, restarted there, and given up with the node.
"""

from __future__ import annotations

import asyncio
import contextvars
from functools import partial
from pathlib import Path
from typing import Any

import ray as untyped_ray
import structlog

from runtime import clock
from runtime.autogen_cluster.agent_host import AutoGenHost
from runtime.autogen_cluster.errors import HostLost, NodeGone
from runtime.autogen_cluster.line import Line, Perform
from runtime.errors import ClusterLost
from runtime.on_ray.actor_channel import RETRY_S, RETURN_LIMIT_S, ActorGone, ActorUnavailable, answer
from runtime.on_ray.ray_head import answers
from runtime.on_ray.ray_place import host_options, nodes_for_hosts, own_ip
from runtime.on_ray.stream import Stream, StreamLost, connected

OPTIONS: dict[str, Any] = {"num_cpus": 0, "max_restarts": -1, "max_concurrency": 1_000}

log = structlog.get_logger(__name__)
ray: Any = untyped_ray
"""Ray's signatures are partly untyped."""


class HostLink:
    """One host. Its actor is made when it is first needed, and made anew where Ray restarts it no more."""

    def __init__(self, name: str, node: str, perform: Perform) -> None:
        self.name = name
        self.node = node
        """The id of the node that it belongs to."""
        self.process_id = 0
        """Of the process that answered last."""
        self.is_down = False
        """Whether it was lost and is not back yet."""
        self.is_gone = False
        """Whether it will not be back, since its node is gone."""
        self._perform = perform
        self._actor: Any = None
        self._attending: asyncio.Task[None] | None = None
        self._line: asyncio.Future[Line] | None = None

    async def line(self) -> Line:
        """The line to the host's present process; waits until it is up.

        Raises:
            NodeGone: it will not come up again; another host is to be asked.
            ClusterLost: it does not come up.
        """
        if self._attending is None or self._attending.done():
            self._line = asyncio.get_running_loop().create_future()
            self._attending = asyncio.get_running_loop().create_task(self._attend(), context=contextvars.Context())
            self._attending.add_done_callback(self._failed)
        assert self._line is not None
        return await asyncio.shield(self._line)

    async def stop(self, fault: BaseException) -> None:
        """Gives the actor back; who still awaits something of it gets the fault."""
        self.abandon(fault)
        if self._attending is not None:
            await asyncio.gather(self._attending, return_exceptions=True)
        self.kill()

    def kill(self) -> None:
        """Ends the actor."""
        if self._actor is not None:
            ray.kill(self._actor)
            self._actor = None

    def abandon(self, fault: BaseException) -> None:
        """Asks nothing more of the actor; who still awaits something of it gets the fault."""
        if self._attending is not None:
            self._attending.cancel()
            self._close(fault)

    async def _attend(self) -> None:
        while True:
            try:
                reader, writer = await self._begun()
            except (ClusterLost, NodeGone) as error:
                self._close(error)
                return
            line, self.is_down = Line(self._perform, "the driver"), False
            self._opened().set_result(line)
            reason = await self._carried(line, reader, writer)
            log.warning("host.lost", host=self.name, process=self.process_id, error=str(reason))
            self.is_down = True
            self._line = asyncio.get_running_loop().create_future()
            line.end(
                HostLost(
                    f"{self.name} (process {self.process_id}) ended while it handled a message: {reason}. "
                    "Its agents are made anew, without their state, when they get their next one"
                )
            )

    def _failed(self, attending: asyncio.Task[None]) -> None:
        """Whatever attending it has come to, nobody waits for the line for ever."""
        if not attending.cancelled() and (error := attending.exception()) is not None:
            self._close(error)

    def _opened(self) -> asyncio.Future[Line]:
        assert self._line is not None
        return self._line

    def _close(self, fault: BaseException) -> None:
        opened = self._opened()
        if not opened.done():
            opened.set_exception(fault)
            opened.exception()  # nobody may wait for it
        elif opened.exception() is None:
            opened.result().end(fault)

    async def _begun(self) -> Stream:
        """Begins a life with the process that is there; waits while Ray restarts it.

        Raises:
            NodeGone: none will.
            ClusterLost: none has come up.
        """
        deadline = clock.monotonic() + RETURN_LIMIT_S
        while True:
            if self._actor is None and await answers(ray.get_runtime_context().gcs_address):  # else Ray would block
                options = {**OPTIONS, **host_options(self.node, {})}
                self._actor = ray.remote(AutoGenHost).options(**options).remote(self.name, str(Path.cwd()))
            try:
                if self._actor is None:
                    raise ActorUnavailable("the head of the cluster does not answer")
                self.process_id, address = await answer(partial(self._actor.begin.remote, own_ip()))
                return await connected(address)
            except (ActorUnavailable, StreamLost) as error:
                reason = str(error)
            except ActorGone as error:
                reason, self._actor = str(error), None
            if self.node not in (nodes := await nodes_for_hosts()):
                self.is_gone = True
                raise NodeGone(f"{self.name} is gone with its node: {reason}", nodes)
            if clock.monotonic() > deadline:
                raise ClusterLost(f"{self.name} has not come up within {RETURN_LIMIT_S:g} s: {reason}")
            await asyncio.sleep(RETRY_S)

    async def _carried(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Exception:
        """Carries parcels until the process is lost; says how that was seen, by the stream or by Ray."""
        ways = [asyncio.ensure_future(line.carry(reader, writer)), asyncio.ensure_future(self._lived())]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            found = next(iter(done)).exception()
            return found if isinstance(found, Exception) else HostLost(f"its line ended with {found!r}")
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _lived(self) -> None:
        await answer(self._actor.live.remote)
