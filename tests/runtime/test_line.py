"""Lines that carry bytes: both ends in this process, between them a pair of sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import pytest

from runtime.on_ray.line import PARCEL_BYTES, Called, ErrorForm, Line
from runtime.on_ray.stream import Stream, StreamLost


class Carrier(Protocol):
    """A line of any kind."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...


class Words:
    """Errors as their words."""

    def pack(self, error: BaseException) -> bytes:
        return str(error).encode()

    def unpack(self, body: bytes) -> BaseException:
        return ValueError(body.decode())


async def paired() -> tuple[Stream, Stream]:
    """Both ends of a stream."""
    near, far = socket.socketpair()
    return await asyncio.open_connection(sock=near), await asyncio.open_connection(sock=far)


async def _refuse(called: Called) -> bytes:
    raise AssertionError(called.verb)


@asynccontextmanager
async def carried(line: Carrier, stream: Stream) -> AsyncGenerator[asyncio.Task[None]]:
    """Has a line carried over a stream meanwhile."""
    carrying = asyncio.ensure_future(line.carry(*stream))
    try:
        yield carrying
    finally:
        carrying.cancel()
        await asyncio.gather(carrying, stream[1].wait_closed(), return_exceptions=True)


def calling(errors: ErrorForm) -> Line:
    """An end that only calls."""
    return Line(_refuse, errors, gives_up=False)


class Far:
    """The end that does what it is told."""

    def __init__(self, *, gives_up: bool) -> None:
        self.began: list[bytes] = []
        self.ended: asyncio.Queue[str] = asyncio.Queue()
        self.may_end = asyncio.Event()
        self.line = Line(self._perform, Words(), gives_up=gives_up)

    async def _perform(self, called: Called) -> bytes:
        self.began.append(called.body)
        called.on_gently_withdrawn = lambda: self.ended.put_nowait("asked to")
        match called.verb:
            case "wait":
                try:
                    await self.may_end.wait()
                except asyncio.CancelledError:
                    self.ended.put_nowait("cancelled")
                    raise
                self.ended.put_nowait("done")
            case "fail":
                raise OSError("no")
            case _:
                pass
        return called.body


class Ends:
    """A near end that calls, and a far one."""

    def __init__(self, *, gives_up: bool) -> None:
        self.gives_up = gives_up
        self.far = Far(gives_up=gives_up)
        self.near = calling(Words())

    async def wait(self) -> asyncio.Future[bytes]:
        """A call that the far end has begun, and will not end."""
        waiting = self.near.call("wait", b"", bytes)
        await self.near.call("echo", b"", bytes)
        return waiting


@pytest.fixture(params=[True, False], ids=["gives up", "goes on"])
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[Ends]:
    made = Ends(gives_up=request.param)
    near, far = await paired()
    async with carried(made.near, near), carried(made.far.line, far):
        yield made
        for line in (made.near, made.far.line):
            line.end(StreamLost("over"))


async def test_calls_begin_in_their_order_and_answers_find_their_callers(ends: Ends) -> None:
    answers = await asyncio.gather(*(ends.near.call("echo", b"%d" % n, int) for n in range(3_000)))
    assert answers == list(range(3_000))
    assert ends.far.began == [b"%d" % n for n in range(3_000)]


async def test_an_error_is_raised_at_the_caller(ends: Ends) -> None:
    with pytest.raises(ValueError, match=r"^no$"):
        await ends.near.call("fail", b"", bytes)
    with pytest.raises(ValueError, match="invalid literal"):
        await ends.near.call("echo", b"none", int)


async def test_who_withdraws_a_call_ends_it_only_where_it_is_given_up(ends: Ends) -> None:
    (await ends.wait()).cancel()
    await ends.near.call("echo", b"", bytes)
    ends.far.may_end.set()
    assert await ends.far.ended.get() == ("cancelled" if ends.gives_up else "done")


async def test_who_withdraws_gently_leaves_it_to_the_other_end(ends: Ends) -> None:
    withdraw = asyncio.Future[object]()
    waiting = ends.near.call("wait", b"", bytes, withdraw.set_result)
    await ends.near.call("echo", b"", bytes)
    (await withdraw)()  # type: ignore[operator]
    waiting.cancel()
    assert await ends.far.ended.get() == "asked to"
    ends.far.may_end.set()
    assert await ends.far.ended.get() == "done"


async def test_the_end_of_a_line_ends_calls_only_where_they_are_given_up(ends: Ends) -> None:
    waiting = await ends.wait()
    ends.far.line.end(StreamLost("gone"))
    ends.far.may_end.set()
    await asyncio.gather(ends.far.line.performed(), waiting, return_exceptions=True)
    assert ends.far.ended.get_nowait() == ("cancelled" if ends.gives_up else "done")


async def test_an_ended_line_tells_all_who_wait_and_all_who_come_later(ends: Ends) -> None:
    waiting = await ends.wait()
    ends.near.end(StreamLost("gone"))
    ends.near.end(StreamLost("gone again"))
    assert ends.near.is_broken
    with pytest.raises(StreamLost, match=r"gone$"):
        await waiting
    with pytest.raises(StreamLost, match=r"gone$"):
        ends.near.call("echo", b"", bytes)


async def test_what_is_called_before_there_is_a_stream_waits_for_it() -> None:
    far = Far(gives_up=True)
    line = Line(_refuse, Words(), gives_up=True)
    waiting = line.call("echo", b"early", bytes)
    near, other = await paired()
    async with carried(line, near), carried(far.line, other):
        assert await waiting == b"early"


async def test_an_end_that_does_not_read_is_not_written_to_without_limit() -> None:
    body, count = bytes(PARCEL_BYTES // 8), 64
    near, other = await paired()
    line, far = calling(Words()), Far(gives_up=False)
    async with carried(line, near):
        answers = [line.call("echo", body, len) for _ in range(count)]
        await asyncio.sleep(0.1)
        assert 0 < near[1].transport.get_write_buffer_size() <= 2 * PARCEL_BYTES
        async with carried(far.line, other):
            assert await asyncio.gather(*answers) == [len(body)] * count


async def test_a_stream_that_ends_or_speaks_otherwise_is_told() -> None:
    for said, why in ((b"", "the stream was closed"), (bytes(7) + b"\x01\xc1", "speaks otherwise")):
        near, (_, writer) = await paired()
        async with carried(calling(Words()), near) as carrying:
            writer.write(said)
            writer.close()
            with pytest.raises(StreamLost, match=why):
                await carrying
