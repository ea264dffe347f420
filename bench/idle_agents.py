"""How many idle agents a gigabyte holds, asleep and awake, and how long it takes to wake one.

    python -m bench.idle_agents                      all of it, each in a process of its own
    python -m bench.idle_agents --asleep 100000      how many are put to sleep
    python -m bench.idle_agents --awake 10000        how many stay awake
    python -m bench.idle_agents --wakes 300          how many of them are woken, one at a time

One run on the in-process engine with an SQLite journal: a crier tells each of so many agents a text of 500 bytes, which
it keeps and answers. What the process takes then, more than before, is sequencer, host and driver together. An agent is
awake, or was put to sleep after its message. Then some are asked again, one at a time; of the sleepers the first ones,
whose state must be read from the journal, and the last ones, whose state is still in the sequencer's memory.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import psutil
from autogen_core import AgentId, MessageContext, RoutedAgent, message_handler
from pydantic import BaseModel

from runtime.autogen import TeamBuilder
from runtime.codec import Json, canonical
from runtime.events import AgentName
from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine
from runtime.performance import Performance
from runtime.team import Resources, Rest, Team, TeamSpec

NEVER = 1_000_000
AT_ONCE = 200
"""How many agents are told something at the same time."""
GIGABYTE = 2**30


class Text(BaseModel):
    """What is told."""

    text: str


class Keeper(RoutedAgent):
    """Keeps what it is told; a small agent."""

    def __init__(self) -> None:
        super().__init__("keeps texts")
        self.texts: list[str] = []

    @message_handler
    async def on_text(self, message: Text, ctx: MessageContext) -> Text:
        """How many texts it has."""
        self.texts.append(message.text)
        return Text(text=str(len(self.texts)))

    async def save_state(self) -> Mapping[str, Any]:
        """Its texts."""
        return {"texts": self.texts}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Takes up its texts."""
        self.texts = list(state["texts"])


@dataclass
class Found:
    """What was measured."""

    bytes_each: float
    seconds: float
    first_ms: Sequence[float]
    last_ms: Sequence[float]


class Crier(RoutedAgent):
    """Tells every keeper something, then some of them again; the answer is what it measured."""

    def __init__(self, keepers: int, wakes: int) -> None:
        super().__init__("tells all")
        self._keepers = keepers
        self._wakes = wakes

    @message_handler
    async def on_text(self, message: Text, ctx: MessageContext) -> Text:
        """The whole bench."""
        process, began = psutil.Process(), time.perf_counter()
        await asyncio.gather(*(self._tell(n) for n in range(-AT_ONCE, 0)))  # what is made once is made
        gc.collect()
        before = process.memory_info().rss
        for start in range(0, self._keepers, AT_ONCE):
            await asyncio.gather(*(self._tell(n) for n in range(start, min(start + AT_ONCE, self._keepers))))
        gc.collect()
        taken, seconds = process.memory_info().rss - before, time.perf_counter() - began
        first = [await self._timed(n) for n in range(self._wakes)]
        last = [await self._timed(self._keepers - 1 - n) for n in range(self._wakes)]
        return Text(text=json.dumps([taken / self._keepers, seconds, first, last]))

    async def _tell(self, number: int) -> str:
        text = f"{number} ".ljust(500, "x")
        answer = await self.send_message(Text(text=text), AgentId("keeper", str(number)))
        assert isinstance(answer, Text)
        return answer.text

    async def _timed(self, number: int) -> float:
        began = time.perf_counter()
        assert await self._tell(number) == "2", "it has kept what it was told first"
        return 1000 * (time.perf_counter() - began)


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """One crier and its keepers."""
    keepers, wakes, naps = (cast(int, config[name]) for name in ("keepers", "wakes", "naps"))
    builder = TeamBuilder()
    builder.add("crier", Crier, lambda: Crier(keepers, wakes))
    builder.add("keeper", Keeper, Keeper)
    return replace(builder.team(), rest=Rest(idle_s=86_400, deliveries=naps))


async def measure(keepers: int, wakes: int, naps: int) -> Found:
    """Performs one run and says what it took."""
    with tempfile.TemporaryDirectory() as folder:
        journal = SqliteJournal(Path(folder) / "journal.db")
        spec = TeamSpec("idle", "bench.idle_agents:build", {"keepers": keepers, "wakes": wakes, "naps": naps})
        payload = canonical({"type": "Text", "data": {"text": "begin"}})
        said = await LocalEngine(journal).perform(Performance("run", spec, AgentName("crier"), payload))
        await journal.close()
    assert isinstance(said, Mapping)
    return Found(*json.loads(str(said["text"])))


def words(name: str, keepers: int, found: Found) -> str:
    """One line for people."""
    first, last = (f"{statistics.median(each):.1f} ms" for each in (found.first_ms, found.last_ms))
    late = statistics.quantiles([*found.first_ms, *found.last_ms], n=20)[-1]
    return (
        f"{keepers:,} {name}: {found.bytes_each / 1024:.2f} KiB each, {GIGABYTE / found.bytes_each:,.0f} in a GiB; "
        f"made in {found.seconds:.0f} s; the next answer of the first ones after {first}, of the last ones after "
        f"{last} (medians; 95 % of all within {late:.1f} ms)"
    )


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asleep", type=int, default=100_000)
    parser.add_argument("--awake", type=int, default=10_000)
    parser.add_argument("--wakes", type=int, default=300)
    arguments = parser.parse_args()
    if arguments.asleep and arguments.awake:
        for one, other in (("asleep", "awake"), ("awake", "asleep")):
            count = str(getattr(arguments, one))
            options = [f"--{one}", count, f"--{other}", "0", "--wakes", str(arguments.wakes)]
            subprocess.run([sys.executable, "-m", "bench.idle_agents", *options], check=True)
        return
    name, keepers, naps = ("asleep", arguments.asleep, 1) if arguments.asleep else ("awake", arguments.awake, NEVER)
    print(words(name, keepers, asyncio.run(measure(keepers, arguments.wakes, naps))), flush=True)


if __name__ == "__main__":
    main()
