"""Performs a scenario many times on one crew: a line of JSON on stdout for each run as it ends, progress on stderr."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from repertory.check import check_scenario
from repertory.model_choice import choose_model
from repertory.output import print_line, say
from repertory.perform import STATUS, inner, learn_knowledge, named, performance_of
from repertory.records import opened
from repertory.settings import Settings
from runtime import clock
from runtime.codec import Json
from runtime.errors import RepertoryError, RunError, UsageError
from runtime.journal import Journal
from runtime.performance import Engine, Performance
from scenarios.load import LoadedScenario

Options = dict[str, tuple[tuple[str, str], JsonValue]]
Load = Callable[[Options], LoadedScenario]
"""The scenario with some of its values replaced; see `scenarios.load.load_scenario`."""

SAY_EVERY_S = 2.0
"""How often progress is told at most."""


@dataclass(frozen=True, slots=True)
class ManyOrder:
    """What a person asked for."""

    load: Load
    engine: Literal["ray", "local"]
    repeat: int
    """How often each line is performed."""
    inputs: Path | None
    """A file with the inputs of one run a line; without one, the scenario's own."""
    together: int
    """How many runs are performed at once."""
    hosts: int
    sequencers: int


@dataclass(frozen=True, slots=True)
class _Ordered:
    """One of the runs."""

    line: int
    """The line of its inputs, from 1; 0 for the scenario's own."""
    performance: Performance


async def perform_many(order: ManyOrder, settings: Settings) -> int:
    """Performs all runs; returns 0 when all are done, 1 when one failed, else 4 when one waits for a person.

    Raises:
        UsageError: something that they need is missing, or a line cannot be read; nothing was performed.
    """
    scenarios = [(line, order.load(options)) for line, options in _lines(order.inputs)]
    if not scenarios:
        raise UsageError(
            f"--inputs {order.inputs}: found no line, expected a JSON object with the inputs of a run on each"
        )
    first = scenarios[0][1]
    listed = await check_scenario(first, settings.variables)
    choice = choose_model(first, settings)
    await learn_knowledge(first.scenario, settings)

    def ordered() -> Iterator[_Ordered]:
        for line, loaded in scenarios:
            for _ in range(order.repeat):
                performance = performance_of(loaded, settings, choice, listed)
                yield _Ordered(line, replace(performance, wall_s=loaded.scenario.limits.wall_s))

    secrets = performance_of(first, settings, choice, listed).secrets
    async with opened(settings.journal) as journal, _engine(order, settings, journal, secrets) as engine:
        tally = _Tally(len(scenarios) * order.repeat)
        await _all(ordered(), engine, order.together, tally)
    return tally.code


def _lines(path: Path | None) -> Iterator[tuple[int, Options]]:
    """The line numbers of an inputs file with what each replaces in the scenario; empty lines are passed over."""
    if path is None:
        yield 0, {}
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--inputs {path}: cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            inputs = _inputs(line, f"{path}:{number}")
            yield number, {f"{path}:{number} {name}": (("inputs", name), value) for name, value in inputs.items()}


def _inputs(line: str, place: str) -> dict[str, JsonValue]:
    try:
        found: JsonValue = json.loads(line)
    except ValueError as error:
        raise UsageError(f'{place}: found no JSON ({error}), expected an object such as {{"city": "北京"}}') from error
    if not isinstance(found, dict):
        raise UsageError(f'{place}: found {line.strip()[:60]}, expected an object such as {{"city": "北京"}}')
    return found


async def _all(runs: Iterator[_Ordered], engine: Engine, together: int, tally: _Tally) -> None:
    async def perform_some() -> None:
        for run in runs:  # shared: each takes the next one
            tally.add(await _performed(run, engine))

    async with asyncio.TaskGroup() as group:
        for _ in range(together):
            group.create_task(perform_some())


async def _performed(run: _Ordered, engine: Engine) -> dict[str, Json]:
    """What came of a run; what failed is told, not raised, so that the others go on."""
    name, began = run.performance.run, clock.monotonic()
    told: dict[str, Json] = {"run": name, "line": run.line} if run.line else {"run": name}
    try:
        result = named(inner(await engine.perform(run.performance)), name)
    except RepertoryError as error:
        status = STATUS.get(type(error), "failed") if isinstance(error, RunError) else "failed"
        told |= {"status": status, "error": str(error)}
    else:
        status = str(result.get("status", "done")) if isinstance(result, Mapping) else "done"
        told |= {"status": status, "result": result}
    return told | {"seconds": round(clock.monotonic() - began, 3)}


class _Tally:
    """What came of the runs so far; prints each."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._statuses: Counter[str] = Counter()
        self._said_at = 0.0

    @property
    def code(self) -> int:
        """The exit code."""
        if not self._statuses.keys() - {"done", "waiting"}:
            return 4 if self._statuses["waiting"] else 0
        return 1

    def add(self, told: dict[str, Json]) -> None:
        """One more has ended, or is left."""
        print_line(json.dumps(told, ensure_ascii=False))
        self._statuses[str(told["status"])] += 1
        ended = self._statuses.total()
        if ended == self._total or clock.monotonic() - self._said_at >= SAY_EVERY_S:
            self._said_at = clock.monotonic()
            counts = ", ".join(f"{count} {status}" for status, count in sorted(self._statuses.items()))
            say(f"{ended} of {self._total} runs: {counts}")


def _engine(
    order: ManyOrder, settings: Settings, journal: Journal, secrets: Mapping[str, str]
) -> AbstractAsyncContextManager[Engine]:
    if order.engine == "local":
        from runtime.local import LocalEngine

        return nullcontext(LocalEngine(journal))
    from runtime.cluster import RayStage
    from runtime.on_ray.ray_local import ensure_ray

    ray = ensure_ray(settings.home, progress=say)
    return RayStage(ray.address, settings.journal, hosts=order.hosts, sequencers=order.sequencers, secrets=secrets)
