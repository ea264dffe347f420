"""How often a model plans the family's trip so that all checks pass, and what a run takes.

    python -m bench.model_choice --model qwen2.5-coder-0.5b --runs 10 --together 2

Performs the shipped scenario with different sampling seeds at one temperature, on the in-process engine, against the
model that `repertory serve up --model NAME` has deployed. Each run starts without a memory of the others. With
`--together` above 1 the runs share the server, so that the wall time of one run is not what a person alone would wait.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from repertory.deployment import served
from repertory.perform import first_message, first_recipient, learn_knowledge
from repertory.settings import Settings, read_settings
from runtime import clock
from runtime.errors import RepertoryError
from runtime.journal import MemoryJournal
from runtime.local import LocalEngine
from runtime.performance import Performance
from scenarios.load import LoadedScenario, load_scenario
from scenarios.team_config import TeamConfig
from serving.blueprint import ServeRequest
from serving.source import ModelSource

SCENARIO = Path("scenarios/travel/beijing_family.yaml")


@dataclass(frozen=True)
class Outcome:
    """One run."""

    seed: int
    failed: tuple[str, ...]
    """The checks that did not pass; ("run",) when there is no plan at all."""
    wall_s: float
    model_calls: int = 0
    output_tokens: int = 0
    tool_calls: int = 0


async def perform(loaded: LoadedScenario, source: ModelSource, settings: Settings, seed: int) -> Outcome:
    """One run with its own seed."""
    scenario = loaded.scenario
    config = TeamConfig(scenario=scenario, folder=str(loaded.path.parent), model=source, memory=settings.memory)
    began = clock.monotonic()
    performance = Performance(
        clock.new_id(), config.spec(), first_recipient(scenario), first_message(scenario), settings.secrets
    )
    try:
        answer = cast(dict[str, Any], await LocalEngine(MemoryJournal()).perform(performance))["result"]
    except RepertoryError as error:
        print(f"seed {seed}: {error}", flush=True)
        return Outcome(seed, ("run",), clock.monotonic() - began)
    usage = answer["usage"]
    failed = tuple(check["name"] for check in answer["checks"] if not check["passed"])
    return Outcome(
        seed, failed, clock.monotonic() - began, usage["model_calls"], usage["output_tokens"], usage["tool_calls"]
    )


async def measure(model: str, runs: int, together: int, temperature: float) -> list[Outcome]:
    """All runs, so many at a time."""
    settings = read_settings()
    deployment = served(ServeRequest(model), settings)
    source = ModelSource(kind="endpoint", name=deployment.model, url=deployment.url, timeout_s=900)
    await learn_knowledge(load_scenario(SCENARIO).scenario, settings)
    gate = asyncio.Semaphore(together)

    async def one(seed: int) -> Outcome:
        sets = [f"model.seed={seed}", f"model.temperature={temperature}", "memory.remember=false"]
        async with gate:
            outcome = await perform(load_scenario(SCENARIO, sets=sets), source, settings, seed)
        print(json.dumps(outcome.__dict__, ensure_ascii=False), flush=True)
        return outcome

    return list(await asyncio.gather(*(one(seed) for seed in range(1, runs + 1))))


def report(model: str, outcomes: list[Outcome]) -> None:
    """The table's row."""
    passed = sum(not outcome.failed for outcome in outcomes)
    walls = [outcome.wall_s for outcome in outcomes]
    calls = statistics.median(outcome.model_calls for outcome in outcomes)
    tokens = statistics.median(outcome.output_tokens for outcome in outcomes)
    wall = f"{statistics.median(walls):.0f} s ({min(walls):.0f}–{max(walls):.0f})"
    print(f"| {model} | {passed} of {len(outcomes)} | {wall} | {calls:.0f} | {tokens:.0f} |")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--together", type=int, default=1)
    parser.add_argument("--temperature", type=float, default=0.3)
    asked = parser.parse_args()
    report(asked.model, asyncio.run(measure(asked.model, asked.runs, asked.together, asked.temperature)))


if __name__ == "__main__":
    main()
