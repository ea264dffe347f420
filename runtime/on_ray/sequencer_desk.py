"""Where a sequencer is asked from other processes, over a line: each of its methods by its name.

What is called with, and what comes back, is msgpack, read into the types that the methods name; nothing is unpickled.
Every method may be called twice, see `runtime/exchange/channel.py`. Made by `SequencerActor`, called by `ActorChannel`.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from traceback import format_exception
from types import GenericAlias
from typing import Any, get_type_hints

import msgspec
import structlog

from runtime.errors import RepertoryError, UsageError
from runtime.events import AnyEvent, Digest, Failure, StepStarted
from runtime.exchange.channel import Held, Loss, Past, RunOrder
from runtime.exchange.parcels import Parcel
from runtime.exchange.recollection import Recalled
from runtime.failures import describe, revive
from runtime.on_ray.line import Called, Line
from runtime.on_ray.stream import Address, StreamLost, listen
from runtime.placement import HostInfo
from runtime.service import SequencerService

log = structlog.get_logger(__name__)


class SequencerDesk:
    """What hosts and drivers in other processes can ask of a `SequencerService`.

    Who begins or takes up a run says which hosts there are: a process that Ray has started again knows none.
    """

    def __init__(self, service: SequencerService) -> None:
        self._service = service
        self._listening: dict[str, asyncio.Future[Address]] = {}
        self._servers: list[asyncio.Server] = []
        self._streams: set[asyncio.StreamWriter] = set()

    async def address(self, ip: str) -> Address:
        """Where it listens at an address of its machine, from the first time that this is asked."""
        if ip not in self._listening:
            self._listening[ip] = asyncio.ensure_future(self._listen(ip))
        return await asyncio.shield(self._listening[ip])

    async def _listen(self, ip: str) -> Address:
        async def on_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line = Line(self._perform, FAILURES, gives_up=False)
            self._streams.add(writer)
            with suppress(StreamLost):
                await line.carry(reader, writer)
            self._streams.discard(writer)
            await line.performed()  # what was begun is done to its end; it may be half of something

        address, server = await listen(ip, on_stream)
        self._servers.append(server)
        return address

    async def close(self) -> None:
        """Listens no more, and ends all lines."""
        for server in self._servers:
            server.close()
        for writer in self._streams:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._streams), return_exceptions=True)

    async def _perform(self, called: Called) -> bytes:
        verb = called.verb
        if (form := ASKED.get(verb)) is None:
            raise UsageError(f"a sequencer was asked to {verb!r}; it can be asked to {', '.join(sorted(ASKED))}")
        try:
            found = await getattr(self, verb)(*form.arguments.decode(called.body))
        except Exception as error:
            if not isinstance(error, RepertoryError):
                log.error("desk.failed", verb=verb, trace="".join(format_exception(error)))
            raise
        return msgspec.msgpack.encode(found)

    async def open(self, order: RunOrder, hosts: list[HostInfo]) -> None:
        """See `Channel.open`."""
        self._service.enlist(hosts)
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

    async def resume(self, run: str, driver: str, hosts: list[HostInfo]) -> Past:
        """See `Channel.resume`."""
        self._service.enlist(hosts)
        return await self._service.resume(run, driver)

    async def rejoin(self, run: str, driver: str, held: Held, seen: int, hosts: list[HostInfo]) -> AnyEvent | None:
        """See `Channel.rejoin`."""
        self._service.enlist(hosts)
        return await self._service.rejoin(run, driver, held, seen)

    async def forget(self, run: str, driver: str) -> None:
        """See `Channel.forget`."""
        await self._service.forget(run, driver)

    async def describe(self, run: str) -> Past:
        """See `Channel.describe`."""
        return await self._service.describe(run)

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        """See `Channel.recall`."""
        return await self._service.recall(run, started, request)

    async def room(self, run: str, step: str) -> bool:
        """See `Channel.room`."""
        return await self._service.room(run, step)

    async def trouble(self, known: str) -> str:
        """See `Channel.trouble`."""
        return await self._service.trouble(known)

    async def join(self, host: HostInfo, life: int, held: Held) -> None:
        """See `SequencerService.join`."""
        await self._service.join(host, life, held)

    async def leave(self, host: str, life: int) -> Loss:
        """See `SequencerService.leave`."""
        return await self._service.leave(host, life)


@dataclass(frozen=True, slots=True)
class Form:
    """How a method is called over a line."""

    arguments: msgspec.msgpack.Decoder[tuple[Any, ...]]
    result: msgspec.msgpack.Decoder[Any]


def _form(method: Callable[..., Any]) -> Form:
    hints = get_type_hints(method)
    result = hints.pop("return")
    arguments = GenericAlias(tuple, tuple(hints.values()))
    return Form(msgspec.msgpack.Decoder(arguments), msgspec.msgpack.Decoder(result))


ASKED: Mapping[str, Form] = {
    name: _form(method)
    for name, method in inspect.getmembers(SequencerDesk, inspect.iscoroutinefunction)
    if name not in ("address", "close") and not name.startswith("_")
}
"""What can be asked over a line, and in which form: there is no other way in."""


class _Failures:
    """Errors as facts, as journals have them."""

    def pack(self, error: BaseException) -> bytes:
        return msgspec.msgpack.encode(describe(error))

    def unpack(self, body: bytes) -> BaseException:
        return revive(msgspec.msgpack.decode(body, type=Failure))


FAILURES = _Failures()


class DeskLine:
    """The end of a line from which a desk is asked."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._line = Line(self._perform, FAILURES, gives_up=False)
        self._writer = writer
        carrying = self._carry(reader, writer)
        self._carrying = asyncio.get_running_loop().create_task(carrying, context=contextvars.Context())

    @property
    def is_broken(self) -> bool:
        """Whether it has ended."""
        return self._line.is_broken

    async def ask(self, verb: str, *arguments: object) -> Any:
        """Has the desk do something, once or not at all.

        Raises:
            StreamLost: the line has ended; it may have been done or not.
            Exception: what was raised there, of its own type where that takes a message.
        """
        return await self._line.call(verb, msgspec.msgpack.encode(arguments), ASKED[verb].result.decode)

    def end(self, reason: str) -> None:
        """Ends the line; who still awaits an answer is told the reason."""
        self._line.end(StreamLost(reason))
        self._carrying.cancel()
        self._writer.close()

    async def close(self) -> None:
        """Hangs up; returns when the stream is closed."""
        self.end("this end has hung up")
        await asyncio.gather(self._carrying, self._writer.wait_closed(), return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._line.carry(reader, writer)
        except StreamLost as error:
            self._line.end(error)

    async def _perform(self, called: Called) -> bytes:
        raise UsageError(f"a desk asked for {called.verb!r}; it only answers")
