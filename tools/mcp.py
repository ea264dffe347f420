"""Tools of an MCP server: a child process that speaks over its standard input and output, or a server with an address.

    async with McpServer(McpProcess("uvx", ["some-server"])) as server:
        for each in await server.tools():
            registry.add(each)

The official SDK does the protocol. A server that has died is started again by the next call; whether the call that it
died in is repeated depends on the tool's effect class.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx2
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, INVALID_PARAMS, CallToolResult, ContentBlock, TextContent, ToolAnnotations
from mcp.types import Tool as McpTool
from pydantic import BaseModel, JsonValue, TypeAdapter

from runtime.errors import UsageError
from runtime.events import EffectClass
from tools.errors import ToolFault
from tools.execute import CallContext
from tools.json_schema import arguments_model
from tools.listed import ListedTool
from tools.outcome import ToolRetry
from tools.spec import ToolSpec
from tools.tool import SingleTool


@dataclass(frozen=True)
class McpProcess:
    """A server that is started as a child process."""

    command: str
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Added to a minimal environment."""
    folder: Path | None = None
    """Where it is started; None: here."""
    log: Path | None = None
    """Gets what the server writes to its standard error."""

    def __str__(self) -> str:
        return " ".join([self.command, *self.args])


@dataclass(frozen=True)
class McpAddress:
    """A server that is up, asked over HTTP."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """Sent with each request; they may hold secrets."""

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True)
class _Connection:
    client: Client
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def close(self) -> None:
        self.stop.set()
        await _ended(self.task)


class McpServer:
    """One MCP server; its connection is opened by the first use and closed by leaving the `async with`."""

    def __init__(self, place: McpProcess | McpAddress, *, start_timeout_s: float = 30.0) -> None:
        self._place = place
        self._start_timeout_s = start_timeout_s
        self._connection: _Connection | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection, and with it a server that was started for it; the next use opens another."""
        await self._disconnect(self._connection)

    async def tools(
        self, *, prefix: str = "", effects: Mapping[str, EffectClass] | None = None, timeout_s: float = 30.0
    ) -> list[SingleTool]:
        """The server's tools, their names after `prefix`.

        The effect class is that of `effects` (by the server's name), else read or idempotent where the server's
        annotations say so, else irreversible.

        Raises:
            UsageError: the server cannot be reached.
        """
        chosen = effects or {}
        return [
            self.tool(each, name=prefix + plain_name(each.name), effect=chosen.get(each.name), timeout_s=timeout_s)
            for each in await self.listed()
        ]

    async def listed(self) -> list[ListedTool]:
        """What the server has.

        Raises:
            UsageError: it cannot be reached.
        """
        connection = await self._connected()
        listed, cursor = list[McpTool](), None
        while True:
            page = await connection.client.list_tools(cursor=cursor)
            listed, cursor = listed + page.tools, page.next_cursor
            if cursor is None:
                break
        return [
            ListedTool(
                name=each.name,
                description=each.description or each.title or plain_name(each.name).replace("_", " "),
                parameters=each.input_schema,
                effect=_effect(each.annotations),
            )
            for each in listed
        ]

    def tool(
        self, listed: ListedTool, *, name: str, effect: EffectClass | None = None, timeout_s: float = 30.0
    ) -> SingleTool:
        """One of the server's tools by a name of ours; the server is not asked before the first call."""

        async def perform(args: BaseModel, ctx: CallContext) -> object:
            return await self._call(listed.name, args.model_dump(mode="json", exclude_unset=True))

        spec = ToolSpec(
            name=name,
            description=listed.description,
            args_type=arguments_model(name, listed.parameters),
            result=TypeAdapter(Any),
            effect=effect or listed.effect,
            timeout_s=timeout_s,
        )
        return SingleTool(spec, perform)

    async def _call(self, name: str, arguments: dict[str, Any]) -> JsonValue | ToolRetry:
        connection = await self._connected()
        try:
            return _value(await connection.client.call_tool(name, arguments))
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                await self._disconnect(connection)
                raise ConnectionError("the MCP server went away") from None
            if error.code == INVALID_PARAMS:
                return ToolRetry(error.message)
            raise ToolFault("failed", f"{name}: {error.message}") from None

    async def _connected(self) -> _Connection:
        async with self._opening:
            if self._connection is None or self._connection.task.done():
                self._connection = await self._open()
            return self._connection

    async def _open(self) -> _Connection:
        ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        stop = asyncio.Event()
        task = asyncio.create_task(self._hold(ready, stop))
        either: list[asyncio.Future[Any]] = [ready, task]
        try:
            await asyncio.wait(either, timeout=self._start_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if ready.done():
            return _Connection(ready.result(), stop, task)
        late = not task.done()
        task.cancel()
        why = f"no answer within {self._start_timeout_s:g} s" if late else await _ended(task)
        what = "started" if isinstance(self._place, McpProcess) else "reached"
        check = "the command and its log" if isinstance(self._place, McpProcess) else "the address and its headers"
        raise UsageError(f"MCP server {str(self._place)!r} cannot be {what} ({why}); check {check}")

    async def _hold(self, ready: asyncio.Future[Client], stop: asyncio.Event) -> None:
        """Keeps the connection open: the SDK wants it entered and left in one task."""
        async with AsyncExitStack() as stack:
            client = await self._client(stack)
            ready.set_result(await stack.enter_async_context(client))
            await stop.wait()

    async def _client(self, stack: AsyncExitStack) -> Client:
        if isinstance(self._place, McpAddress):
            http = await stack.enter_async_context(
                # Redirects are not followed: they would take the headers to another host.
                httpx2.AsyncClient(headers=dict(self._place.headers), timeout=httpx2.Timeout(30.0, read=300.0))
            )
            return Client(streamable_http_client(self._place.url, http_client=http))
        place = self._place
        log = stack.enter_context((place.log or Path(os.devnull)).open("a", encoding="utf-8"))
        started = StdioServerParameters(
            command=place.command, args=list(place.args), env=dict(place.env), cwd=place.folder
        )
        return Client(stdio_client(started, errlog=log))

    async def _disconnect(self, connection: _Connection | None) -> None:
        if connection is not None and connection is self._connection:
            self._connection = None
            await connection.close()


def plain_name(name: str) -> str:
    """A server's name of a tool as one that agents and scenarios can use."""
    return name.replace(".", "_").replace("/", "_")


async def _ended(task: asyncio.Task[None]) -> str:
    """Waits for the task and tells what it died of; errors of a dying connection concern nobody else."""
    await asyncio.wait([task])
    error = None if task.cancelled() else task.exception()
    return "it ended" if error is None else _root(error)


def _root(error: BaseException) -> str:
    """The first error at the bottom of groups of errors, in words."""
    if isinstance(error, BaseExceptionGroup):
        return _root(error.exceptions[0])  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - any
    return f"{type(error).__name__}: {error}"


def _effect(annotations: ToolAnnotations | None) -> EffectClass:
    if annotations is not None and annotations.read_only_hint:
        return "read"
    if annotations is not None and annotations.idempotent_hint:
        return "idempotent"
    return "irreversible"


def _value(result: CallToolResult) -> JsonValue | ToolRetry:
    """The structured result where there is one, else the text, else all parts as JSON."""
    if result.is_error:
        texts = [part.text for part in result.content if isinstance(part, TextContent)]
        return ToolRetry("\n".join(texts) or "the tool reported an error without words", code="failed")
    if result.structured_content is not None:
        value: JsonValue = result.structured_content
        return value
    parts = [_part(part) for part in result.content]
    return parts[0] if len(parts) == 1 else parts


def _part(part: ContentBlock) -> JsonValue:
    if isinstance(part, TextContent):
        return part.text
    value: JsonValue = part.model_dump(mode="json", by_alias=True, exclude_none=True)
    return value
