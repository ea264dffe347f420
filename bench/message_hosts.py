"""Request and response between two processes, for `bench/messages.py`: `python -m bench.message_hosts KIND [HOSTS]`.

KIND is `ours` (agents on two hosts of a crew, each message durable in SQLite before it is handed over), `one-by-one`
(but the echo takes one message at a time), `crew` (eight pairs as in `ours`, over HOSTS hosts at once), `cluster` and
`cluster-pairs` (`ours` and `crew` with `RayAgentRuntime`, placement `cluster`), `ray` (bare actor calls, nothing
durable) or `grpc` (AutoGen's over gRPC, two worker processes, nothing durable). Prints rates, and the median of one
message in milliseconds, as JSON. After HOSTS, `--spent` has `crew` and `cluster-pairs` say on stderr what the processes
have spent, and `--profile` has `cluster-pairs` say where it went (`bench/message_profile.py`).
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from itertools import count as count_up
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

import psutil
import ray as untyped_ray
from autogen_core import AgentId, AgentRuntime, MessageContext, RoutedAgent, message_handler

from bench.message_agents import Echo, Ping
from bench.message_counts import FLIGHT, HOST_ALONE, HOST_TOGETHER, PAIRS, WARM_UP
from bench.message_profile import Meter, Profiling, Spent, shares
from runtime.autogen import RayAgentRuntime, TeamBuilder
from runtime.cluster import RayStage
from runtime.codec import Json
from runtime.events import AgentName
from runtime.journals.journal_address import journal_address, open_journal
from runtime.letters import Letters
from runtime.performance import Performance
from runtime.placement import HostInfo, place
from runtime.routing import AgentPolicy, Placement
from runtime.team import Resources, Team, TeamSpec

ray: Any = untyped_ray
Ask = Callable[[int], Awaitable[object]]


async def timed(ask: Ask, alone: int, together: int, flight: int) -> dict[str, float]:
    """The median of one request in milliseconds, and how many a second there are with so many under way."""
    waits: list[float] = []
    for number in range(alone):
        began = time.perf_counter()
        await ask(number)
        waits.append(1000 * (time.perf_counter() - began))
    numbers = iter(range(together))

    async def ask_some() -> None:
        for number in numbers:
            await ask(number)

    began = time.perf_counter()
    await asyncio.gather(*(ask_some() for _ in range(flight)))
    rate = together / (time.perf_counter() - began)
    return {"median_ms": statistics.median(waits) if waits else 0.0, "together": rate}


@dataclass
class Plan:
    """How often to ask."""

    warm_up: int
    alone: int
    together: int
    flight: int


@dataclass
class Times:
    """What it took."""

    median_ms: float
    together: float
    began_s: float
    ended_s: float
    """By the machine's clock, which all processes share."""


class Gauge(RoutedAgent):
    """Measures its host."""

    def __init__(self) -> None:
        super().__init__("Measures")
        self._meter: Meter | None = None

    @message_handler
    async def on_profiling(self, message: Profiling, ctx: MessageContext) -> Spent:
        """What its host has spent since it was asked last."""
        spent = Spent() if self._meter is None else self._meter.end()
        self._meter = Meter(is_profiled=message.is_profiled)
        return spent


class Asker(RoutedAgent):
    """Asks the echo as often as it is told to; looks at the machine's clock, which no replayed agent may."""

    def __init__(self) -> None:
        super().__init__("Asks")

    @message_handler
    async def on_start(self, message: Plan, ctx: MessageContext) -> Times:
        """What it took."""

        async def ask(number: int) -> object:
            return await self.send_message(Ping(number), AgentId("echo", self.id.key))

        await timed(ask, 0, message.warm_up, message.flight)
        began_s = time.monotonic()
        found = await timed(ask, message.alone, message.together, message.flight)
        return Times(found["median_ms"], found["together"], began_s, time.monotonic())


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """An asker and an echo."""
    builder = TeamBuilder()
    builder.add("asker", Asker, Asker)
    builder.add("echo", Echo, Echo, AgentPolicy(concurrent=bool(config["concurrent"])))
    return builder.team()


def performance(run: str, plan: Plan, concurrent: bool) -> Performance:
    """A run of the two; whether the echo may be asked while it answers, as all of AutoGen's own agents may."""
    letters = Letters()
    letters.add_type(Plan)
    return Performance(
        run,
        TeamSpec("pair", "bench.message_hosts:build", {"concurrent": concurrent}),
        AgentName("asker"),
        letters.encode(plan),
    )


def apart(hosts: int, count: int) -> list[str]:
    """Ids of runs whose two agents live on different hosts, where there is more than one."""
    infos = [HostInfo(f"host-{n}") for n in range(1, hosts + 1)]
    found: list[str] = []
    number = 0
    while len(found) < count:
        run, number = f"run-{number}", number + 1
        homes = {place(run, AgentName(name), Placement(), infos) for name in ("asker", "echo")}
        if len(homes) == min(2, hosts):
            found.append(run)
    return found


async def ours(hosts: int, pairs: int, gauging: str = "", concurrent: bool = True) -> dict[str, float]:
    """Pairs of agents on hosts of one crew; where there is `gauging`, prints what its processes have spent."""
    plan = Plan(WARM_UP, HOST_ALONE if pairs == 1 else 0, HOST_TOGETHER // pairs, FLIGHT // pairs)
    ids = apart(hosts, 2 * pairs)
    with tempfile.TemporaryDirectory() as folder:
        async with RayStage("auto", Path(folder) / "journal.db", hosts=hosts) as stage:

            async def ask(runs: list[str]) -> list[Times]:
                found = await asyncio.gather(*(stage.perform(performance(run, plan, concurrent)) for run in runs))
                return [Times(**cast(dict[str, float], one)) for one in found]

            await ask(ids[:pairs])  # hosts come up one after another
            before = await _spent(stage)
            found = await ask(ids[pairs:])
            if gauging:
                asked = pairs * (plan.warm_up + plan.alone + plan.together)
                for name, spent_s in (await _spent(stage)).items():
                    print(f"{name}: {1e6 * (spent_s - before[name]) / asked:.0f} µs a request", file=sys.stderr)
    return summed(found, plan)


async def _spent(stage: RayStage) -> dict[str, float]:
    """The processor seconds of a crew's processes and of the driver."""
    ids = {**await stage.processes(), "driver": os.getpid()}
    return {name: sum(psutil.Process(pid).cpu_times()[:2]) for name, pid in ids.items()}


def summed(found: list[Times], plan: Plan) -> dict[str, float]:
    """What all pairs together have done, in the stretch of time in which any of them was measured."""
    if len(found) == 1:
        return {"median_ms": found[0].median_ms, "together": found[0].together}
    took_s = max(one.ended_s for one in found) - min(one.began_s for one in found)
    return {"median_ms": 0.0, "together": len(found) * plan.together / took_s}


async def cluster(hosts: int, pairs: int, gauging: str = "") -> dict[str, float]:
    """Pairs of agents on hosts of one `RayAgentRuntime`; `gauging` is empty, `--spent` or `--profile`."""
    plan = Plan(WARM_UP, HOST_ALONE if pairs == 1 else 0, HOST_TOGETHER // pairs, FLIGHT // pairs)
    with tempfile.TemporaryDirectory() as folder:
        journal = open_journal(journal_address(Path(folder) / "journal.db"))
        runtime = RayAgentRuntime(placement="cluster", hosts=hosts, journal=journal, run_id="bench")
        await Asker.register(runtime, "asker", Asker)
        await Echo.register(runtime, "echo", Echo)
        await Gauge.register(runtime, "gauge", Gauge)
        runtime.start()
        askers = [AgentId("asker", key) for key in keys_apart("bench", hosts, pairs)]

        async def ask() -> list[Times]:
            return cast(list[Times], await asyncio.gather(*(runtime.send_message(plan, asker) for asker in askers)))

        await ask()  # hosts come up one after another
        found = await (gauged(runtime, hosts, ask, is_profiled=gauging == "--profile") if gauging else ask())
        await runtime.close()
        await journal.close()
    return summed(found, plan)


T = TypeVar("T")


async def gauged(runtime: RayAgentRuntime, hosts: int, ask: Callable[[], Awaitable[T]], *, is_profiled: bool) -> T:
    """What comes of asking; prints what the driver and each host have spent on it."""
    infos = [HostInfo(f"host-{n}") for n in range(1, hosts + 1)]
    gauges = {place("bench", AgentName("gauge", key), Placement(), infos): key for key in map(str, range(100))}

    async def spent() -> dict[str, Spent]:
        asked = (runtime.send_message(Profiling(is_profiled), AgentId("gauge", gauges[info.name])) for info in infos)
        return dict(zip((info.name for info in infos), cast(list[Spent], await asyncio.gather(*asked)), strict=True))

    await spent()
    own = Meter(is_profiled=is_profiled)
    found = await ask()
    for name, each in {"driver": own.end(), **await spent()}.items():
        print(shares(name, each), file=sys.stderr)
    return found


def keys_apart(run: str, hosts: int, count: int) -> list[str]:
    """Keys whose asker and echo live on different hosts, where there is more than one."""
    infos = [HostInfo(f"host-{n}") for n in range(1, hosts + 1)]

    def homes(key: str) -> set[str]:
        return {place(run, AgentName(name, key), Placement(), infos) for name in ("asker", "echo")}

    return list(islice((key for key in map(str, count_up()) if len(homes(key)) == min(2, hosts)), count))


class RayEcho:
    """A bare actor that answers."""

    async def ping(self, number: int) -> int:
        """The same."""
        return number


class RayAsker:
    """A bare actor that asks another."""

    async def times(self, echo: Any) -> dict[str, float]:
        """What it took."""

        async def ask(number: int) -> object:
            return await echo.ping.remote(number)

        await timed(ask, 0, WARM_UP, FLIGHT)
        return await timed(ask, HOST_ALONE, HOST_TOGETHER, FLIGHT)


async def bare() -> dict[str, float]:
    """Two bare actors."""
    echo, asker = (ray.remote(actor).options(num_cpus=0).remote() for actor in (RayEcho, RayAsker))
    found: dict[str, float] = await asker.times.remote(echo)
    return found


async def grpc() -> dict[str, float]:
    """AutoGen's gRPC runtime: the service here, the echo in a process of its own, the asker in this one."""
    from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime, GrpcWorkerAgentRuntimeHost

    host: Any = GrpcWorkerAgentRuntimeHost(address="127.0.0.1:50231")
    host.start()
    echo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.message_hosts", "grpc-echo", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert echo.stdout is not None
        await echo.stdout.readline()
        runtime: Any = GrpcWorkerAgentRuntime(host_address="127.0.0.1:50231")
        await runtime.start()
        _register(runtime)
        await Echo.register(runtime, "idle", Echo)  # a worker without a type of its own is not sent answers

        async def ask(number: int) -> object:
            return await cast(AgentRuntime, runtime).send_message(
                Ping(number), AgentId("echo", "default"), sender=AgentId("idle", "default")
            )

        await timed(ask, 0, WARM_UP, FLIGHT)
        found = await timed(ask, HOST_ALONE, HOST_TOGETHER, FLIGHT)
        await runtime.stop()
    finally:
        echo.terminate()
        await host.stop()
    return found


async def grpc_echo() -> None:
    """The echo's process."""
    from autogen_ext.runtimes.grpc import GrpcWorkerAgentRuntime

    runtime: Any = GrpcWorkerAgentRuntime(host_address="127.0.0.1:50231")
    await runtime.start()
    _register(runtime)
    await Echo.register(runtime, "echo", Echo)
    print("ready", flush=True)
    await runtime.stop_when_signal()


def _register(runtime: Any) -> None:
    from autogen_core import try_get_known_serializers_for_type

    runtime.add_message_serializer(try_get_known_serializers_for_type(Ping))


def main(kind: str, hosts: int, gauging: str) -> None:
    """Prints what was measured."""
    if kind == "grpc-echo":
        asyncio.run(grpc_echo())
        return
    if kind == "grpc":
        print(json.dumps(asyncio.run(grpc())))
        return
    ray.init(address="local", num_cpus=4, include_dashboard=False, namespace="repertory", log_to_driver=False)
    ways: dict[str, Callable[[], Coroutine[Any, Any, dict[str, float]]]] = {
        "ray": bare,
        "ours": lambda: ours(2, 1),
        "one-by-one": lambda: ours(2, 1, concurrent=False),
        "crew": lambda: ours(hosts, PAIRS, gauging),
        "cluster": lambda: cluster(2, 1),
        "cluster-pairs": lambda: cluster(hosts, PAIRS, gauging),
    }
    print(json.dumps(asyncio.run(ways[kind]())))
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2, sys.argv[3] if len(sys.argv) > 3 else "")
