"""How soon a run goes on after `kill -9` of a host, and what a long run and many open runs cost.

    python -m bench.recovery                    all of it, on a Ray of its own on this machine
    python -m bench.recovery --kills 20         how many hosts are killed
    python -m bench.recovery --events 10000     how long the long runs are
    python -m bench.recovery --memory 1000      only the memory of so many open idle runs

From the kill of the host that performs a step to the end of the step that another host has performed again; after each
such kill, beside it, Ray's own restart of a bare actor, from its kill to its first answer. The same for runs with many
events behind them: all in the one delivery that is under way; in deliveries before it, of an agent that sleeps after
every hundredth, and of one that never does. For open idle runs, the memory of a process with the sequencer service and
its journal, and what the process of a sequencer actor on Ray has for itself.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import psutil
import ray as untyped_ray

from runtime import ids, steps
from runtime.blobs import digest
from runtime.cluster import RayEngine
from runtime.codec import Json, canonical, parse
from runtime.events import AgentName, AnyEvent, MessageSent, RunStarted, StepCompleted
from runtime.exchange.channel import RunOrder
from runtime.hosting.delivery import Delivery
from runtime.journals.journal_address import journal_address
from runtime.journals.sql_journal import SqliteJournal
from runtime.on_ray.actor_channel import ActorChannel, ActorUnavailable, answer
from runtime.on_ray.connection import connect
from runtime.on_ray.ray_actors import SequencerActor
from runtime.on_ray.ray_local import ensure_ray, stop_ray
from runtime.performance import Performance
from runtime.routing import AgentPolicy, Placement
from runtime.service import SequencerService
from runtime.steps import StepCall, StepResult
from runtime.team import AgentSpec, Incoming, Resources, Rest, Team, TeamSpec

ray: Any = untyped_ray

STEP_S = 0.02
"""How long a step takes while hosts are killed; it is part of what is measured."""
LONG_KILLS = 10
NEVER = 1_000_000
EVENTS_OF_A_DELIVERY = 5
"""Message, start, step, its result, end."""


class Leader:
    """Has the walker take single steps, each in a delivery of its own, then walk."""

    def __init__(self, deliveries: int) -> None:
        self._deliveries = deliveries

    async def receive(self, incoming: Incoming) -> bytes:
        """Leads; the answer is the walker's last one."""
        for number in range(self._deliveries):
            await self._ask(number)
        return await self._ask(None)

    async def _ask(self, number: int | None) -> bytes:
        delivery = steps.current.get()
        assert isinstance(delivery, Delivery)
        _, response = delivery.send(AgentName("walker"), canonical({"type": "json", "data": number}), {})
        return await response


class Walker:
    """An agent with one step after another: quick ones first, then slow ones until a file says that it is enough."""

    def __init__(self, folder: Path, quick: int) -> None:
        self._folder = folder
        self._quick = quick

    async def save(self) -> bytes:
        """It keeps nothing."""
        return canonical({})

    async def load(self, state: bytes) -> None:
        """Nothing is to be taken up."""

    async def receive(self, incoming: Incoming) -> bytes:
        """Takes one step where it is told a number; else walks, and the answer is how many steps it took."""
        with (self._folder / "handled").open("ab") as handled:
            handled.write(b".")
        told = cast(Mapping[str, Json], parse(incoming.payload))["data"]
        if told is not None:
            await steps.perform(StepCall("tool", "step", canonical({"step": told}), self._nothing))
            return canonical({"type": "json", "data": None})
        number = 0
        while not await self._step(number):
            number += 1
        return canonical({"type": "json", "data": number})

    async def _nothing(self, _: str) -> StepResult:
        return StepResult(None)

    async def _step(self, number: int) -> bool:
        async def perform(_: str) -> StepResult:
            if number < self._quick:
                return StepResult(False)
            draft = self._folder / f"pid.{os.getpid()}"
            draft.write_text(str(os.getpid()))
            draft.replace(self._folder / "pid")
            await asyncio.sleep(STEP_S)
            return StepResult((self._folder / "enough").exists())

        return bool((await steps.perform(StepCall("tool", "walk", canonical(number), perform))).value)


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """The team of a walker, and of its leader with the driver."""

    async def make(_: AgentName) -> Walker:
        return Walker(Path(cast(str, config["folder"])), cast(int, config["quick"]))

    async def make_leader(_: AgentName) -> Leader:
        return Leader(cast(int, config["deliveries"]))

    local = AgentPolicy(placement=Placement("local"))
    agents = {"walker": AgentSpec(make), "leader": AgentSpec(make_leader, local)}
    return Team(agents, rest=Rest(deliveries=cast(int, config["naps"])))


@dataclass(frozen=True)
class Past:
    """What lies behind the walker when its hosts are killed."""

    name: str
    deliveries: int = 0
    """Deliveries before the one that is under way."""
    quick: int = 0
    """Quick steps of the one that is under way."""
    naps: int = NEVER
    """After how many deliveries it sleeps."""


class Bare:
    """An actor that does nothing."""

    async def process_id(self) -> int:
        """The id of the process that it lives in."""
        return os.getpid()


async def back(actor: Any) -> int:
    """The process of an actor, as soon as it answers."""
    while True:
        try:
            return int(await answer(actor.process_id.remote))
        except ActorUnavailable:
            await asyncio.sleep(0.02)


class Course:
    """One run in which hosts are killed again and again."""

    def __init__(self, folder: Path, past: Past) -> None:
        self.engine = RayEngine("auto", folder / "journal.db", hosts=2)
        self._folder = folder
        self._past = past
        self.again: list[int] = []
        """How many deliveries were handled again after each kill, the one under way among them."""
        self._completed: asyncio.Queue[StepCompleted] = asyncio.Queue()

    async def kill_often(self, kills: int, bare: Any) -> tuple[list[float], list[float]]:
        """The seconds from each kill to the next step, and those of the bare actor to its next answer."""
        past = self._past
        config: dict[str, Json] = {
            "folder": str(self._folder),
            "deliveries": past.deliveries,
            "quick": past.quick,
            "naps": past.naps,
        }
        order = Performance(
            "run",
            TeamSpec("walk", "bench.recovery:build", config),
            AgentName("leader"),
            canonical({"type": "json", "data": {}}),
            on_event=self._on_event,
        )
        running = asyncio.create_task(self.engine.perform(order))
        for _ in range(past.deliveries + past.quick + 1):
            await self._completed.get()
        hosts, bares = [await self._kill_host()], [await kill_bare(bare)]
        for _ in range(kills):
            hosts.append(await self._kill_host())
            bares.append(await kill_bare(bare))
        (self._folder / "enough").touch()
        await running
        return hosts[1:], bares[1:]

    def _on_event(self, event: AnyEvent) -> None:
        if isinstance(event, StepCompleted):
            self._completed.put_nowait(event)

    async def _kill_host(self) -> float:
        while True:
            try:
                await self.engine.processes()
                break
            except Exception:
                await asyncio.sleep(0.05)
        while not self._completed.empty():
            self._completed.get_nowait()
        await self._completed.get()
        handled = (self._folder / "handled").stat().st_size
        killed_at = time.time()
        os.kill(int((self._folder / "pid").read_text()), signal.SIGKILL)
        while (await self._completed.get()).started_at < killed_at:
            pass
        seconds = time.time() - killed_at
        self.again.append((self._folder / "handled").stat().st_size - handled)
        return seconds


async def kill_bare(bare: Any) -> float:
    """The seconds from the kill of the bare actor to its next answer."""
    os.kill(await back(bare), signal.SIGKILL)
    killed_at = time.time()
    await back(bare)
    return time.time() - killed_at


async def measure(kills: int, events: int) -> None:
    """Prints the table of the kills, on a Ray that is started for it and may take its time on a busy machine."""
    with tempfile.TemporaryDirectory() as home:
        try:
            await connect(ensure_ray(Path(home)).address)
            await kill_hosts(kills, events)
            ray.shutdown()
        finally:
            stop_ray(Path(home))


async def kill_hosts(kills: int, events: int) -> None:
    """Performs the runs, one after the other, and kills their hosts."""
    bare = ray.remote(Bare).options(num_cpus=0, max_restarts=-1).remote()
    before = events // EVENTS_OF_A_DELIVERY
    pasts = (
        Past("a short run"),
        Past(f"{events:,} events of the delivery under way", quick=events // 2),
        Past(f"{events:,} events of deliveries before, asleep after every 100", deliveries=before, naps=100),
        Past(f"{events:,} events of deliveries before, never asleep", deliveries=before),
    )
    for past in pasts:
        times = min(kills, LONG_KILLS) if past.deliveries or past.quick else kills
        with tempfile.TemporaryDirectory() as folder:
            course = Course(Path(folder), past)
            hosts, bares = await course.kill_often(times, bare)
        print(
            f"{past.name}, {times} kills: to the next step {words(hosts)}; handled again at most "
            f"{max(course.again):,} deliveries; bare actor {words(bares)}",
            flush=True,
        )


def words(seconds: Sequence[float]) -> str:
    """Median and 95th percentile."""
    return f"median {statistics.median(seconds):.2f} s, 95 % {statistics.quantiles(seconds, n=20)[-1]:.2f} s"


async def memory(runs: int) -> None:
    """Prints what a process with so many open runs takes, each waiting for one agent that has got its first message."""
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        journal = SqliteJournal(Path(folder) / "journal.db")
        service = SequencerService(journal)
        before = process.memory_info().rss
        for number in range(runs):
            await begin(service, f"run-{number}", Path(folder))
        taken = process.memory_info().rss - before
        await journal.close()
    tell_memory("a plain process", runs, before, taken)


async def actor_memory(runs: int) -> None:
    """Prints the same of the process of a sequencer actor on a Ray of its own; only what no other process shares."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, namespace="repertory", log_to_driver=False)
    with tempfile.TemporaryDirectory() as folder:
        actor = ray.remote(SequencerActor).options(num_cpus=0).remote(journal_address(Path(folder) / "journal.db"))
        process = psutil.Process(await actor.process_id.remote())
        channel = ActorChannel(actor)
        await begin(channel, "warm", Path(folder))
        before = process.memory_full_info().uss
        for number in range(runs):
            await begin(channel, f"run-{number}", Path(folder))
        taken = process.memory_full_info().uss - before
        await channel.close()
        ray.kill(actor)
    ray.shutdown()
    tell_memory("a sequencer actor", runs, before, taken)


def tell_memory(where: str, runs: int, before: int, taken: int) -> None:
    """Prints a line."""
    print(
        f"{runs} open idle runs in {where}: {taken / 2**20:.1f} MiB more than none "
        f"({taken / runs / 1024:.1f} KiB each), {(before + taken) / 2**20:.0f} MiB in all",
        flush=True,
    )


async def begin(service: SequencerService | ActorChannel, run: str, folder: Path) -> None:
    """Opens a run and sends its first message."""
    config: dict[str, Json] = {"folder": str(folder), "quick": 0, "deliveries": 0, "naps": NEVER, "run": run}
    spec, routes = canonical(config), msgspec.json.encode(build(config, Resources(run)).routes())
    started = RunStarted(
        name="walk", builder="bench.recovery:build", spec=digest(spec), routes=digest(routes), versions={}
    )
    await service.open(RunOrder(run, started, {started.spec: spec, started.routes: routes}, f"driver:{run}"))
    payload = canonical({"type": "json", "data": run})
    first = MessageSent(
        message=ids.message_id(ids.ROOT, 0),
        sender=None,
        cause=ids.ROOT,
        recipient=AgentName("walker"),
        payload=digest(payload),
    )
    await service.submit(run, [first], {first.payload: payload})


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--memory", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.memory:
        asyncio.run(memory(arguments.memory))
        asyncio.run(actor_memory(arguments.memory))
        return
    subprocess.run([sys.executable, "-m", "bench.recovery", "--memory", "1000"], check=True)
    asyncio.run(measure(arguments.kills, arguments.events))


if __name__ == "__main__":
    main()
