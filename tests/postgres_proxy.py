"""A way to a PostgreSQL server on which the answer to a commit is lost: it is done, and the client never knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

SOCKET = ".s.PGSQL.5432"
COMMITTED = b"COMMIT\x00"
"""The tag with which a server answers a commit."""


class LosingProxy:
    """Passes everything on, but breaks a connection instead of passing the answer to the `at`-th commit."""

    def __init__(self, server: Path, at: int) -> None:
        self._server = server
        self._left = at

    @property
    def has_lost(self) -> bool:
        """Whether it has lost an answer."""
        return self._left <= 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client's connection, to its end."""
        from_server, to_server = await asyncio.open_unix_connection(str(self._server / SOCKET))
        forth = asyncio.create_task(self._pass(reader, to_server, is_answer=False))
        back = asyncio.create_task(self._pass(from_server, writer, is_answer=True))
        await asyncio.wait([forth, back], return_when=asyncio.FIRST_COMPLETED)
        for task, stream in ((forth, to_server), (back, writer)):
            task.cancel()
            stream.close()
        with suppress(OSError):
            await asyncio.gather(to_server.wait_closed(), writer.wait_closed())

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool) -> None:
        while data := await reader.read(65536):
            if is_answer and COMMITTED in data:
                self._left -= 1
                if self._left == 0:
                    return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def losing(server: Path, folder: Path, *, at: int) -> AsyncGenerator[LosingProxy]:
    """A proxy whose socket lies in `folder`, which takes the place of the server's folder in an address."""
    proxy = LosingProxy(server, at)
    async with await asyncio.start_unix_server(proxy.serve, folder / SOCKET):
        yield proxy
