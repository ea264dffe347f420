"""What the schema cannot say: every name that is used must be the name of something, and no address holds a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from scenarios.flaws import Flaw, Path, nearest, shown
from scenarios.scenario import ERROR_CODES, Scenario, Tool

PlaceOf = Callable[[Path], str]


def reference_flaws(scenario: Scenario, place_of: PlaceOf) -> Iterator[Flaw]:
    """The names that mean nothing, the names that are given twice, and the circles."""
    yield from _endpoint(scenario, place_of)
    yield from _agents(scenario, place_of)
    yield from _tools(scenario, place_of)
    yield from _faults(scenario, place_of)


def _endpoint(scenario: Scenario, place_of: PlaceOf) -> Iterator[Flaw]:
    """An address that holds a secret would stand in the journal; the message does not repeat it."""
    path = ("model", "endpoint")
    if any(sign in (scenario.model.endpoint or "") for sign in "@?#"):
        expected = "one without user, password and query; a key comes from REPERTORY_API_KEY"
        yield Flaw(place_of(path), path, "an address with more than a place", expected)


def _agents(scenario: Scenario, place_of: PlaceOf) -> Iterator[Flaw]:
    names = list(scenario.agents)
    yield from _unknown(scenario.start, names, "agent", ("start",), place_of)
    for name, agent in scenario.agents.items():
        path = ("agents", name, "placement", "together")
        yield from _unknown(agent.placement.together, names, "agent", path, place_of)
    together = {name: agent.placement.together for name, agent in scenario.agents.items()}
    for circle in _circles(together):
        path = ("agents", circle[0], "placement", "together")
        yield Flaw(place_of(path), path, f"a circle of agents: {' → '.join(circle)}", "an agent that lives somewhere")


def _tools(scenario: Scenario, place_of: PlaceOf) -> Iterator[Flaw]:
    index_of = {label: index for index, tool in enumerate(scenario.tools) for label in tool.labels}
    fallbacks: dict[str, str | None] = {}
    for index, tool in enumerate(scenario.tools):
        yield from _kind(tool, ("tools", index), place_of)
        for label in tool.labels:
            if label in fallbacks:
                yield Flaw(place_of(("tools", index)), ("tools", index), f"the tool {label} again", "each tool once")
            fallbacks[label] = tool.fallback
        path = ("tools", index, "fallback")
        yield from _unknown(tool.fallback, list(index_of), "tool of this scenario", path, place_of)
    for circle in _circles(fallbacks):
        path = ("tools", index_of[circle[0]], "fallback")
        yield Flaw(place_of(path), path, f"a circle of fallbacks: {' → '.join(circle)}", "a last tool without one")


def _kind(tool: Tool, path: Path, place_of: PlaceOf) -> Iterator[Flaw]:
    """What says which tool is meant: one thing, and whole."""
    said = [word for word in ("import", "http", "mcp") if getattr(tool, "import_" if word == "import" else word)]
    if len(said) > 1:
        yield Flaw(place_of(path), path, " and ".join(said), "one of them")
    elif not said and tool.name is None:
        yield Flaw(place_of(path), path, "neither name nor import, http or mcp", "one of them")
    if tool.http is not None:
        if tool.name is None:
            yield Flaw(place_of(path), path, "an HTTP tool without a name", "name: what agents shall call it")
        yield from _address(tool.http.url, (*path, "http", "url"), place_of)
    if tool.mcp is not None:
        yield from _server(tool, (*path, "mcp"), place_of)


def _server(tool: Tool, path: Path, place_of: PlaceOf) -> Iterator[Flaw]:
    assert tool.mcp is not None
    server = tool.mcp
    if (server.command is None) == (server.url is None):
        found = "neither command nor url" if server.url is None else "command and url"
        yield Flaw(place_of(path), path, found, "one of them")
    labels = list(server.labels().values())
    for position, name in enumerate(server.tools):
        if position >= len(labels) or labels[position] != name:
            at = (*path, "tools", position)
            yield Flaw(place_of(at), at, shown(name), "each tool once")
            break
    if tool.name is not None:
        at = (*path[:-1], "name")
        yield Flaw(place_of(at), at, shown(tool.name), "mcp.prefix, since a server may have several tools")
    yield from _address(server.url or "", (*path, "url"), place_of)
    for field, holder in (("env", "command"), ("headers", "url")):
        if getattr(server, field) and getattr(server, holder) is None:
            yield Flaw(
                place_of((*path, field)), (*path, field), f"{field} without {holder}", f"{field} with {holder} only"
            )


def _address(url: str, path: Path, place_of: PlaceOf) -> Iterator[Flaw]:
    """A scenario stands in the journal: no part of an address may be a secret; the message does not repeat it."""
    if any(sign in url for sign in "@?#"):
        expected = "one without user, password and query; secrets go into headers, by the name of a variable"
        yield Flaw(place_of(path), path, "an address with more than a place", expected)


def _faults(scenario: Scenario, place_of: PlaceOf) -> Iterator[Flaw]:
    tools = {label: tool for tool in scenario.tools for label in tool.labels}
    for index, fault in enumerate(scenario.faults):
        yield from _unknown(fault.tool, list(tools), "tool of this scenario", ("faults", index, "tool"), place_of)
        named = tools.get(fault.tool)
        if named is not None and named.import_ is None and fault.error not in ERROR_CODES:
            path = ("faults", index, "error")
            near = nearest(fault.error, ERROR_CODES)
            yield Flaw(place_of(path), path, shown(fault.error), f"one of {', '.join(ERROR_CODES)}", near)


def _unknown(name: str | None, names: list[str], noun: str, path: Path, place_of: PlaceOf) -> Iterator[Flaw]:
    if name is not None and name not in names:
        expected = f"the name of a{'n' if noun[0] in 'aeiou' else ''} {noun} ({', '.join(names) or 'it has none'})"
        yield Flaw(place_of(path), path, shown(name), expected, nearest(name, names))


def _circles(after: Mapping[str, str | None]) -> Iterator[list[str]]:
    """Each circle once, as the names along it with the first one repeated at the end."""
    done: set[str] = set()
    for start in after:
        way: list[str] = []
        name: str | None = start
        while name is not None and name not in done and name not in way:
            way.append(name)
            name = after.get(name)
        if name in way:
            yield [*way[way.index(name) :], name]
        done.update(way)
