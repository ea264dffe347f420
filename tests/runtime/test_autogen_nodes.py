"""`RayAgentRuntime` over several nodes of a Ray cluster, one of which is killed on the way, and one of which joins."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import psutil
import pytest
from autogen_core import AgentId

from runtime.autogen import RayAgentRuntime
from runtime.autogen_cluster.errors import HostLost
from tests.runtime.hosted import WATCHER, Note, Watcher, Worker, node

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

OTHER_MACHINE = "127.0.0.2"
"""The address of a node that stands for one on another machine."""
AGENTS = 24
REQUESTS = 1_200
FLIGHT = 48


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head, on which the driver is, a further node of this machine, and one with an address of its own."""
    import ray
    from ray import cluster_utils

    untyped: Any = ray
    untyped_cluster: Any = cluster_utils
    nodes = untyped_cluster.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        nodes.add_node(num_cpus=1)
        nodes.add_node(num_cpus=1, node_ip_address=OTHER_MACHINE)
        nodes.wait_for_nodes()
        untyped.init(address=nodes.address, namespace="repertory", log_to_driver=False)
        yield nodes
    finally:
        untyped.shutdown()
        nodes.shutdown()


class Stage:
    """A runtime on three hosts, with a watcher in this process."""

    def __init__(self) -> None:
        self.runtime = RayAgentRuntime(placement="cluster", hosts=3, run_id="spread")
        self.watcher = Watcher()
        self.lost = 0
        """How many requests ended with `HostLost`."""

    async def says(self, text: str, agent: int) -> str:
        answer = await self.runtime.send_message(Note(text), AgentId("worker", str(agent)))
        return str(answer.text)

    async def persistently_says(self, text: str, agent: int) -> str:
        while True:
            try:
                return await self.says(text, agent)
            except HostLost:
                self.lost += 1

    async def nodes(self, agents: range) -> dict[int, str]:
        """Where some agents live."""
        return {agent: await self.persistently_says("node", agent) for agent in agents}

    def hosts(self) -> set[str]:
        return set(self.runtime.homes.values())


@pytest.fixture
async def stage(cluster: Any) -> AsyncGenerator[Stage]:
    made = Stage()
    await Worker.register(made.runtime, "worker", Worker)
    await made.watcher.register_instance(made.runtime, WATCHER)
    made.runtime.start()
    yield made
    await made.runtime.stop_when_idle()
    await made.runtime.close()


def own_ends(process: int) -> set[str]:
    """The addresses of a process's ends of its connections with this one."""
    here = {(end.laddr, end.raddr) for end in psutil.Process().net_connections("tcp") if end.raddr}
    there = psutil.Process(process).net_connections("tcp")
    return {end.laddr.ip for end in there if end.raddr and (end.raddr, end.laddr) in here}


async def test_hosts_are_on_all_nodes_and_those_of_this_machine_are_reached_within_it(
    cluster: Any, stage: Stage
) -> None:
    homes = await stage.nodes(range(AGENTS))
    away = next(each.node_id for each in cluster.worker_nodes if each.node_ip_address == OTHER_MACHINE)
    processes = {home: int(await stage.says("process", agent)) for agent, home in homes.items()}

    assert set(homes.values()) == {each.node_id for each in cluster.list_all_nodes()}
    assert node() in homes.values()
    for home, process in processes.items():
        assert ("127.0.0.1" in own_ends(process)) is (home != away)


async def test_a_node_that_joins_takes_agents_that_are_made_then(cluster: Any, stage: Stage) -> None:
    before = await stage.nodes(range(AGENTS))
    joined = cluster.add_node(num_cpus=1).node_id
    for agent in itertools.count(AGENTS):
        if await stage.says("node", agent) == joined:
            break
    assert await stage.nodes(range(AGENTS)) == before
    assert stage.hosts() == {"host-1", "host-2", "host-3", "host-4"}


async def test_a_killed_node_ends_no_request_without_a_word_and_its_agents_are_made_elsewhere(
    cluster: Any, stage: Stage
) -> None:
    homes = await stage.nodes(range(AGENTS))
    victim = next(each for each in cluster.worker_nodes if each.node_ip_address == OTHER_MACHINE)
    theirs = [agent for agent, home in homes.items() if home == victim.node_id]
    waiting = [asyncio.ensure_future(stage.says("wait", agent)) for agent in theirs]
    for _ in waiting:
        assert await stage.watcher.told.get() == "entered"
    answers: dict[int, str] = {}
    half, numbers = asyncio.Event(), iter(range(REQUESTS))

    async def ask_some() -> None:
        for number in numbers:
            answers[number] = await stage.persistently_says(f"no {number}", number % AGENTS)
            if len(answers) == REQUESTS // 4:
                half.set()

    asking = asyncio.gather(*(ask_some() for _ in range(FLIGHT)))
    await half.wait()
    removing = asyncio.create_task(asyncio.to_thread(cluster.remove_node, victim, allow_graceful=False))
    for asked in waiting:
        with pytest.raises(HostLost, match="made anew, without their state"):
            await asked
    await asking
    assert answers == {number: f"no {number}" for number in range(REQUESTS)}, "as if nothing had happened"
    await removing
    assert victim.node_id not in (await stage.nodes(range(AGENTS))).values()
    others = {agent: home for agent, home in homes.items() if agent not in theirs}
    assert others.items() <= (await stage.nodes(range(AGENTS))).items(), "the others have stayed where they were"
