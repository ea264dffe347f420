"""A pytest plugin that gives upstream's tests our runtime under the name of theirs, before they import it.

`REPERTORY_CONFORMANCE` says with which placement. With `cluster` the head is started here, and what each test placed on
hosts becomes a property of it in the report.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import autogen_core
import autogen_core._single_threaded_agent_runtime as theirs
import pytest

from runtime.autogen import RayAgentRuntime
from tests.conformance.upstream import PLACED, PLACEMENT

IS_ON_CLUSTER = os.environ.get(PLACEMENT) == "cluster"

made: list[RayAgentRuntime] = []
"""The runtimes of the test that runs."""


class OnCluster(RayAgentRuntime):
    """With two hosts."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, placement="cluster", hosts=2)
        made.append(self)


for module in (autogen_core, theirs):
    module.SingleThreadedAgentRuntime = OnCluster if IS_ON_CLUSTER else RayAgentRuntime  # type: ignore[attr-defined]  # the point of it


def pytest_configure(config: pytest.Config) -> None:
    """Knows the marker of the plugin that these tests are written for; has Ray up before the first of them."""
    config.addinivalue_line("markers", "asyncio: an async test")
    if IS_ON_CLUSTER:
        from runtime.cluster import connect
        from runtime.journals.journal_address import usual_home
        from runtime.on_ray.ray_local import ensure_ray

        connect(ensure_ray(usual_home(os.environ)).address)


@pytest.fixture(autouse=True)
def placed(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Counts the agents that lived on hosts, and ends what the test has left there; its event loop is gone."""
    made.clear()
    yield
    record_property(PLACED, sum(len(runtime.homes) for runtime in made))
    for runtime in made:
        runtime.abandon()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The only event loop that autogen-core runs on."""
    return "asyncio"
