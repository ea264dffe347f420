"""A line over a stream: one end calls, the other answers, many calls at a time. It knows neither Ray nor sequencers.

What is called in one turn of the event loop goes out with one write, and so does what is answered. Calls are begun at
the other end in their order. A line is not mended: when its stream ends, whoever awaits an answer is told so.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import Awaitable, Callable
from traceback import format_exception
from typing import TypeVar

import msgspec
import structlog

from runtime.errors import RepertoryError
from runtime.events import Failure
from runtime.failures import describe, revive
from runtime.on_ray.stream import StreamLost, read_parcel, write_parcel

Body = msgspec.Raw
"""What is asked or answered, in msgpack; a line hands it on as it is."""

NOTHING = Body(msgspec.msgpack.encode(None))

Perform = Callable[[str, Body], Awaitable[bytes]]
"""Answers a call by its verb."""

F = TypeVar("F")

log = structlog.get_logger(__name__)


class _Call(msgspec.Struct, frozen=True, array_like=True):
    number: int
    verb: str
    body: Body


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    number: int
    body: Body
    failure: Failure | None = None


class _Outlet:
    """Gathers frames until the event loop comes round, then writes them all."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._frames: list[_Call | _Answer] = []

    def give(self, frame: _Call | _Answer) -> None:
        if not self._frames:
            self._loop.call_soon(self._write)
        self._frames.append(frame)

    def _write(self) -> None:
        frames, self._frames = self._frames, []
        if not self._writer.is_closing():
            write_parcel(self._writer, msgspec.msgpack.encode(frames))


async def _frames_of(
    reader: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[list[F]], take: Callable[[F], None]
) -> None:
    """Takes what comes until the stream ends.

    Raises:
        StreamLost: it has.
    """
    try:
        while True:
            for frame in decoder.decode(await read_parcel(reader)):
                take(frame)
    except msgspec.MsgspecError as error:
        raise StreamLost(f"the other end speaks otherwise ({error}); both must run the same version") from None


class CallingLine:
    """The end that calls."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._outlet = _Outlet(writer)
        self._numbers = itertools.count()
        self._awaited: dict[int, asyncio.Future[Body]] = {}
        self._broken = ""
        self._reading = asyncio.get_running_loop().create_task(self._read(reader), context=contextvars.Context())

    @property
    def is_broken(self) -> bool:
        """Whether it has ended."""
        return bool(self._broken)

    async def call(self, verb: str, body: bytes) -> Body:
        """Has something done at the other end, once or not at all.

        Raises:
            StreamLost: the line has ended; it may have been done or not.
            Exception: what it raised there, of its own type where that takes a message.
        """
        if self._broken:
            raise StreamLost(self._broken)
        number = next(self._numbers)
        answer: asyncio.Future[Body] = asyncio.get_running_loop().create_future()
        self._awaited[number] = answer
        self._outlet.give(_Call(number, verb, Body(body)))
        try:
            return await answer
        finally:
            self._awaited.pop(number, None)

    def end(self, reason: str) -> None:
        """Ends the line; who still awaits an answer is told the reason."""
        self._reading.cancel()
        self._writer.close()
        self._broken = self._broken or reason
        for answer in self._awaited.values():
            if not answer.done():
                answer.set_exception(StreamLost(self._broken))

    async def close(self) -> None:
        """Hangs up; returns when the stream is closed."""
        self.end("this end has hung up")
        await asyncio.gather(self._reading, self._writer.wait_closed(), return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            await _frames_of(reader, msgspec.msgpack.Decoder(list[_Answer]), self._take)
        except StreamLost as error:
            self.end(str(error))

    def _take(self, frame: _Answer) -> None:
        answer = self._awaited.get(frame.number)
        if answer is None or answer.done():
            return  # who had called was cancelled
        if frame.failure is not None:
            answer.set_exception(revive(frame.failure))
        else:
            answer.set_result(frame.body)


async def answer_calls(perform: Perform, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The end that answers: performs what comes, each call in a task of its own, until the stream ends.

    What was begun is done to its end all the same; it may be half of something.
    """
    outlet = _Outlet(writer)
    tasks: set[asyncio.Task[None]] = set()

    async def answer(call: _Call) -> None:
        try:
            outlet.give(_Answer(call.number, Body(await perform(call.verb, call.body))))
        except Exception as error:
            if not isinstance(error, RepertoryError):
                log.error("line.failed", verb=call.verb, trace="".join(format_exception(error)))
            outlet.give(_Answer(call.number, NOTHING, describe(error)))

    def begin(call: _Call) -> None:
        task = asyncio.get_running_loop().create_task(answer(call))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    try:
        await _frames_of(reader, msgspec.msgpack.Decoder(list[_Call]), begin)
    except StreamLost:
        writer.close()
    await asyncio.gather(*tasks)
