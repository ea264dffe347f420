"""The MCP adapter against a real server process."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from autogen_core import CancellationToken

from runtime.errors import UsageError
from tools.execute import Surroundings
from tools.mcp import McpProcess, McpServer
from tools.outcome import ToolOutcome
from tools.tool import SingleTool

SCRIPT = str(Path(__file__).with_name("mcp_server.py"))


async def never(seconds: float) -> None:
    """Waits for nothing."""


@pytest.fixture
async def tools() -> AsyncIterator[dict[str, SingleTool]]:
    async with McpServer(McpProcess(sys.executable, [SCRIPT])) as server:
        listed = await server.tools(prefix="tiny_", effects={"refuse": "compensable"})
        yield {each.name: each.within(Surroundings(sleep=never)) for each in listed}


async def call(single: SingleTool, **arguments: Any) -> ToolOutcome:
    return ToolOutcome.model_validate(await single.run_json(arguments, CancellationToken()))


@pytest.mark.slow
async def test_a_servers_tools_are_ours(tools: dict[str, SingleTool], tmp_path: Path) -> None:
    """One server for all of it: a start takes seconds."""
    effects = {name: each.effect for name, each in tools.items()}
    assert effects == {
        "tiny_add": "read",
        "tiny_greet": "idempotent",
        "tiny_refuse": "compensable",
        "tiny_vanish": "read",
        "tiny_crash": "irreversible",
    }
    add = tools["tiny_add"]
    assert add.description == "Adds two numbers."
    assert add.schema.get("parameters", {}).get("required") == ["a"]

    got = await call(add, a="2")
    assert got.value == {"result": 3} and got.repairs[0].used == 2
    assert (await call(add, b=1)).status == "retry"
    assert (await call(tools["tiny_greet"], name="世界")).value == "你好，世界"

    refused = await call(tools["tiny_refuse"], reason="no room left")
    assert refused.status == "retry" and refused.error is not None and "no room left" in refused.error.message

    revived = await call(tools["tiny_vanish"], once=str(tmp_path / "once"))
    assert (revived.status, revived.value, revived.attempts) == ("ok", {"result": "back"}, 2)

    crashed = await call(tools["tiny_crash"])
    assert crashed.status == "failed" and crashed.attempts == 1 and crashed.error is not None
    assert "whether it took effect is not known" in crashed.error.message


@pytest.mark.parametrize(("command", "args"), [("no-such-command", []), (sys.executable, ["-c", "print('hello')"])])
async def test_a_server_that_does_not_start_is_a_usage_error(command: str, args: list[str]) -> None:
    with pytest.raises(UsageError, match="cannot be started"):
        async with McpServer(McpProcess(command, args), start_timeout_s=20):
            pass
