"""Request and response in one process, for `bench/messages.py`: `python -m bench.message_agents KIND [JOURNAL]`.

KIND is `autogen` (its own single-threaded runtime, which keeps nothing), `memory` (ours, the journal in memory) or
`sqlite` (ours, each message flushed to the file JOURNAL before its handler starts). Prints rates as JSON; with
`--profile` as the last argument, where the time went, on stderr.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import pstats
import sys
import time
from dataclasses import dataclass

from autogen_core import AgentId, AgentRuntime, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler

from bench.message_counts import ALONE, FLIGHT, TOGETHER, WARM_UP
from runtime.autogen import RayAgentRuntime
from runtime.journal import Journal, MemoryJournal
from runtime.journals.journal_address import journal_address, open_journal
from runtime.journals.sql_journal import SqlJournal


@dataclass
class Ping:
    """What is asked, and what is answered."""

    number: int


class Echo(RoutedAgent):
    """Answers with what it was asked."""

    def __init__(self) -> None:
        super().__init__("Answers")

    @message_handler
    async def on_ping(self, message: Ping, ctx: MessageContext) -> Ping:
        """The same."""
        return message


async def rate(runtime: AgentRuntime, count: int, flight: int) -> float:
    """Answers a second, with so many requests under way."""
    numbers = iter(range(count))
    echo = AgentId("echo", "default")

    async def ask() -> None:
        for number in numbers:
            await runtime.send_message(Ping(number), echo)

    started = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(flight)))
    return count / (time.perf_counter() - started)


def journal_of(kind: str, path: str) -> Journal:
    """The journal of one of ours."""
    return MemoryJournal() if kind == "memory" else open_journal(journal_address(path))


async def main(kind: str, path: str) -> dict[str, float]:
    """Both rates."""
    journal = None if kind == "autogen" else journal_of(kind, path)
    runtime = SingleThreadedAgentRuntime() if journal is None else RayAgentRuntime(journal=journal)
    await Echo.register(runtime, "echo", Echo)
    runtime.start()
    await rate(runtime, WARM_UP, FLIGHT)
    found = {"alone": await rate(runtime, ALONE, 1), "together": await rate(runtime, TOGETHER, FLIGHT)}
    await runtime.stop_when_idle()
    await runtime.close()
    if isinstance(journal, SqlJournal):
        await journal.close()
    return found


if __name__ == "__main__":
    words = [*sys.argv[1:], "", ""]
    profile = cProfile.Profile()
    if words[2] == "--profile":
        profile.enable()
    rates = asyncio.run(main(words[0], words[1]))
    profile.disable()
    if words[2] == "--profile":
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(35)
    print(json.dumps(rates))
