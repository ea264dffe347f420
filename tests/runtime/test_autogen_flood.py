"""An agent on a host that cannot keep up slows its senders; memory stays bounded, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import psutil
import pytest
from autogen_core import AgentId

from runtime.autogen import RayAgentRuntime
from runtime.autogen_cluster.pace import SLICE_BYTES
from runtime.autogen_local.backlog import LIMIT_BYTES
from runtime.journals.sql_journal import SqliteJournal
from tests.runtime.flooded import SLOW_TOPIC, Ask, Drop, Flood, Flooder, Heard, Slow, text_of

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300), pytest.mark.usefixtures("ray_home")]

COUNT, SIZE = 600, 200_000
LOOK_S = 0.02
GROWTH_BYTES = 80_000_000
"""How much a process may take in addition, while 120 MB are sent to an agent that takes 20 MB a second."""
SLOW, FLOODER = AgentId("slow", "default"), AgentId("flooder", "default")


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncGenerator[RayAgentRuntime]:
    """A runtime with two hosts, both of which are up."""
    journal = SqliteJournal(tmp_path / "journal.db")
    made = RayAgentRuntime(placement="cluster", hosts=2, journal=journal, run_id="flood")
    await Flooder.register(made, "flooder", Flooder)
    await Slow.register(made, "slow", Slow)
    made.start()
    for flooder in range(8):
        await made.send_message(Flood(0, 0), AgentId("flooder", str(flooder)))
    await made.send_message(Ask(), SLOW)
    assert len(made.processes) == 2
    yield made
    await made.stop_when_idle()
    await made.close()
    await journal.close()


class Memory:
    """How much more memory some processes take than at the beginning, at most."""

    def __init__(self, *ids: int) -> None:
        self._processes = [psutil.Process(each) for each in ids]
        self._before = self._now()
        self.growth_bytes = [0 for _ in ids]

    def _now(self) -> list[int]:
        return [process.memory_info().rss for process in self._processes]

    async def watch(self) -> None:
        while True:
            grown = [now - before for now, before in zip(self._now(), self._before, strict=True)]
            self.growth_bytes = [max(pair) for pair in zip(self.growth_bytes, grown, strict=True)]
            await asyncio.sleep(LOOK_S)


async def flood_from_the_program(runtime: RayAgentRuntime) -> None:
    for number in range(COUNT):
        await runtime.publish_message(Drop(number, text_of(number, SIZE)), SLOW_TOPIC)


@pytest.mark.parametrize("is_from_a_host", [True, False], ids=["an agent floods", "the program floods"])
async def test_a_flood_of_large_messages_stays_out_of_memory_and_keeps_its_order(
    runtime: RayAgentRuntime, is_from_a_host: bool
) -> None:
    memory = Memory(psutil.Process().pid, *runtime.processes.values())
    watching = asyncio.create_task(memory.watch())
    if is_from_a_host:
        await runtime.send_message(Flood(COUNT, SIZE), FLOODER)
    else:
        await flood_from_the_program(runtime)
    heard = cast(Heard, await runtime.send_message(Ask(), SLOW))
    while len(heard.numbers) < COUNT:
        heard = cast(Heard, await runtime.send_message(Ask(), SLOW))
    watching.cancel()

    assert heard.numbers == list(range(COUNT))
    assert heard.held_bytes <= LIMIT_BYTES + SLICE_BYTES + SIZE
    print("grown by, MB:", [grown // 1_000_000 for grown in memory.growth_bytes])
    assert max(memory.growth_bytes) < GROWTH_BYTES < COUNT * SIZE


async def test_agents_that_flood_one_another_and_themselves_end(runtime: RayAgentRuntime) -> None:
    size = LIMIT_BYTES // 10
    async with asyncio.timeout(120):
        await runtime.send_message(Flood(15, size, back=1, recipient=str(SLOW)), FLOODER)
        await runtime.send_message(Flood(2, size, back=12, recipient=str(SLOW)), FLOODER)
        await runtime.send_message(Flood(15, size, recipient=str(FLOODER)), FLOODER)
