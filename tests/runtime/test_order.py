"""A group chat over links of which any may be slow: everyone is shown what one process would have shown them."""

from __future__ import annotations

import asyncio
import random

import pytest
from autogen_core import SingleThreadedAgentRuntime

from runtime.engine import build, drive
from runtime.events import AgentName, AnyEvent, Digest, StepStarted
from runtime.exchange.channel import Held, Past, RunOrder
from runtime.exchange.parcels import Parcel
from runtime.exchange.recollection import Recalled
from runtime.host import Host, Part
from runtime.hosting.host_life import attend
from runtime.journal import MemoryJournal
from runtime.performance import Performance
from runtime.placement import HostInfo
from runtime.service import SequencerService
from runtime.team import TeamSpec
from tests.runtime.group_chat import HISTORIES, MANAGER, Histories, PlainLinks, first_message, shown_by, turns

HOSTS = ("host-1", "host-2", "host-3")
FEW, ALL = 40, 1000
"""How many random schedules the unit suite and the slow test look at."""


class DelayedLink:
    """A host's channel to the sequencer on which everything takes a random number of turns of the event loop."""

    def __init__(self, service: SequencerService, host: str, delay: random.Random, longest: int) -> None:
        self._service = service
        self._host = host
        self._delay = delay
        self._longest = longest

    async def _late(self) -> None:
        await turns(self._delay.randrange(self._longest))

    async def submit(self, run: str, events: list[AnyEvent], blobs: dict[Digest, bytes]) -> None:
        await self._late()
        await self._service.submit(run, events, blobs, self._host, 1)
        await self._late()

    async def pull(self, host: str, after: int) -> tuple[int, list[Parcel]]:
        pulled = await self._service.pull(host, after, 1)
        await self._late()
        return pulled

    async def join(self, held: Held) -> None:
        await self._late()
        await self._service.join(HostInfo(self._host), 1, held)

    async def open(self, order: RunOrder) -> None:
        await self._service.open(order)

    async def resume(self, run: str, driver: str) -> Past:
        return await self._service.resume(run, driver)

    async def rejoin(self, run: str, driver: str, held: Held, seen: int) -> AnyEvent | None:
        return await self._service.rejoin(run, driver, held, seen)

    async def watch(self, run: str, after: int) -> list[AnyEvent]:
        return await self._service.watch(run, after)

    async def forget(self, run: str, driver: str) -> None:
        await self._service.forget(run, driver)

    async def describe(self, run: str) -> Past:
        return await self._service.describe(run)

    async def recall(self, run: str, started: StepStarted, request: bytes) -> Recalled | None:
        return await self._service.recall(run, started, request)

    async def room(self, run: str, step: str) -> bool:
        return await self._service.room(run, step)

    async def trouble(self, known: str) -> str:
        return await self._service.trouble(known)


async def shown_over_slow_links(seed: int) -> Histories:
    """What the participants are shown over three hosts, one of which, chosen by the seed, has a slow link."""
    delay = random.Random(seed)
    service = SequencerService(MemoryJournal(), [HostInfo(name) for name in HOSTS])
    spec = TeamSpec("chat", "tests.runtime.group_chat:build", {})
    order = Performance(f"chat-{seed}", spec, AgentName(MANAGER), first_message())

    async def part(_: str) -> Part:
        return Part(build(order, "ray"))

    slow = delay.choice(HOSTS)
    hosts: list[tuple[Host, asyncio.Task[None]]] = []
    for name in HOSTS:
        link = DelayedLink(service, name, delay, 40 if name == slow else 3)
        host = Host(name, link.submit, part)
        hosts.append((host, asyncio.create_task(attend(host, link))))
    try:
        await drive(order, service, build(order, "ray"))
    finally:
        for host, attending in hosts:
            attending.cancel()
            await host.close()
    return HISTORIES.pop(order.run)


async def check(schedules: int) -> None:
    expected = await shown_by(SingleThreadedAgentRuntime())
    assert [len(heard) for heard in expected.values()] == [5, 4, 5], "all that came before their turns"
    for seed in range(schedules):
        assert await shown_over_slow_links(seed) == expected, f"schedule {seed}"


@pytest.mark.slow
async def test_a_group_chat_is_shown_the_same_over_slow_links_as_in_one_process() -> None:
    await check(FEW)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_group_chat_is_shown_the_same_in_a_thousand_random_schedules() -> None:
    await check(ALL)


async def test_without_one_order_slow_links_show_a_group_chat_differently() -> None:
    expected = await shown_by(SingleThreadedAgentRuntime())
    shown = [await shown_by(PlainLinks(seed)) for seed in range(20)]
    assert sum(histories != expected for histories in shown) > 5
