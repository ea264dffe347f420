"""A stream between the driver and one process of a host, over which a line's parcels go.

Ray makes hosts, places them, restarts them and tells of their death; messages go beside it, since an actor call takes
ten times as long as a write to a socket. A host listens at its node's own address, until the driver has come or a while
has passed. Both prove that they know a secret, which the driver has given to the host in an actor call, before a
parcel is read. Nothing is encrypted, as between Ray's own processes (docs/autogen.md).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import struct
from collections.abc import Awaitable, Callable

from runtime.autogen_cluster.errors import HostLost
from runtime.autogen_cluster.line import Line

LENGTH = struct.Struct("!Q")
NONCE_BYTES = 32
GREETING_LIMIT_S = 20.0
"""How long the two ends may take to find each other and prove who they are."""

DRIVER, HOST = b"driver", b"host"


async def carry(line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carries parcels both ways; returns never.

    Raises:
        HostLost: the other end is gone.
    """
    ways = [asyncio.ensure_future(_send(line, writer)), asyncio.ensure_future(_receive(line, reader))]
    try:
        await asyncio.gather(*ways)
    except (OSError, asyncio.IncompleteReadError) as error:
        raise HostLost(f"the stream was closed ({error})") from None
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        writer.close()


async def _send(line: Line, writer: asyncio.StreamWriter) -> None:
    while True:
        parcel = await line.take()
        writer.write(LENGTH.pack(len(parcel)) + parcel)
        await writer.drain()


async def _receive(line: Line, reader: asyncio.StreamReader) -> None:
    while True:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        line.receive(await reader.readexactly(length))


async def connected(address: tuple[str, int], secret: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The driver's end of a stream to a host that listens there.

    Raises:
        HostLost: nobody does, or not that host.
    """
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(GREETING_LIMIT_S):
            reader, writer = await asyncio.open_connection(*address)
            await _prove(reader, writer, secret, own=DRIVER, other=HOST)
            return reader, writer
    except BaseException as error:
        if writer is not None:
            writer.close()
        if isinstance(error, OSError | asyncio.IncompleteReadError | TimeoutError):
            raise HostLost(f"the host at {address[0]}:{address[1]} could not be reached: {error!r}") from None
        raise


async def listen(
    ip: str, secret: bytes, on_driver: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> int:
    """Waits on a free port, which it returns, for whoever proves to be the driver; then listens no more."""

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(GREETING_LIMIT_S):
                await _prove(reader, writer, secret, own=HOST, other=DRIVER)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            writer.close()
            return
        server.close()
        await on_driver(reader, writer)

    server = await asyncio.start_server(on_connection, ip, 0)
    asyncio.get_running_loop().call_later(GREETING_LIMIT_S, server.close)
    return int(server.sockets[0].getsockname()[1])


async def _prove(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secret: bytes, *, own: bytes, other: bytes
) -> None:
    """Shows that this end knows the secret, without saying it, and has the other end show it.

    Raises:
        ConnectionRefusedError: it does not know it.
    """
    nonce = secrets.token_bytes(NONCE_BYTES)
    writer.write(nonce)
    theirs = await reader.readexactly(NONCE_BYTES)
    writer.write(_proof(secret, own, theirs, nonce))
    shown = await reader.readexactly(hashlib.sha256().digest_size)
    if not hmac.compare_digest(shown, _proof(secret, other, nonce, theirs)):
        raise ConnectionRefusedError("the other end does not know the secret")


def _proof(secret: bytes, who: bytes, asked: bytes, own: bytes) -> bytes:
    return hmac.digest(secret, who + asked + own, "sha256")
