"""How long a fork takes to start, at any point of a long run: `python -m bench.fork [--events 10000] [--points 40]`.

A run of an asking and eight answering agents, each answer with two steps, is performed into an SQLite journal. It is
then forked at points spread over it, each time from a journal opened anew. Three times are taken: until the fork is
durable, with all that has to be read and checked for it; until its first own event is, mostly the beginning of a
delivery, for which the past has been handed out; and until something is that an agent does of its own, for which it has
done again what it did before the point.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from runtime import steps
from runtime.codec import Json, canonical, parse
from runtime.collector import collect_rarely
from runtime.events import AgentName, AnyEvent, DeliveryCompleted, MessageSent, StepStarted
from runtime.fork import ForkOrder, at_delivery, fork
from runtime.hosting.delivery import Delivery
from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine
from runtime.performance import Performance, recorded_performance
from runtime.steps import StepCall, StepResult
from runtime.team import AgentSpec, Incoming, Resources, Team, TeamSpec
from runtime.versions import versions

EVENTS_PER_ANSWER = 7
ANSWERERS = 8

UNTIL = ("the fork is durable", "its first own event is durable", "something that an agent does of its own is")
DOINGS = (StepStarted, MessageSent, DeliveryCompleted)
"""What an agent's code does."""


class Asker:
    """Asks one answerer after another."""

    async def receive(self, incoming: Incoming) -> bytes:
        count = cast(int, cast("dict[str, Json]", parse(incoming.payload))["data"])
        delivery = cast(Delivery, steps.current.get())
        for number in range(count):
            payload = canonical({"type": "json", "data": number})
            _, answer = delivery.send(AgentName("answerer", str(number % ANSWERERS)), payload, {})
            await answer
        return canonical({"type": "json", "data": count})


class Answerer:
    """Answers after two steps."""

    async def receive(self, incoming: Incoming) -> bytes:
        for name in ("look up", "note"):
            await steps.perform(StepCall("tool", name, incoming.payload, _perform))
        return incoming.payload


async def _perform(_: str) -> StepResult:
    return StepResult({"text": "something that a tool has found", "items": list(range(20))})


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    async def asker(_: AgentName) -> Asker:
        return Asker()

    async def answerer(_: AgentName) -> Answerer:
        return Answerer()

    return Team({"asker": AgentSpec(asker), "answerer": AgentSpec(answerer)})


async def main(events: int, points: int) -> None:
    collect_rarely()  # as `repertory fork` does
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "journal.db"
        recorded = await _recorded(path, events)
        step = max(1, len(recorded) // points)
        times = [await _forked(path, seq) for seq in range(3, len(recorded), step)]
    print(f"a run of {len(recorded):,} events, forked at {len(times)} points; seconds until")
    for name, found in zip(UNTIL, zip(*times, strict=True), strict=True):
        print(f"  {name:<45} median {statistics.median(found):.3f}  max {max(found):.3f}")


async def _recorded(path: Path, events: int) -> Sequence[AnyEvent]:
    journal = SqliteJournal(path)
    payload = canonical({"type": "json", "data": events // EVENTS_PER_ANSWER})
    spec = TeamSpec("bench", "bench.fork:build", {})
    await LocalEngine(journal).perform(Performance("run", spec, AgentName("asker"), payload))
    found = await journal.events("run")
    await journal.close()
    return found


async def _forked(path: Path, seq: int) -> tuple[float, float, float]:
    """The seconds until each of `UNTIL`, of the fork before this event."""
    began = time.perf_counter()
    journal = SqliteJournal(path)
    events = await journal.events("run")
    point = at_delivery(events, seq)
    forked = await fork(journal, f"fork-{seq}", ForkOrder(parent="run", point=point, versions=versions()), events)
    durable = time.perf_counter() - began
    performance = await recorded_performance(journal, f"fork-{seq}", events[: point.shared])
    first: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    done: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def on_event(event: AnyEvent) -> None:
        if event.seq > max(forked.seq, forked.set_until):
            for seen in (first, done) if isinstance(event, DOINGS) else (first,):
                if not seen.done():
                    seen.set_result(time.perf_counter() - began)

    watched = replace(performance, on_event=on_event)
    performing = asyncio.create_task(LocalEngine(journal).perform(watched))
    until_first, until_done = await asyncio.gather(first, done)
    performing.cancel()
    await asyncio.gather(performing, return_exceptions=True)
    await journal.close()
    return durable, until_first, until_done


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=40)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.events, arguments.points))
