"""Tools that live outside of this machine's Python: addresses and MCP servers that a scenario names.

What MCP servers list is asked once, before a run begins (`listed_tools`), and kept with the run: every host, and every
replay, offers the agents the very tools that were seen then; no server is started before one of its tools is called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from runtime.errors import UsageError
from scenarios.flaws import Flaw, Path, ScenarioError, nearest
from scenarios.load import LoadedScenario
from scenarios.scenario import HttpCall, Scenario, Tool
from scenarios.scenario import McpServer as McpEntry
from tools.http_endpoint import HttpEndpoint
from tools.listed import ListedTool
from tools.tool import SingleTool

if TYPE_CHECKING:
    from tools.mcp import McpAddress, McpProcess, McpServer

_SECRET = "env:"
"""What stands before a variable's name among a run's secrets."""

TIMEOUT_S = 30.0
"""How long a call may take where the scenario says nothing."""


@dataclass
class Outside:
    """What a process needs for such tools of one run; servers of the same place are shared."""

    folder: FilePath
    """The scenario's directory, where commands are started."""
    listed: Mapping[str, ListedTool] = field(default_factory=dict[str, ListedTool])
    """What servers said of their tools, by the names that agents use."""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    """The run's secrets."""
    state: FilePath | None = None
    """Where tools of the scenario keep what lasts beyond a run."""
    servers: dict[str, McpServer] = field(default_factory=dict[str, "McpServer"])

    def http_tool(self, entry: Tool, call: HttpCall) -> SingleTool:
        """The tool that asks an address. Raises: UsageError when the address or its parameters are not in order."""
        return HttpEndpoint(
            name=entry.label,
            url=call.url,
            method=call.method,
            description=call.description,
            parameters=call.parameters,
            required=call.required,
            constants=call.constants,
            secret_headers=self._values(call.headers),
            effect=entry.effect,
            timeout_s=entry.timeout_s or TIMEOUT_S,
        ).tool()

    def mcp_tools(self, entry: Tool, said: McpEntry) -> list[SingleTool]:
        """The tools of a server that have been listed; no server is asked."""
        server = self.server(said)
        return [
            server.tool(self.listed[label], name=label, effect=entry.effect, timeout_s=entry.timeout_s or TIMEOUT_S)
            for label in said.labels()
            if label in self.listed
        ]

    def server(self, said: McpEntry) -> McpServer:
        """The server that an entry means; entries that say the same share it."""
        from tools.mcp import McpServer

        key = said.model_dump_json(exclude={"tools", "prefix"})
        if key not in self.servers:
            self.servers[key] = McpServer(self._place(said))
        return self.servers[key]

    def _place(self, said: McpEntry) -> McpProcess | McpAddress:
        from tools.mcp import McpAddress, McpProcess

        if said.url is not None:
            return McpAddress(said.url, self._values(said.headers))
        command, *args = said.command or [""]
        return McpProcess(command, args, self._values(said.env), self.folder)

    def _values(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The values of variables; those that this process was not given are left out (a replay needs none)."""
        found = {name: self.secrets.get(_SECRET + variable) for name, variable in variables.items()}
        return {name: value for name, value in found.items() if value is not None}


def tool_secrets(scenario: Scenario, environment: Mapping[str, str]) -> dict[str, str]:
    """The secrets of a scenario's tools that the environment has."""
    names = {variable for tool in scenario.tools for variable in tool.variables.values()}
    return {_SECRET + name: environment[name] for name in sorted(names) if environment.get(name)}


def missing_secrets(loaded: LoadedScenario, environment: Mapping[str, str]) -> Iterator[Flaw]:
    """The variables that tools name and the environment does not have."""
    for index, tool in enumerate(loaded.scenario.tools):
        for within, variable in tool.variables.items():
            if not environment.get(variable):
                found, expected = f"the name {variable}", "an environment variable that is set; export it first"
                yield loaded.flaw(("tools", index, *within), found, expected)


async def listed_tools(loaded: LoadedScenario, environment: Mapping[str, str]) -> dict[str, ListedTool]:
    """What the scenario's MCP servers say of the tools that it names, by the names that agents use.

    Raises:
        ScenarioError: a server cannot be started or reached, or has no such tool; each with its place.
    """
    outside = Outside(loaded.path.parent, secrets=tool_secrets(loaded.scenario, environment))
    found: dict[str, ListedTool] = {}
    flaws: list[Flaw] = []
    for index, tool in enumerate(loaded.scenario.tools):
        if tool.mcp is not None:
            await _list(loaded, outside, index, tool.mcp, found, flaws)
    for server in outside.servers.values():
        await server.close()
    if flaws:
        raise ScenarioError(flaws)
    return found


async def _list(
    loaded: LoadedScenario,
    outside: Outside,
    index: int,
    said: McpEntry,
    found: dict[str, ListedTool],
    flaws: list[Flaw],
) -> None:
    path: Path = ("tools", index, "mcp")
    try:
        has = {listed.name: listed for listed in await outside.server(said).listed()}
    except UsageError as error:
        flaws.append(loaded.flaw(path, f"no server ({error})", "an MCP server that answers"))
        return
    for position, (label, name) in enumerate(said.labels().items()):
        if name in has:
            found[label] = has[name]
        else:
            expected = f"a tool of the server ({', '.join(has) or 'it has none'})"
            flaws.append(loaded.flaw((*path, "tools", position), f"the text {name!r}", expected, nearest(name, has)))
