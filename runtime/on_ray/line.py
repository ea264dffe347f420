"""A line over a stream: both ends call each other, many calls at a time. It knows neither Ray nor what is said.

Frames go out in the order in which they were given: all of one turn of the event loop with one write, and while the
stream takes no more, as many as gather meanwhile. Calls are begun at the other end in that order. A line is not mended:
when it ends, whoever awaits an answer is told why.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar, assert_never

import msgspec

from runtime.on_ray.stream import StreamLost, read_parcel, write_parcel

PARCEL_LIMIT = 1_000
"""How many frames one parcel carries at most."""
PARCEL_BYTES = 1024 * 1024
"""With how many bytes a parcel is full; a frame is whole in any case."""
UNSENT_BYTES = 64 * 1024
"""How much may wait to be sent before frames gather instead: what asyncio's own streams allow."""

T = TypeVar("T")


class _Call(msgspec.Struct, frozen=True, tag="c", array_like=True):
    """Something to be done at the other end."""

    number: int
    verb: str
    body: bytes


class _Answer(msgspec.Struct, frozen=True, tag="a", array_like=True):
    """What a call returned."""

    number: int
    body: bytes


class _Failed(msgspec.Struct, frozen=True, tag="f", array_like=True):
    """What a call raised."""

    number: int
    body: bytes


class _Withdrawn(msgspec.Struct, frozen=True, tag="w", array_like=True):
    """The caller waits no more; or, gently, would rather not."""

    number: int
    is_gentle: bool


_Frame = _Call | _Answer | _Failed | _Withdrawn

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[_Frame])


def _do_nothing() -> None:
    pass


@dataclass(slots=True)
class Called:
    """A call as the end sees it that performs it."""

    verb: str
    body: bytes
    on_gently_withdrawn: Callable[[], object] = _do_nothing
    """What to do when the caller would rather have no answer; who performs the call may set it."""


Perform = Callable[[Called], Awaitable[bytes]]
"""Does what a call of the other end asks for; returns the body of the answer."""

Withdraw = Callable[[], None]


class ErrorForm(Protocol):
    """How errors become bytes, and again what they were."""

    def pack(self, error: BaseException) -> bytes:
        """The bytes of an error."""
        ...

    def unpack(self, body: bytes) -> BaseException:
        """The error again."""
        ...


class Line:
    """One end of a line. What is called before `carry` waits for it.

    `gives_up` says whether what the other end has called is cancelled here when that end waits no more, or is gone.
    """

    def __init__(self, perform: Perform, errors: ErrorForm, *, gives_up: bool) -> None:
        self._perform = perform
        self._errors = errors
        self._gives_up = gives_up
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()
        self._awaited: dict[int, tuple[asyncio.Future[Any], Callable[[bytes], Any]]] = {}
        self._gently_withdrawn: set[int] = set()
        self._performed: dict[int, tuple[asyncio.Task[None], Called]] = {}
        self._outgoing: list[_Frame] = []
        self._writer: asyncio.StreamWriter | None = None
        self._is_writing = False
        self._draining: asyncio.Task[None] | None = None
        self._fault: BaseException | None = None

    @property
    def is_broken(self) -> bool:
        """Whether it has ended."""
        return self._fault is not None

    def call(
        self,
        verb: str,
        body: bytes,
        read: Callable[[bytes], T],
        withdrawable: Callable[[Withdraw], object] | None = None,
    ) -> asyncio.Future[T]:
        """Has something done at the other end, once or not at all; `read` makes of the answer's body what is awaited.

        Cancelling the future withdraws the call, unless it has been withdrawn gently: `withdrawable` is handed what
        does that.

        Raises:
            Exception: why the line has ended.
        """
        if self._fault is not None:
            raise self._fault
        number = next(self._numbers)
        answer: asyncio.Future[T] = self._loop.create_future()
        self._awaited[number] = (answer, read)
        answer.add_done_callback(partial(self._settled, number))
        self._give(_Call(number, verb, body))
        if withdrawable is not None:
            withdrawable(partial(self._withdraw_gently, number))
        return answer

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries frames both ways over a stream; returns never.

        Raises:
            StreamLost: the other end is gone, or is no line.
        """
        self._writer = writer
        self._write_soon()
        try:
            while True:
                for frame in _decoder.decode(await read_parcel(reader)):
                    self._take(frame)
        except msgspec.MsgspecError as error:
            raise StreamLost(f"the other end speaks otherwise ({error}); both must run the same version") from None
        finally:
            self._writer = None
            writer.close()
            if self._draining is not None:
                self._draining.cancel()

    def end(self, fault: BaseException) -> None:
        """Ends the line: whoever awaits an answer gets the fault instead, and whoever calls later."""
        self._fault = self._fault or fault
        for answer, _ in list(self._awaited.values()):
            if not answer.done():
                answer.set_exception(self._fault)
        if self._gives_up:
            for task, _ in self._performed.values():
                task.cancel()

    async def performed(self) -> None:
        """Returns when all is done that the other end had called."""
        await asyncio.gather(*(task for task, _ in self._performed.values()))

    # What this end has called

    def _answered(self, frame: _Answer) -> None:
        if (found := self._awaited.pop(frame.number, None)) is None or found[0].done():
            return
        answer, read = found
        try:
            answer.set_result(read(frame.body))
        except Exception as error:
            answer.set_exception(error)

    def _failed(self, frame: _Failed) -> None:
        if (found := self._awaited.pop(frame.number, None)) is None or found[0].done():
            return
        answer, _ = found
        try:
            answer.set_exception(self._errors.unpack(frame.body))
        except Exception as error:
            answer.set_exception(error)

    def _settled(self, number: int, answer: asyncio.Future[Any]) -> None:
        is_told = number in self._gently_withdrawn
        self._gently_withdrawn.discard(number)
        if self._awaited.pop(number, None) is not None and answer.cancelled() and not is_told:
            self._give(_Withdrawn(number, is_gentle=False))

    def _withdraw_gently(self, number: int) -> None:
        if number in self._awaited:
            self._gently_withdrawn.add(number)
            self._give(_Withdrawn(number, is_gentle=True))

    # What the other end has called

    def _begin(self, frame: _Call) -> None:
        called = Called(frame.verb, frame.body)
        self._performed[frame.number] = (self._loop.create_task(self._do(frame.number, called)), called)

    async def _do(self, number: int, called: Called) -> None:
        came: _Frame
        try:
            came = _Answer(number, await self._perform(called))
        except BaseException as error:  # whatever it is, it is the caller's
            came = _Failed(number, self._errors.pack(error))
        del self._performed[number]
        self._give(came)

    def _given_up(self, frame: _Withdrawn) -> None:
        if (performed := self._performed.get(frame.number)) is None:
            return
        task, called = performed
        if frame.is_gentle:
            called.on_gently_withdrawn()
        elif self._gives_up:
            task.cancel()

    # Frames

    def _take(self, frame: _Frame) -> None:
        match frame:
            case _Call():
                self._begin(frame)
            case _Answer():
                self._answered(frame)
            case _Failed():
                self._failed(frame)
            case _Withdrawn():
                self._given_up(frame)
            case _:
                assert_never(frame)

    def _give(self, frame: _Frame) -> None:
        self._outgoing.append(frame)
        self._write_soon()

    def _write_soon(self) -> None:
        if not self._is_writing and self._outgoing and self._writer is not None:
            self._is_writing = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        """Writes what there is, and goes on when the stream takes more."""
        while self._outgoing and self._writer is not None and not self._writer.is_closing():
            count = _fitting(self._outgoing)
            frames, self._outgoing = self._outgoing[:count], self._outgoing[count:]
            write_parcel(self._writer, _encoder.encode(frames))
            if self._writer.transport.get_write_buffer_size() > UNSENT_BYTES:
                self._draining = self._loop.create_task(self._write_on(self._writer))
                return
        self._is_writing = False

    async def _write_on(self, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # who reads learns that the other end is gone
            await writer.drain()
        self._write()


def _fitting(frames: list[_Frame]) -> int:
    """How many of the first frames go into one parcel."""
    size_bytes = 0
    for count, frame in enumerate(frames[:PARCEL_LIMIT], 1):
        size_bytes += 0 if isinstance(frame, _Withdrawn) else len(frame.body)
        if size_bytes >= PARCEL_BYTES:
            return count
    return PARCEL_LIMIT
