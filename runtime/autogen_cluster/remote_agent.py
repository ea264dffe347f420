"""What stands in the driver for an agent that lives on a host."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from autogen_core import AgentId, AgentMetadata, AgentRuntime, MessageContext

from runtime.autogen_cluster.errors import HostLost
from runtime.autogen_cluster.hosts import Hosts
from runtime.autogen_cluster.line import Line
from runtime.autogen_local.mail import here


class RemoteAgent:
    """An autogen-core `Agent` that passes everything on. Where its host was lost, it is made anew when it is needed."""

    def __init__(self, agent_id: AgentId, factory: bytes, hosts: Hosts) -> None:
        self._id = agent_id
        self._factory = factory
        self._hosts = hosts
        self._line: Line | None = None
        self._metadata = AgentMetadata(type=agent_id.type, key=agent_id.key, description="")
        self._making = asyncio.Lock()
        self.host = ""
        """The name of the host where it was made last."""

    @property
    def metadata(self) -> AgentMetadata:
        """What it said of itself when it was made."""
        return self._metadata

    @property
    def id(self) -> AgentId:
        """Its id."""
        return self._id

    async def bind_id_and_runtime(self, id: AgentId, runtime: AgentRuntime) -> None:
        """Nothing: it is bound where it lives."""

    async def settled(self) -> Line:
        """The line to the process where it lives, in which it is made if it is not there. Raises as `Hosts.make`."""
        async with self._making:
            if self._line is None or self._line.is_broken:
                link, line, self._metadata = await self._hosts.make(self._id, self._factory)
                self.host, self._line = link.name, line
            return self._line

    async def on_message(self, message: Any, ctx: MessageContext) -> Any:
        """Hands a message over and awaits what comes of it.

        Raises:
            HostLost: its host ended meanwhile.
            CannotTravel: the message or the response has no bytes.
            Exception: what the handler raised, with its class.
        """
        line = self._line
        if line is None or line.is_broken:
            line = await self.settled()
        origin = here.get()
        cause = ("", 0) if origin is None else (origin.delivery, origin.generation)
        return await line.call(
            "deliver", self._id, message, ctx.sender, ctx.topic_id, ctx.message_id, cause, token=ctx.cancellation_token
        )

    async def save_state(self) -> Mapping[str, Any]:
        """Its state."""
        state: Mapping[str, Any] = await (await self.settled()).call("save", self._id)
        return state

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Gives it its state."""
        await (await self.settled()).call("load", self._id, state)

    async def close(self) -> None:
        """Closes it, where it still lives."""
        if self._line is not None and not self._line.is_broken:
            with suppress(HostLost):
                await self._line.call("close", self._id)
