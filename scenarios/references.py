"""What the schema cannot say: every name that is used must be the name of something, and no address holds a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from scenarios.flaws import Flaw, Path, nearest, shown
from scenarios.scenario import ERROR_CODES, Scenario

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
    names = [tool.label for tool in scenario.tools]
    fallbacks: dict[str, str | None] = {}
    for index, tool in enumerate(scenario.tools):
        if not tool.label:
            yield Flaw(place_of(("tools", index)), ("tools", index), "neither name nor import", "one of them")
        elif tool.label in fallbacks:
            yield Flaw(place_of(("tools", index)), ("tools", index), f"the tool {tool.label} again", "each tool once")
        fallbacks[tool.label] = tool.fallback
        yield from _unknown(tool.fallback, names, "tool of this scenario", ("tools", index, "fallback"), place_of)
    for circle in _circles(fallbacks):
        path = ("tools", names.index(circle[0]), "fallback")
        yield Flaw(place_of(path), path, f"a circle of fallbacks: {' → '.join(circle)}", "a last tool without one")


def _faults(scenario: Scenario, place_of: PlaceOf) -> Iterator[Flaw]:
    tools = {tool.label: tool for tool in scenario.tools}
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
