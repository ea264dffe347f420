"""A line between the driver and one process of a host: both ends call each other over it. Knows nothing of Ray.

Frames are handed on in the order in which they were given, as many at a time as have gathered while the parcel before
them was under way; so a busy line sends hundreds of messages with one write, and an idle one each at once. Calls are
begun at the other end in that order. A line ends with the process that it leads to: whoever awaits an answer is told.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, assert_never

from autogen_core import CancellationToken

from runtime.autogen_cluster.errors import HostLost
from runtime.autogen_cluster.freight import pack, pack_error, unpack, unpack_error
from runtime.autogen_cluster.wire import Answer, Call, Failed, Frame, Withdrawn, decode, encode
from runtime.on_ray.stream import StreamLost, read_parcel, write_parcel

PARCEL_LIMIT = 1_000
"""How many frames one parcel carries at most."""
PARCEL_BYTES = 1024 * 1024
"""With how many bytes a parcel is full; a frame is whole in any case."""

Perform = Callable[[str, tuple[Any, ...], CancellationToken], Awaitable[Any]]
"""Does what a call of the other end asks for: its verb, its arguments, and the token that the other end may cancel."""


class Line:
    """One end of a line; `where` says to the other end where an error was raised."""

    def __init__(self, perform: Perform, where: str) -> None:
        self._perform = perform
        self._where = where
        self._numbers = itertools.count()
        self._outgoing: list[Frame] = []
        self._has_outgoing = asyncio.Event()
        self._awaited: dict[int, asyncio.Future[Any]] = {}
        self._performed: dict[int, tuple[asyncio.Task[None], CancellationToken]] = {}
        self._withdrawn: set[int] = set()
        self._fault: BaseException | None = None

    @property
    def is_broken(self) -> bool:
        """Whether it has ended."""
        return self._fault is not None

    def call(self, verb: str, *arguments: Any, token: CancellationToken | None = None) -> asyncio.Future[Any]:
        """Has something done at the other end; cancelling the future ends it there, the token is passed on.

        Raises:
            CannotTravel: the arguments have no bytes.
            Exception: why the line has ended.
        """
        if self._fault is not None:
            raise self._fault
        return self.call_packed(verb, pack(arguments), token)

    def call_packed(self, verb: str, body: bytes, token: CancellationToken | None = None) -> asyncio.Future[Any]:
        """The same with the bytes of the arguments."""
        if self._fault is not None:
            raise self._fault
        number = next(self._numbers)
        answer = self._awaited[number] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(partial(self._settled, number))
        self._give(Call(number, verb, body))
        if token is not None:
            token.add_callback(partial(self._withdraw, number))
        return answer

    def tell(self, verb: str, *arguments: Any) -> None:
        """Has something done at the other end, whatever comes of it. Raises as `call`."""
        self.call(verb, *arguments).add_done_callback(lambda done: done.cancelled() or done.exception())

    async def take(self) -> bytes:
        """The next parcel for the other end; waits until there is something to say."""
        await self._has_outgoing.wait()
        count = _fitting(self._outgoing)
        frames, self._outgoing = self._outgoing[:count], self._outgoing[count:]
        if not self._outgoing:
            self._has_outgoing.clear()
        return encode(frames)

    def receive(self, parcel: bytes) -> None:
        """Takes a parcel of the other end."""
        for frame in decode(parcel):
            match frame:
                case Call():
                    self._begin(frame)
                case Answer():
                    self._answered(frame)
                case Failed():
                    self._failed(frame)
                case Withdrawn():
                    self._given_up(frame)
                case _:
                    assert_never(frame)

    def end(self, fault: BaseException) -> None:
        """Ends the line: answers will not come, and what the other end had asked for is given up."""
        self._fault = self._fault or fault
        awaited, self._awaited = self._awaited, {}
        for answer in awaited.values():
            if not answer.done():
                answer.set_exception(self._fault)
        for task, _ in self._performed.values():
            task.cancel()

    # What this end has called

    def _answered(self, frame: Answer) -> None:
        if (answer := self._awaited.pop(frame.number, None)) is None or answer.done():
            return
        try:
            answer.set_result(unpack(frame.body, "a response"))
        except Exception as error:
            answer.set_exception(error)

    def _failed(self, frame: Failed) -> None:
        if (answer := self._awaited.pop(frame.number, None)) is None or answer.done():
            return
        try:
            answer.set_exception(unpack_error(frame.body))
        except Exception as error:
            answer.set_exception(error)

    def _settled(self, number: int, answer: asyncio.Future[Any]) -> None:
        was_told = number in self._withdrawn
        self._withdrawn.discard(number)
        if self._awaited.pop(number, None) is not None and answer.cancelled() and not was_told:
            self._give(Withdrawn(number, by_token=False))

    def _withdraw(self, number: int) -> None:
        if number in self._awaited:
            self._withdrawn.add(number)
            self._give(Withdrawn(number, by_token=True))

    def _give(self, frame: Frame) -> None:
        self._outgoing.append(frame)
        self._has_outgoing.set()

    # What the other end has called

    def _begin(self, call: Call) -> None:
        token = CancellationToken()
        task = asyncio.get_running_loop().create_task(self._do(call, token))
        self._performed[call.number] = (task, token)

    async def _do(self, call: Call, token: CancellationToken) -> None:
        came: Frame
        try:
            arguments = unpack(call.body)
            came = Answer(call.number, pack(await self._perform(call.verb, arguments, token), "a response"))
        except BaseException as error:  # whatever it is, it is the caller's
            came = Failed(call.number, pack_error(error, self._where))
        del self._performed[call.number]
        self._give(came)

    def _given_up(self, frame: Withdrawn) -> None:
        if (performed := self._performed.get(frame.number)) is None:
            return
        task, token = performed
        if frame.by_token:
            token.cancel()
        else:
            task.cancel()


async def carry(line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carries parcels both ways; returns never.

    Raises:
        HostLost: the other end is gone.
    """
    ways = [asyncio.ensure_future(_send(line, writer)), asyncio.ensure_future(_receive(line, reader))]
    try:
        await asyncio.gather(*ways)
    except (OSError, StreamLost) as error:
        raise HostLost(str(error)) from None
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        writer.close()


async def _send(line: Line, writer: asyncio.StreamWriter) -> None:
    while True:
        write_parcel(writer, await line.take())
        await writer.drain()


async def _receive(line: Line, reader: asyncio.StreamReader) -> None:
    while True:
        line.receive(await read_parcel(reader))


def _fitting(frames: list[Frame]) -> int:
    """How many of the first frames go into one parcel."""
    size_bytes = 0
    for count, frame in enumerate(frames[:PARCEL_LIMIT], 1):
        size_bytes += 0 if isinstance(frame, Withdrawn) else len(frame.body)
        if size_bytes >= PARCEL_BYTES:
            return count
    return PARCEL_LIMIT
