"""A pytest plugin that gives upstream's tests our runtime under the name of theirs, before they import it.

`REPERTORY_CONFORMANCE` says with which placement. With `cluster` the head is started here; how many agents each test
had on hosts, and how many of these it looked at, become properties of it in the report.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Iterator
from functools import partial
from tempfile import mkdtemp
from typing import Any

import autogen_core
import autogen_core._single_threaded_agent_runtime as theirs
import pytest
from autogen_core import Agent, AgentId, AgentType

from runtime.autogen import RayAgentRuntime
from runtime.autogen_cluster.errors import LivesElsewhere
from tests.conformance.observed import Copy, file_of, observed
from tests.conformance.upstream import COPIED, PLACED, PLACEMENT

IS_ON_CLUSTER = os.environ.get(PLACEMENT) == "cluster"

made: list[OnCluster] = []
"""The runtimes of the test that runs."""


class OnCluster(RayAgentRuntime):
    """With two hosts, and with copies of the agents there for tests that look at them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, placement="cluster", hosts=2)
        made.append(self)
        self.copies = 0
        self._folder = mkdtemp(dir=os.environ["REPERTORY_HOME"])

    async def register_factory(
        self, type: str | AgentType, agent_factory: Callable[[], Any], *, expected_class: type[Any] | None = None
    ) -> AgentType:
        """Has the agents write themselves down, where one argument or none makes them."""
        if not inspect.signature(agent_factory).parameters:
            agent_factory = partial(observed, agent_factory, self._folder)
        return await super().register_factory(type, agent_factory, expected_class=expected_class)

    async def try_get_underlying_agent_instance(self, id: AgentId, type: type[Any] = Agent) -> Any:
        """The agent, or what stands for it."""
        try:
            return await super().try_get_underlying_agent_instance(id, type)
        except LivesElsewhere:
            self.copies += 1
            return Copy(file_of(str(id), self._folder))


for module in (autogen_core, theirs):
    module.SingleThreadedAgentRuntime = OnCluster if IS_ON_CLUSTER else RayAgentRuntime  # type: ignore[attr-defined]  # the point of it


def pytest_configure(config: pytest.Config) -> None:
    """Knows the marker of the plugin that these tests are written for; has Ray up before the first of them."""
    config.addinivalue_line("markers", "asyncio: an async test")
    if IS_ON_CLUSTER:
        from runtime.journals.journal_address import usual_home
        from runtime.on_ray.connection import connect
        from runtime.on_ray.ray_local import ensure_ray

        asyncio.run(connect(ensure_ray(usual_home(os.environ)).address))


@pytest.fixture(autouse=True)
def placed(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Counts the agents that lived on hosts, and ends what the test has left there; its event loop is gone."""
    made.clear()
    yield
    record_property(PLACED, sum(len(runtime.homes) for runtime in made))
    record_property(COPIED, sum(runtime.copies for runtime in made))
    for runtime in made:
        runtime.abandon()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The only event loop that autogen-core runs on."""
    return "asyncio"
