"""How fast runs are replayed and compared: `python -m bench.replay_speed` (about a minute).

Performs runs of 10,000 events without a model on the in-process engine with a SQLite journal in a temporary folder,
then replays and compares them; of each the fastest of three, by the clock and by the processor's time, which says what
a quiet machine would take and is what the goals are held to. With `--run RUN` also a run of this machine's own journal,
such as one of the travel scenario, beside the time that it took when it was recorded. Goals: 5,000 events a second,
100 times the recorded run, two runs of 10,000 events compared in 2 s.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import TypeVar

import structlog
from autogen_core import AgentId, CancellationToken, MessageContext, RoutedAgent, rpc
from autogen_core.tools import FunctionTool
from pydantic import BaseModel

from bench.talks import Talk
from bench.talks import performance as talk_performance
from repertory.records import chosen
from repertory.settings import read_settings
from runtime.autogen import TeamBuilder
from runtime.codec import Json, canonical
from runtime.events import AgentName
from runtime.journal import Journal
from runtime.journaled import JournaledTool
from runtime.journals.journal_address import open_journal
from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine
from runtime.performance import Performance
from runtime.reading.run_comparison import compare
from runtime.replay import replay
from runtime.team import Resources, Team, TeamSpec

T = TypeVar("T")

ROUNDS = 2000
"""Each is a request, a tool call and an answer: five events."""

RATE_GOAL = 5000.0
DIFF_GOAL_S = 2.0
RATIO_GOAL = 100.0


class Errand(BaseModel):
    """What is asked and answered."""

    number: int


class Lead(RoutedAgent):
    """Sends out errands, a few at a time."""

    def __init__(self, rounds: int) -> None:
        super().__init__("sends")
        self._rounds = rounds

    @rpc
    async def on_errand(self, message: Errand, ctx: MessageContext) -> Errand:
        """All of them."""
        total = 0
        for start in range(0, self._rounds, 4):
            asked = [
                self.send_message(Errand(number=n), AgentId("runner", str(n % 4))) for n in range(start, start + 4)
            ]
            total += sum([(await each).number for each in asked])
        return Errand(number=total)


class Runner(RoutedAgent):
    """Does an errand with a tool."""

    def __init__(self, shift: int) -> None:
        super().__init__("runs")
        self._shift = shift
        self._tool = JournaledTool(FunctionTool(self._double, "Doubles a number.", name="double"), "read")

    @rpc
    async def on_errand(self, message: Errand, ctx: MessageContext) -> Errand:
        """One of them."""
        return Errand(number=await self._tool.run_json({"number": message.number}, CancellationToken()))

    def _double(self, number: int) -> int:
        return 2 * number + (self._shift if number >= ROUNDS // 2 else 0)


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """The team."""
    builder = TeamBuilder()
    builder.add("lead", Lead, lambda: Lead(ROUNDS))
    builder.add("runner", Runner, lambda: Runner(int(str(config["shift"]))))
    return builder.team()


def errands(run: str, shift: int) -> Performance:
    """A run whose tool answers otherwise in its second half, by `shift`."""
    payload = canonical({"type": "Errand", "data": {"number": 0}})
    return Performance(run, TeamSpec("errands", f"{__name__}:build", {"shift": shift}), AgentName("lead"), payload)


@dataclass(frozen=True)
class Taken:
    """Seconds by the clock, and of the processor in all threads."""

    wall_s: float
    processor_s: float

    def __str__(self) -> str:
        return f"{self.wall_s:9.3f} {self.processor_s:9.3f}"


@dataclass(frozen=True)
class Timed:
    """A replay and what it is held to."""

    name: str
    events: int
    recorded_s: float
    replayed: Taken

    @property
    def rate(self) -> float:
        """Events a second of the processor's time."""
        return self.events / self.replayed.processor_s

    @property
    def times(self) -> float:
        """How many times as long the run took."""
        return self.recorded_s / self.replayed.processor_s

    def __str__(self) -> str:
        figures = f"{self.recorded_s:9.3f} {self.replayed} {self.rate:9,.0f} {self.times:8.0f}"
        return f"{self.name:34} {self.events:6} {figures}"


async def fastest(work: Callable[[], Awaitable[T]]) -> Taken:
    """The fastest of three."""
    taken: list[Taken] = []
    for _ in range(3):
        began, began_processor = perf_counter(), process_time()
        await work()
        taken.append(Taken(perf_counter() - began, process_time() - began_processor))
    return Taken(min(each.wall_s for each in taken), min(each.processor_s for each in taken))


async def timed(name: str, journal: Journal, run: str) -> Timed:
    """The replay of a run, reading included."""
    [summary] = [each for each in await journal.runs() if each.run == run]
    seconds = await fastest(lambda: replay(journal, run))
    return Timed(name, summary.events, summary.last_at - summary.started_at, seconds)


async def own(name: str) -> Timed:
    """The replay of a run of this machine's journal."""
    journal = open_journal(read_settings().journal)
    try:
        summary = chosen(await journal.runs(), name)
        return await timed(f"{summary.name} (run {summary.run[:8]})", journal, summary.run)
    finally:
        await journal.close()


async def measure(folder: Path, run: str | None) -> bool:
    """Prints the figures; whether a goal is missed."""
    journal = SqliteJournal(folder / "journal.db")
    talk = Talk(kind="chat", turns=500, tokens_in=60, tokens_out=140)
    performed = [errands("a", 0), errands("b", 1), talk_performance(talk)]
    for performance in performed:
        await LocalEngine(journal).perform(performance)
    print(f"{'run':34} {'events':>6} {'recorded':>9} {'replayed':>9} {'processor':>9} {'events/s':>9} {'times':>8}")
    found = [
        await timed("errands of four agents", journal, "a"),
        await timed("chat, 500 model calls", journal, "chat-500"),
    ]
    print(*found, sep="\n")
    missed = found[0].rate < RATE_GOAL
    if run is not None:
        mine = await own(run)
        print(mine)
        missed |= mine.times < RATIO_GOAL
    same = await fastest(lambda: compare(journal, "a", "a"))
    different = await fastest(lambda: compare(journal, "a", "b"))
    print(f"diff of two runs of {found[0].events} events, by the clock and of the processor: {same} s the same,")
    print(f"{different} s half of it changed")
    await journal.close()
    return missed or max(same.processor_s, different.processor_s) > DIFF_GOAL_S


def main() -> int:
    """Prints the table; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", help="a run of this machine's journal, or `last`")
    logging.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder:
        return int(asyncio.run(measure(Path(folder), parser.parse_args().run)))


if __name__ == "__main__":
    sys.exit(main())
