"""A line between the driver and one process of a host: both ends have things done by each other, with AutoGen's tokens.

A call's arguments, its result and its error travel as `runtime/autogen_cluster/freight.py` packs them. A line ends with
the process that it leads to: whoever awaits an answer is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from autogen_core import CancellationToken

from runtime.autogen_cluster.errors import HostLost
from runtime.autogen_cluster.freight import pack, pack_error, unpack, unpack_error
from runtime.on_ray.line import Called
from runtime.on_ray.line import Line as PlainLine
from runtime.on_ray.stream import StreamLost

Perform = Callable[[str, tuple[Any, ...], CancellationToken], Awaitable[Any]]
"""Does what a call of the other end asks for: its verb, its arguments, and the token that the other end may cancel."""


@dataclass(frozen=True, slots=True)
class _Errors:
    where: str

    def pack(self, error: BaseException) -> bytes:
        return pack_error(error, self.where)

    def unpack(self, body: bytes) -> BaseException:
        return unpack_error(body)


class Line:
    """One end of a line; `where` says to the other end where an error was raised."""

    def __init__(self, perform: Perform, where: str) -> None:
        self._perform = perform
        self._line = PlainLine(self._do, _Errors(where), gives_up=True)

    @property
    def is_broken(self) -> bool:
        """Whether it has ended."""
        return self._line.is_broken

    def call(self, verb: str, *arguments: Any, token: CancellationToken | None = None) -> asyncio.Future[Any]:
        """Has something done at the other end; cancelling the future ends it there, the token is passed on.

        Raises:
            CannotTravel: the arguments have no bytes.
            Exception: why the line has ended.
        """
        return self.call_packed(verb, pack(arguments), token)

    def call_packed(self, verb: str, body: bytes, token: CancellationToken | None = None) -> asyncio.Future[Any]:
        """The same with the bytes of the arguments."""
        return self._line.call(verb, body, _response, None if token is None else token.add_callback)

    def tell(self, verb: str, *arguments: Any) -> None:
        """Has something done at the other end, whatever comes of it. Raises as `call`."""
        self.call(verb, *arguments).add_done_callback(lambda done: done.cancelled() or done.exception())

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries what is said both ways; returns never.

        Raises:
            HostLost: the other end is gone.
        """
        try:
            await self._line.carry(reader, writer)
        except StreamLost as error:
            raise HostLost(str(error)) from None

    def end(self, fault: BaseException) -> None:
        """Ends the line: answers will not come, and what the other end had asked for is given up."""
        self._line.end(fault)

    async def _do(self, called: Called) -> bytes:
        token = CancellationToken()
        called.on_gently_withdrawn = token.cancel
        return pack(await self._perform(called.verb, unpack(called.body), token), "a response")


def _response(body: bytes) -> Any:
    return unpack(body, "a response")
