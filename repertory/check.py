"""Whether everything that a scenario names is there: its domain, agents and tools, the tools' data, the faults' tools.

`validate` and `run` ask before anything is spent: what `scenarios/build.py` would refuse when the team is built is told
here with file and line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from runtime.errors import UsageError
from scenarios.flaws import Path, ScenarioError, dotted
from scenarios.load import LoadedScenario
from scenarios.outside import Outside, listed_tools, missing_secrets
from scenarios.python_reference import find_python
from scenarios.scenario import AGENT_KINDS, Fault, Scenario, Tool
from scenarios.tool_entries import registry_of
from tools.execute import Surroundings
from tools.faults import FaultRule, Faults
from tools.listed import ListedTool


async def check_scenario(loaded: LoadedScenario, variables: Mapping[str, str]) -> dict[str, ListedTool]:
    """What the scenario's MCP servers say of their tools, when everything is there.

    `variables` are those of the environment; those that tools name hold their secrets.

    Raises:
        UsageError: names every part that is not there or not what it has to be, each with its place.
    """
    if flaws := list(missing_secrets(loaded, variables)):
        raise ScenarioError(flaws)
    listed = await listed_tools(loaded, variables)
    if complaints := list(_complaints(loaded, Outside(loaded.path.parent, listed))):
        raise UsageError("\n".join(complaints))
    return listed


def _complaints(loaded: LoadedScenario, outside: Outside) -> Iterator[str]:
    for path, part in _parts(loaded.scenario, outside):
        try:
            _try(loaded.scenario, part, outside)
        except UsageError as error:
            yield f"{loaded.source.place_of(path)}: {dotted(path)}: {error}"


Part = str | Tool | Fault | Sequence[Tool]
"""A reference to Python, a tool, an injected fault, or several tools together."""


def _parts(scenario: Scenario, outside: Outside) -> Iterator[tuple[Path, Part]]:
    """The parts that can be missing, each before those that need it."""
    yield ("domain",), scenario.domain
    for name, agent in scenario.agents.items():
        if agent.kind not in AGENT_KINDS:
            yield ("agents", name, "kind"), agent.kind
    yield ("data",), ()
    with suppress(UsageError):
        registry_of(_with(scenario, ()), outside)
        for index, tool in enumerate(scenario.tools):
            yield ("tools", index), tool
    for index, fault in enumerate(scenario.faults):
        yield ("faults", index), fault


def _try(scenario: Scenario, part: Part, outside: Outside) -> None:
    """Raises UsageError when the part is not there."""
    match part:
        case str():
            find_python(part, outside.folder)
        case Tool():
            alone = _with(scenario, [part.model_copy(update={"fallback": None})])
            registry = registry_of(alone, outside, is_whole=False)
            if any(registry.get(name).spec.undo for name in registry.names()):
                registry_of(scenario, outside)
        case Fault():
            rule = FaultRule(tool=part.tool, when=dict(part.when), error=part.error, times=part.times)
            registry_of(scenario, outside).wrapped(around=Surroundings(Faults((rule,))))
        case _:
            registry_of(_with(scenario, part), outside)


def _with(scenario: Scenario, tools: Sequence[Tool]) -> Scenario:
    return scenario.model_copy(update={"tools": list(tools)})
