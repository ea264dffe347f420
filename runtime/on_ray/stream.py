"""A stream between two processes of a cluster, each of which proves to the other that it knows a secret.

Ray makes processes, places them, restarts them and tells of their death; what is said often goes beside it, since an
actor call takes ten times as long as a write to a socket. Who listens does so within its machine for those that are on
it, else at its node's address (`ray_place.listening_ip`), and gives port and secret away in an actor call. Nothing is
encrypted, as between Ray's own processes (docs/cluster.md).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable

import msgspec

LENGTH = struct.Struct("!Q")
"""What goes before each parcel: how many bytes it has."""

SECRET_BYTES = 32
NONCE_BYTES = 32
GREETING_LIMIT_S = 20.0
"""How long the two ends may take to find each other and prove who they are."""

SILENT_LIMIT_S = 30
"""After how long a stream ends whose other machine does not answer any more, whether or not anything is said."""

CALLER, LISTENER = b"caller", b"listener"

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
OnStream = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class StreamLost(Exception):
    """The other end is gone, or was never there."""


class Address(msgspec.Struct, frozen=True):
    """Where a process listens, and the secret of both ends."""

    ip: str
    port: int
    secret: bytes

    def __repr__(self) -> str:
        return f"{self.ip}:{self.port}"


async def connected(address: Address) -> Stream:
    """The calling end of a stream to whoever listens there.

    Raises:
        StreamLost: nobody does, or nobody who knows the secret.
    """
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(GREETING_LIMIT_S):
            reader, writer = await asyncio.open_connection(address.ip, address.port)
            await _prove(reader, writer, address.secret, own=CALLER, other=LISTENER)
            return reader, writer
    except BaseException as error:
        if writer is not None:
            writer.close()
        if isinstance(error, OSError | asyncio.IncompleteReadError | TimeoutError):
            raise StreamLost(f"{address!r} could not be reached: {error!r}") from None
        raise


async def listen(ip: str, on_stream: OnStream) -> tuple[Address, asyncio.Server]:
    """Listens on a free port for whoever proves to know the secret that is made here."""
    secret = secrets.token_bytes(SECRET_BYTES)

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(GREETING_LIMIT_S):
                await _prove(reader, writer, secret, own=LISTENER, other=CALLER)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            writer.close()
            return
        await on_stream(reader, writer)

    server = await asyncio.start_server(on_connection, ip, 0)
    return Address(ip, int(server.sockets[0].getsockname()[1]), secret), server


def write_parcel(writer: asyncio.StreamWriter, parcel: bytes) -> None:
    """Sends a parcel as soon as the stream takes it."""
    writer.write(LENGTH.pack(len(parcel)))
    writer.write(parcel)


async def read_parcel(reader: asyncio.StreamReader) -> bytes:
    """The next parcel.

    Raises:
        StreamLost: there will be none.
    """
    try:
        (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        return await reader.readexactly(length)
    except (OSError, asyncio.IncompleteReadError) as error:
        raise StreamLost(f"the stream was closed ({error})") from None


async def _prove(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secret: bytes, *, own: bytes, other: bytes
) -> None:
    """Shows that this end knows the secret, without saying it, and has the other end show it.

    Raises:
        ConnectionRefusedError: it does not know it.
    """
    _end_with_its_machine(writer.get_extra_info("socket"))
    nonce = secrets.token_bytes(NONCE_BYTES)
    writer.write(nonce)
    theirs = await reader.readexactly(NONCE_BYTES)
    writer.write(_proof(secret, own, theirs, nonce))
    shown = await reader.readexactly(hashlib.sha256().digest_size)
    if not hmac.compare_digest(shown, _proof(secret, other, nonce, theirs)):
        raise ConnectionRefusedError("the other end does not know the secret")


def _proof(secret: bytes, who: bytes, asked: bytes, own: bytes) -> bytes:
    return hmac.digest(secret, who + asked + own, "sha256")


def _end_with_its_machine(stream: socket.socket) -> None:
    """A machine that loses its power says nothing: what is not acknowledged for so long counts as its end."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", SILENT_LIMIT_S // 3),
        ("TCP_KEEPINTVL", SILENT_LIMIT_S // 6),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", 1000 * SILENT_LIMIT_S),
    ):
        if (option := getattr(socket, name, None)) is not None:  # other systems lack some of them
            stream.setsockopt(socket.IPPROTO_TCP, option, value)
