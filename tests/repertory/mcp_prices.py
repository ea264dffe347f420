"""An MCP server for the tests: over stdio as a process of its own, or over HTTP in this one."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("prices")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def night_price(city: str) -> int:
    """What a night costs, in CNY."""
    return 100 * len(city)


@server.tool()
def whoami(city: str) -> str:
    """Which key the server was given, told by its length alone."""
    return f"{city}: a key of {len(os.environ.get('PRICES_KEY', ''))} letters"


@contextmanager
def over_http() -> Generator[str]:
    """Its address, for as long as the block runs."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    serving = uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="critical"))
    thread = Thread(target=serving.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        serving.should_exit = True
        thread.join()


if __name__ == "__main__":
    server.run()
