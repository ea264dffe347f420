"""A program whose agents live on hosts, for the test that kills the head of its cluster; stdout says what it sees."""

from __future__ import annotations

import asyncio
import sys

import structlog
from autogen_core import AgentId

from runtime.autogen import RayAgentRuntime
from tests.runtime.hosted import WATCHER, Note, Watcher, Worker, node

AGENTS = 8


async def main() -> None:
    """Has all agents wait, says so, and then what came of it, of a later request, of the end, and of a new start."""
    runtime, watcher = RayAgentRuntime(placement="cluster", hosts=2, run_id="two"), Watcher()
    await Worker.register(runtime, "worker", Worker)
    await watcher.register_instance(runtime, WATCHER)
    runtime.start()

    async def asks(agent: int) -> str:
        try:
            return str(await runtime.send_message(Note("wait"), AgentId("worker", str(agent))))
        except Exception as error:
            return type(error).__name__

    asking = [asyncio.ensure_future(asks(agent)) for agent in range(AGENTS)]
    for _ in asking:
        await watcher.told.get()
    print("waiting on", len(set(runtime.homes.values())), "hosts", flush=True)
    print(*sorted(set(await asyncio.gather(*asking))), flush=True)
    print(await asks(AGENTS), flush=True)
    await runtime.stop_when_idle()
    await runtime.close()
    print("closed", flush=True)
    runtime.start()
    answer = await runtime.send_message(Note("node"), AgentId("worker", "new"))
    print("on another head:", answer.text == node(), flush=True)
    await runtime.close()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main())
