"""An agent that does nothing, step by step, for `bench/steps.py`.

`python -m bench.step_agent ADDRESS` prints its rates.
ADDRESS is a new journal: the path of a file, or a database. What is timed are whole runs on the in-process engine, from
their first event to their last.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from bench.step_counts import ALONE, FLIGHT, PER_RUN, WARM_UP
from runtime import steps
from runtime.codec import Json, canonical, parse
from runtime.collector import collect_rarely
from runtime.events import AgentName
from runtime.journals.journal_address import journal_address, open_journal
from runtime.journals.sql_journal import SqlJournal
from runtime.local import LocalEngine
from runtime.performance import Performance
from runtime.steps import StepCall, StepResult
from runtime.team import AgentSpec, Incoming, Resources, Team, TeamSpec


async def nothing(_: str) -> StepResult:
    """What a step does."""
    return StepResult(None)


@dataclass
class Idler:
    """Performs as many steps as it is told to, each after the one before is durable."""

    name: AgentName

    async def receive(self, incoming: Incoming) -> bytes:
        """The steps, with a different request each."""
        body = cast(dict[str, dict[str, int]], parse(incoming.payload))
        for number in range(body["data"]["steps"]):
            await steps.perform(StepCall("tool", "nothing", canonical({"number": number}), nothing))
        return canonical({"type": "json", "data": None})


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """A team of one."""

    async def make(agent: AgentName) -> Idler:
        return Idler(agent)

    return Team({"idler": AgentSpec(make)}, ())


def performance(run: str, count: int) -> Performance:
    """A run of so many steps."""
    payload = canonical({"type": "json", "data": {"steps": count}})
    return Performance(run, TeamSpec("idle", "bench.step_agent:build", {}), AgentName("idler"), payload)


async def rate(journal: SqlJournal, name: str, runs: int, count: int) -> float:
    """Steps a second of so many runs at once."""
    engine = LocalEngine(journal)
    started = time.perf_counter()
    await asyncio.gather(*(engine.perform(performance(f"{name} {run}", count)) for run in range(runs)))
    return runs * count / (time.perf_counter() - started)


async def main(address: str) -> None:
    """Prints both rates as JSON."""
    collect_rarely()  # as `repertory run` does
    journal = open_journal(journal_address(address))
    await rate(journal, "warm", 1, WARM_UP)
    alone = await rate(journal, "alone", 1, ALONE)
    together = await rate(journal, "together", FLIGHT, PER_RUN)
    await journal.close()
    print(json.dumps({"alone": alone, "together": together}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
