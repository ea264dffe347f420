"""Many runs over several nodes of a Ray cluster, one of which is killed on the way, and one of which joins."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.cluster import RayStage
from runtime.codec import Json
from runtime.errors import UsageError
from runtime.events import AnyEvent, DeliveryStarted, RunCompleted, StepCompleted, StepStarted
from runtime.journal import MemoryJournal
from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine
from runtime.replay import replay
from tests.runtime.crowd import CLERKS, Crowd

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

RUNS = 200
"""How many runs are performed at once."""


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head, on which the driver is, and two further nodes."""
    import ray
    from ray import cluster_utils

    untyped: Any = ray
    untyped_cluster: Any = cluster_utils
    nodes = untyped_cluster.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(2):
        nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    untyped.init(address=nodes.address, namespace="repertory", log_to_driver=False)
    yield nodes
    untyped.shutdown()
    nodes.shutdown()


async def undisturbed(folder: Path, runs: int) -> list[Json]:
    """The results of the same runs in one process."""
    crowd, engine = Crowd(folder), LocalEngine(MemoryJournal())
    return await asyncio.gather(*(engine.perform(crowd.performance(number)) for number in range(runs)))


def check_events(run: str, events: list[AnyEvent]) -> None:
    """No event is missing, and nothing is there twice."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1)), run
    assert isinstance(events[-1], RunCompleted), run
    for kind, name in ((StepStarted, "step"), (StepCompleted, "step"), (DeliveryStarted, "delivery")):
        found = [getattr(event, name) for event in events if isinstance(event, kind)]
        assert len(found) == len(set(found)), f"{run}: {kind.__name__} is there twice"


def folder_of(path: Path, name: str) -> Path:
    (path / name).mkdir()
    return path / name


async def test_two_hundred_runs_survive_the_loss_of_a_node(cluster: Any, tmp_path: Path) -> None:
    expected = await undisturbed(folder_of(tmp_path, "undisturbed"), RUNS)
    crowd, path = Crowd(folder_of(tmp_path, "cluster")), tmp_path / "journal.db"
    async with RayStage("auto", path, hosts=3) as stage:
        performing = asyncio.gather(*(stage.perform(crowd.performance(number)) for number in range(RUNS)))
        await crowd.payments(RUNS * CLERKS // 4)
        victim = next(iter(cluster.worker_nodes))
        lost = victim.node_id
        await asyncio.to_thread(cluster.remove_node, victim, allow_graceful=False)
        assert not performing.done(), "the node was killed in the middle"
        assert await performing == expected
    assert crowd.books.counts() == {f"run-{run}/{clerk}": 1 for run in range(RUNS) for clerk in range(CLERKS)}
    nodes = [crowd.nodes_of(f"run-{number}") for number in range(RUNS)]
    assert len({node for found in nodes for node in found}) == 3, "there were agents on every node"
    assert sum(len(found) > 1 for found in nodes) > RUNS // 4, "agents of one run are spread over nodes"
    assert sum(lost in found for found in nodes) > 0
    journal = SqliteJournal(path)
    for number in range(RUNS):
        check_events(f"run-{number}", await journal.events(f"run-{number}"))
        await replay(journal, f"run-{number}")
    await journal.close()


async def test_a_node_that_joins_takes_agents_of_the_runs_that_begin_then(cluster: Any, tmp_path: Path) -> None:
    crowd = Crowd(tmp_path)
    async with RayStage("auto", tmp_path / "journal.db", hosts=3, sequencers=2) as stage:
        joined = cluster.add_node(num_cpus=1).node_id
        number = 0
        while joined not in crowd.nodes_of(f"run-{number - 1}"):
            await stage.perform(crowd.performance(number))
            number += 1
        assert {"sequencer-1", "sequencer-2", "host-4"} <= (await stage.processes()).keys()


async def test_a_run_whose_secrets_the_stage_has_not_got_is_refused(tmp_path: Path) -> None:
    import dataclasses

    stage = RayStage("auto", tmp_path / "journal.db")
    with pytest.raises(UsageError, match="enter it first"):
        await stage.perform(dataclasses.replace(Crowd(tmp_path).performance(1), secrets={"key": "hidden"}))
