"""The driver of a chaos run in a process of its own, which kills itself after an event. Reads its order from stdin."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from runtime.codec import parse
from runtime.engine import Performance
from runtime.events import AgentName, AnyEvent
from runtime.team import TeamSpec


class DriverOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What to perform, and after which event to die. It holds secrets and is never written down."""

    address: str
    journal: str
    hosts: int
    run: str
    name: str
    builder: str
    config: bytes
    """The team's specification, canonical JSON."""
    recipient: AgentName
    payload: bytes
    secrets: dict[str, str]
    dies_after: int
    """The seq of the event."""


async def perform(order: DriverOrder) -> None:
    """Performs the run until the event is seen; its process then ends without a word."""
    from runtime.chaos_local import consent
    from runtime.cluster import RayEngine

    def on_event(event: AnyEvent) -> None:
        if event.seq >= order.dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    config = parse(order.config)
    assert isinstance(config, Mapping)
    spec = TeamSpec(order.name, order.builder, config)
    performance = Performance(
        order.run, spec, order.recipient, order.payload, order.secrets, ask=consent, on_event=on_event, by="chaos"
    )
    await RayEngine(order.address, Path(order.journal), hosts=order.hosts).perform(performance)


if __name__ == "__main__":
    try:
        asyncio.run(perform(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=DriverOrder)))
    except Exception as error:  # the outermost frame: who started it is told
        print(f"{type(error).__name__}: {error}")
        sys.exit(1)
