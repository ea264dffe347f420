"""The head of the cluster of a `RayAgentRuntime` is killed: the program is told, can close, and goes on elsewhere."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import runtime
from runtime.autogen_cluster.errors import HostLost
from runtime.errors import ClusterLost
from runtime.on_ray.ray_local import stop_ray
from tests.ray_processes import head_process

ROOT = Path(runtime.__file__).parent.parent
pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    stop_ray(tmp_path)


@asynccontextmanager
async def driver(home: Path) -> AsyncGenerator[asyncio.subprocess.Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    made = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.runtime.drive_hosts"),
        cwd=ROOT,
        env={**environment, "REPERTORY_HOME": str(home)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield made
    finally:
        if made.returncode is None:
            made.kill()
            await made.communicate()


async def test_all_who_wait_are_told_and_the_program_can_close_and_begin_again(home: Path) -> None:
    async with driver(home) as driving:
        assert driving.stdout is not None
        assert await driving.stdout.readline() == b"waiting on 2 hosts\n"
        head = head_process(home)
        [service] = [each for each in head.children(recursive=True) if each.name() == "gcs_server"]
        service.kill()  # the process that owns it ends all others of this machine then
        out, err = await driving.communicate()
    told = out.decode().splitlines()

    at_once = {HostLost.__name__, ClusterLost.__name__}
    assert told[0] in at_once, err.decode()
    assert told[1:] == [ClusterLost.__name__, "closed", "on another head: True"], err.decode()
