"""A tiny MCP server for the tests: started as a process of its own, it speaks over stdio."""

from __future__ import annotations

import os

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

server = MCPServer("tiny")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


@server.tool(annotations=ToolAnnotations(idempotent_hint=True), structured_output=False)
def greet(name: str) -> str:
    """Greets."""
    return f"你好，{name}"


@server.tool()
def refuse(reason: str) -> str:
    """Always refuses."""
    raise ToolError(reason)


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def vanish(once: str) -> str:
    """Dies at the first call with this file name and answers at the second."""
    if not os.path.exists(once):  # noqa: PTH110
        with open(once, "w", encoding="utf-8"):  # noqa: PTH123
            os._exit(1)
    return "back"


@server.tool()
def crash() -> str:
    """Dies."""
    os._exit(1)


if __name__ == "__main__":
    server.run()
