"""A sequencer that is asked over a line: both ends in this process, between them a real socket, and no Ray."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from runtime.errors import ClusterLost, UsageError
from runtime.exchange.channel import Loss, NotKnownHere
from runtime.journal import MemoryJournal
from runtime.on_ray.actor_channel import FORGET_LIMIT_S, ActorChannel, ActorUnavailable
from runtime.on_ray.ray_place import listening_ip
from runtime.on_ray.sequencer_desk import ASKED, FAILURES, DeskLine, SequencerDesk
from runtime.on_ray.stream import Address, StreamLost, connected, listen
from runtime.placement import HostInfo
from runtime.service import SequencerService
from tests.runtime.test_line import calling, carried

HOST = HostInfo("host-1")


class Method:
    """What Ray makes of an actor's method."""

    def __init__(self, method: Callable[..., Awaitable[Any]]) -> None:
        self.remote = method


class Actor:
    """An actor whose process can be replaced by a new one; it has a desk, which must be asked where it is."""

    def __init__(self) -> None:
        self.address = Method(self._address)
        self.desk: SequencerDesk | None = None
        self.begin()

    def begin(self) -> None:
        """A process comes up that knows nothing of an earlier one."""
        self.desk = SequencerDesk(SequencerService(MemoryJournal(), [HOST]))

    async def end(self) -> None:
        """The process dies."""
        desk, self.desk = self.desk, None
        if desk is not None:
            await desk.close()

    async def _address(self, callers_ip: str = "127.0.0.1") -> Address:
        if self.desk is None:
            raise ActorUnavailable("it is being restarted")
        return await self.desk.address(listening_ip(callers_ip, callers_ip))


@pytest.fixture
async def actor() -> AsyncIterator[Actor]:
    made = Actor()
    yield made
    await made.end()


@pytest.fixture
async def channel(actor: Actor) -> AsyncIterator[ActorChannel]:
    made = ActorChannel(actor, HOST, 1)
    yield made
    await made.close()


async def test_what_is_asked_reaches_the_service_and_its_answer_keeps_its_type(channel: ActorChannel) -> None:
    await channel.join({})
    assert await channel.leave("host-1", 1) == Loss({})


async def test_an_error_keeps_its_type(channel: ActorChannel) -> None:
    with pytest.raises(NotKnownHere, match="has not joined"):
        await channel.pull("host-2", 0)
    with pytest.raises(UsageError, match="there is no run 'none'"):
        await channel.resume("none", "driver")


async def test_who_waits_for_long_keeps_nobody_waiting(channel: ActorChannel) -> None:
    await channel.join({})
    pulling = asyncio.ensure_future(channel.pull("host-1", 0))
    await asyncio.sleep(0)
    with pytest.raises(UsageError):
        await channel.resume("none", "driver")
    assert not pulling.done()
    pulling.cancel()


async def test_a_call_under_way_is_made_again_at_the_next_process(actor: Actor, channel: ActorChannel) -> None:
    await channel.join({})
    pulling = asyncio.ensure_future(channel.pull("host-1", 0))
    await asyncio.sleep(0.05)
    await actor.end()
    await asyncio.sleep(0.1)
    assert not pulling.done()
    actor.begin()
    with pytest.raises(NotKnownHere, match="host-1"):
        await pulling


async def test_who_waits_for_an_actor_that_is_lost_is_told_at_once_and_so_is_whoever_asks_later(actor: Actor) -> None:
    async def never(_: str) -> Address:
        forever: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
        return await forever

    actor.address = Method(never)
    channel = ActorChannel(actor, HOST, 1)
    pulling = asyncio.ensure_future(channel.pull("host-1", 0))
    await asyncio.sleep(0.05)
    assert not pulling.done()
    channel.lose()
    with pytest.raises(ClusterLost, match="repertory resume"):
        await pulling
    with pytest.raises(ClusterLost):
        await channel.watch("run", 0)
    async with asyncio.timeout(FORGET_LIMIT_S / 2):
        await channel.forget("run", "driver")


async def test_only_what_is_meant_to_be_asked_can_be_asked(actor: Actor) -> None:
    line = calling(FAILURES)
    async with carried(line, await connected(await actor.address.remote())):
        for verb in ("_perform", "address", "close", "__init__", "nothing"):
            with pytest.raises(UsageError, match=f"asked to '{verb}'; it can be asked to describe, "):
                await line.call(verb, msgspec.msgpack.encode(()), bytes)
        with pytest.raises(msgspec.ValidationError, match="Expected `str`"):
            await line.call("trouble", msgspec.msgpack.encode((1,)), bytes)


async def test_other_machines_are_listened_to_only_where_one_of_them_asks() -> None:
    assert listening_ip("10.0.0.1", "10.0.0.1") == "127.0.0.1"
    assert listening_ip("10.0.0.1", "10.0.0.2") == "10.0.0.1"
    desk = SequencerDesk(SequencerService(MemoryJournal()))
    near, again, far = [await desk.address(ip) for ip in ("127.0.0.1", "127.0.0.1", "127.0.0.2")]
    assert near == again
    assert (near.ip, far.ip) == ("127.0.0.1", "127.0.0.2")
    assert near.secret != far.secret
    await desk.close()


async def test_every_method_of_the_desk_can_be_asked() -> None:
    methods = {name for name in vars(SequencerDesk) if not name.startswith("_")}
    assert set(ASKED) == methods - {"address", "close"}


async def test_who_does_not_know_the_secret_is_refused_and_others_are_not(actor: Actor) -> None:
    address = await actor.address.remote()
    with pytest.raises(StreamLost, match="could not be reached"):
        await connected(msgspec.structs.replace(address, secret=bytes(32)))
    line = DeskLine(*await connected(address))
    assert not line.is_broken
    await line.close()


async def test_a_secret_is_not_in_what_is_printed(actor: Actor) -> None:
    address = await actor.address.remote()
    assert f"{address!r}" == f"127.0.0.1:{address.port}"


async def test_who_speaks_otherwise_breaks_the_line(actor: Actor) -> None:
    async def gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(bytes(7) + b"\x01" + b"\xc1")
        writer.close()

    address, server = await listen("127.0.0.1", gibberish)
    line = DeskLine(*await connected(address))
    with pytest.raises(StreamLost, match="speaks otherwise"):
        await line.ask("trouble", "")
    assert line.is_broken
    await line.close()
    server.close()


async def test_a_broken_line_says_why_to_who_calls_later(actor: Actor) -> None:
    line = DeskLine(*await connected(await actor.address.remote()))
    await line.close()
    with pytest.raises(StreamLost, match="hung up"):
        await line.ask("trouble", "")
