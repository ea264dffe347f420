"""Tools of an MCP server that runs as a child process and speaks over its standard input and output.

    async with McpServer("uvx", ["some-server"]) as server:
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.types import CONNECTION_CLOSED, INVALID_PARAMS, CallToolResult, ContentBlock, TextContent, ToolAnnotations
from mcp.types import Tool as McpTool
from pydantic import BaseModel, JsonValue, TypeAdapter

from runtime.errors import UsageError
from runtime.events import EffectClass
from tools.errors import ToolFault
from tools.execute import CallContext
from tools.json_schema import arguments_model
from tools.outcome import ToolRetry
from tools.spec import ToolSpec
from tools.tool import SingleTool


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

    def __init__(
        self,
        command: str,
        args: Sequence[str] = (),
        *,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        start_timeout_s: float = 30.0,
    ) -> None:
        """`env` is added to a minimal environment; `log` gets what the server writes to its standard error."""
        self._parameters = StdioServerParameters(command=command, args=list(args), env=dict(env or {}))
        self._log = log
        self._start_timeout_s = start_timeout_s
        self._connection: _Connection | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._connected()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._disconnect(self._connection)

    async def tools(
        self, *, prefix: str = "", effects: Mapping[str, EffectClass] | None = None, timeout_s: float = 30.0
    ) -> list[SingleTool]:
        """The server's tools, their names after `prefix`.

        The effect class is that of `effects` (by the server's name), else read or idempotent where the server's
        annotations say so, else irreversible.

        Raises:
            UsageError: the server cannot be started.
        """
        connection = await self._connected()
        listed, cursor = list[McpTool](), None
        while True:
            page = await connection.client.list_tools(cursor=cursor)
            listed, cursor = listed + page.tools, page.next_cursor
            if cursor is None:
                break
        chosen = effects or {}
        return [
            self._tool(each, prefix, chosen.get(each.name) or _effect(each.annotations), timeout_s) for each in listed
        ]

    def _tool(self, listed: McpTool, prefix: str, effect: EffectClass, timeout_s: float) -> SingleTool:
        async def perform(args: BaseModel, ctx: CallContext) -> object:
            return await self._call(listed.name, args.model_dump(mode="json", exclude_unset=True))

        name = prefix + listed.name.replace(".", "_").replace("/", "_")
        spec = ToolSpec(
            name=name,
            description=listed.description or listed.title or name.replace("_", " "),
            args_type=arguments_model(name, listed.input_schema),
            result=TypeAdapter(Any),
            effect=effect,
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
        words = " ".join([self._parameters.command, *self._parameters.args])
        raise UsageError(f"MCP server {words!r} cannot be started ({why}); check the command and its log")

    async def _hold(self, ready: asyncio.Future[Client], stop: asyncio.Event) -> None:
        """Keeps the connection open: the SDK wants it entered and left in one task."""
        async with AsyncExitStack() as stack:
            log = stack.enter_context((self._log or Path(os.devnull)).open("a", encoding="utf-8"))
            client = Client(stdio_client(self._parameters, errlog=log))
            ready.set_result(await stack.enter_async_context(client))
            await stop.wait()

    async def _disconnect(self, connection: _Connection | None) -> None:
        if connection is not None and connection is self._connection:
            self._connection = None
            await connection.close()


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
