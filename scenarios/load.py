"""A scenario file, its overrides and its inputs as one checked `Scenario`.

Nothing is performed and nothing is written here. Every flaw is told with file, line and field, all at once. Paths in a
scenario file are relative to the file and may not lead out of its directory, or name a directory that ships with a
Python package (`package:path`); a path that a person gives on the command line
(`--set data=DIR`) is relative to where the person stands and may lead anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path as FilePath

from pydantic import JsonValue, ValidationError

from runtime.errors import UsageError
from scenarios.flaws import Flaw, Path, ScenarioError, dotted, flaw_of, nearest
from scenarios.references import reference_flaws
from scenarios.scenario import PATTERN_WORDS, Scenario, json_schema
from scenarios.source import Source, flow, parse_source, read_source, scalar

_PACKAGED = re.compile(r"(?P<package>[A-Za-z_][\w.]*):(?P<path>.+)")
"""`package:path`, a directory that ships with a Python package."""


@dataclass(frozen=True)
class LoadedScenario:
    """A scenario that fulfils its schema, and where each of its values was said."""

    scenario: Scenario
    """With absolute directories."""
    path: FilePath
    """The file, absolute."""
    source: Source

    def flaw(self, path: Path, found: str, expected: str, meant: tuple[str, ...] = ()) -> Flaw:
        """A flaw at `path`, for those who check further."""
        return Flaw(self.source.place_of(path), path, found, expected, meant)


def load_scenario(
    path: FilePath,
    *,
    sets: Sequence[str] = (),
    inputs: Sequence[str] = (),
    options: Mapping[str, tuple[Path, JsonValue]] = {},
) -> LoadedScenario:
    """The scenario of a file.

    `sets` are `path=value` and replace what the file says; `inputs` are `name=value` and add to its `inputs`; each of
    `options` is the name of a command-line option with the value that it replaces, if that is not None.
    Raises: ScenarioError with every flaw; UsageError when the file cannot be read or an option has no `=`.
    """
    source = read_source(path)
    for option, (place, value) in options.items():
        source = source if value is None else _with(source, place, value, option)
    for text in sets:
        source = with_override(source, text)
    for text in inputs:
        source = with_input(source, text)
    return checked(source, path.resolve())


def checked(source: Source, path: FilePath) -> LoadedScenario:
    """The scenario of data that has been read. Raises: ScenarioError with every flaw."""
    if not isinstance(source.data, dict):
        raise ScenarioError([Flaw(f"{source.name}:1", (), "no mapping", "the fields of a scenario, such as `name: …`")])
    try:
        scenario = Scenario.model_validate(source.data)
    except ValidationError as error:
        schema = {**json_schema(), "x-words": PATTERN_WORDS}
        raise ScenarioError([flaw_of(detail, source.place_of, schema) for detail in error.errors()]) from None
    if flaws := list(reference_flaws(scenario, source.place_of)):
        raise ScenarioError(flaws)
    return LoadedScenario(_with_directories(scenario, source, path), path, source)


def revised(scenario: Scenario, folder: FilePath, sets: Sequence[str]) -> LoadedScenario:
    """A scenario that was loaded earlier, with each `path=value` in place of what it said; see `with_override`.

    Its directories are absolute already. Raises: ScenarioError with every flaw.
    """
    absolute: dict[Path, str] = {path: f"--set {dotted(path)}" for path in (("data",), ("memory", "knowledge"))}
    source = Source("the run's scenario", scenario.model_dump(mode="json", by_alias=True), absolute)
    for text in sets:
        source = with_override(source, text)
    return checked(source, folder / scenario.name)


def with_override(source: Source, text: str) -> Source:
    """The source with `path=value` (`model.temperature=0`, `tools[0]=NAME`) in place of what it says.

    Raises: UsageError when there is no `=`; ScenarioError when the path leads through something that has no parts.
    """
    path, value = _split(text, "--set", "path=value, such as limits.rounds=3")
    parts = tuple(int(part) if part.isdigit() else part for part in path.replace("[", ".").replace("]", "").split("."))
    place = f"--set {path}"
    return _with(source, parts, flow(value, place), place)


def with_input(source: Source, text: str) -> Source:
    """The source with `name=value` among its inputs. Raises: UsageError when there is no `=`."""
    name, value = _split(text, "--input", "name=value, such as budget_cny=5000")
    return _with(source, ("inputs", name), scalar(value), f"--input {name}")


def _split(text: str, option: str, expected: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"{option}: found {text!r}, expected {expected}")
    return name.strip(), value


def _with(source: Source, path: Path, value: JsonValue, place: str) -> Source:
    places = {known: at for known, at in source.places.items() if known[: len(path)] != path}
    return replace(source, data=_replaced(source.data, path, value, path, place), places={**places, path: place})


def _replaced(data: JsonValue, rest: Path, value: JsonValue, path: Path, place: str) -> JsonValue:
    """A copy of `data` whose value at `rest` is `value`."""
    if not rest:
        return value
    step = rest[0]
    if data is None and isinstance(step, str):
        data = {}
    if isinstance(data, dict):
        name = str(step)
        return {**data, name: _replaced(data.get(name), rest[1:], value, path, place)}
    if isinstance(data, list) and isinstance(step, int) and step <= len(data):
        old = data[step] if step < len(data) else None
        return [*data[:step], _replaced(old, rest[1:], value, path, place), *data[step + 1 :]]
    through = dotted(path[: len(path) - len(rest)]) or "the scenario"
    raise ScenarioError([Flaw(place, path, f"no part {step} in {through}", "a path to a value that can be there")])


def _with_directories(scenario: Scenario, source: Source, path: FilePath) -> Scenario:
    """The scenario with its directories absolute. Raises: ScenarioError for those that are not there."""
    memory = scenario.memory
    said = {("data",): scenario.data, ("memory", "knowledge"): memory.knowledge}
    found = {field: _directory(text, field, source, path) for field, text in said.items() if text is not None}
    if flaws := [flaw for flaw in found.values() if isinstance(flaw, Flaw)]:
        raise ScenarioError(flaws)
    data, knowledge = (str(found[field]) if field in found else None for field in said)
    return scenario.model_copy(
        update={"data": data, "memory": memory.model_copy(update={"knowledge": knowledge})},
    )


def _directory(said: str, field: Path, source: Source, path: FilePath) -> FilePath | Flaw:
    """The directory that is meant, absolute, or why there is none."""
    place = source.place_of(field)
    if place.startswith("--set"):
        directory = FilePath(said).expanduser().absolute()
    elif found := _PACKAGED.fullmatch(said):
        directory = _in_package(found["package"], found["path"])
    else:
        directory = (path.parent / said).resolve()
        if not directory.is_relative_to(path.parent):
            hint = "a directory within the scenario's own (`--set data=DIR` may name any)"
            return Flaw(place, field, f"the path {said!r}, which leads out of {path.parent.name}/", hint)
    if directory.is_dir():
        return directory
    beside = [entry.name for entry in directory.parent.iterdir()] if directory.parent.is_dir() else []
    return Flaw(place, field, f"no directory {said!r}", f"a directory at {directory}", nearest(directory.name, beside))


def _in_package(package: str, path: str) -> FilePath:
    """A directory that ships with a Python package; one that cannot exist when there is no such package."""
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:
        spec = None
    roots = list(spec.submodule_search_locations or ()) if spec else []
    root = FilePath(roots[0]) if roots else FilePath("/nowhere") / package
    directory = (root / path).resolve()
    return directory if directory.is_relative_to(root) else root / "outside"


def load_text(text: str, path: FilePath) -> LoadedScenario:
    """The scenario of a text as if it stood at `path`. Raises: ScenarioError."""
    return checked(parse_source(text, path.name), path.resolve())
