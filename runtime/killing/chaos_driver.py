"""The driver of a chaos run in a process of its own, which kills itself after an event; and how it is made to.

It is started ahead of its turn, says when its actors are up, and performs when it is told to.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from runtime.codec import canonical, parse
from runtime.events import AgentName, AnyEvent
from runtime.journals.journal_address import JournalAddress, journal_address
from runtime.performance import Performance
from runtime.team import TeamSpec

READY = b"ready\n"
GO = b"go\n"


class DriverOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to perform, and after which event to die. It holds secrets and is never written down."""

    address: str
    journal: str
    """A file, or the address of a database with its password."""
    hosts: int
    run: str
    name: str
    builder: str
    config: bytes
    """The team's specification, canonical JSON."""
    recipient: AgentName
    payload: bytes
    secrets: dict[str, str]
    addresses: dict[str, str]
    dies_after: int
    """The seq of the event."""


def driver_order(
    performance: Performance, *, address: str, journal: JournalAddress, hosts: int, dies_after: int
) -> DriverOrder:
    """The order for a performance."""
    spec = performance.spec
    return DriverOrder(
        address=address,
        journal=journal.url or str(journal),
        hosts=hosts,
        run=performance.run,
        name=spec.name,
        builder=spec.builder,
        config=canonical(dict(spec.config)),
        recipient=performance.recipient,
        payload=performance.payload,
        secrets=dict(performance.secrets),
        addresses=dict(performance.addresses),
        dies_after=dies_after,
    )


class MortalDriver:
    """A driver's process, from before its performance to its death."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, order: DriverOrder) -> MortalDriver:
        """Starts the process and returns at once."""
        command = (sys.executable, "-m", "runtime.killing.chaos_driver")
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        return cls(process)

    async def die(self) -> str:
        """Lets it perform, and returns when it is dead: empty when it has killed itself, else what it says instead."""
        assert self._process.stdin is not None and self._process.stdout is not None
        if (told := await self._process.stdout.readline()) == READY:
            self._process.stdin.write(GO)
            told = await self._process.stdout.read()
        ended = await self._process.wait()
        return "" if ended == -signal.SIGKILL else told.decode().strip() or f"it ended with exit code {ended}"

    async def close(self) -> None:
        """Ends it, whatever it does."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.communicate()


async def perform(order: DriverOrder) -> None:
    """Performs the run when it is told to, until the event is seen; its process then ends without a word."""
    from runtime.cluster import RayStage
    from runtime.killing.chaos_local import consent

    def on_event(event: AnyEvent) -> None:
        if event.seq >= order.dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    config = parse(order.config)
    assert isinstance(config, Mapping)
    spec = TeamSpec(order.name, order.builder, config)
    performance = Performance(
        order.run,
        spec,
        order.recipient,
        order.payload,
        order.secrets,
        addresses=order.addresses,
        ask=consent,
        on_event=on_event,
        by="chaos",
    )
    journal = journal_address(order.journal)
    async with RayStage(
        order.address, journal, hosts=order.hosts, secrets=order.secrets, addresses=order.addresses
    ) as stage:
        await stage.assembled()
        os.write(sys.stdout.fileno(), READY)
        if await asyncio.to_thread(sys.stdin.buffer.readline) == GO:
            await stage.perform(performance)


if __name__ == "__main__":
    try:
        asyncio.run(perform(msgspec.json.decode(sys.stdin.buffer.readline(), type=DriverOrder)))
    except Exception as error:  # the outermost frame: who started it is told
        print(f"{type(error).__name__}: {error}")
        sys.exit(1)
