from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from memory.ray_blackboard import ACTOR_NAME, RayBlackboard
from memory.short_term import Blackboard, ValueLost
from runtime import clock
from tests.memory.boards import PROMISES, be_rebuilt_from_the_journal

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180), pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    ray: Any = import_module("ray")
    ray.init(address="local", num_cpus=1, include_dashboard=False, object_store_memory=200_000_000, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture
async def board(cluster: Any) -> AsyncIterator[RayBlackboard]:
    board = RayBlackboard(clock.new_id())
    yield board
    await board.close()
    await board.close()


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
async def test_the_blackboard_on_ray_must(
    board: RayBlackboard, promise: Callable[[Blackboard], Awaitable[None]]
) -> None:
    await promise(board)


async def test_the_blackboard_on_ray_can_be_rebuilt(board: RayBlackboard) -> None:
    other = RayBlackboard(clock.new_id())
    await be_rebuilt_from_the_journal(board, other)
    await other.close()


async def test_arrays_are_read_without_a_copy(board: RayBlackboard) -> None:
    await board.write("big", np.arange(1_000_000, dtype=np.float64))
    first, second = await board.read("big"), await board.read("big")
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    assert not first.flags.owndata
    assert first.__array_interface__["data"] == second.__array_interface__["data"]


async def test_a_value_outlives_the_process_that_wrote_it(board: RayBlackboard, cluster: Any) -> None:
    class Writer:
        async def write(self, board: RayBlackboard) -> str:
            return await board.write("note", np.full(500_000, 7))

    writer = cluster.remote(Writer).options(num_cpus=0).remote()
    digest = await writer.write.remote(board)
    cluster.kill(writer)
    read = await board.read("note")
    assert isinstance(read, np.ndarray)
    assert read.sum() == 3_500_000
    assert await board.digests() == {"note": digest}


async def test_a_lost_board_says_so_and_can_be_restored_in_place(cluster: Any) -> None:
    run = clock.new_id()
    board = RayBlackboard(run)
    digest = await board.write("plan", {"days": 3})
    cluster.kill(cluster.get_actor(ACTOR_NAME, namespace="repertory"))
    with pytest.raises(ValueLost, match=f"run {run} .* restore it"):
        await board.read("plan")
    await board.restore({"plan": {"days": 3}})
    assert await RayBlackboard(run).digests() == {"plan": digest}
    await board.close()
