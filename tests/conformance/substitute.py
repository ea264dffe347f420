"""A pytest plugin that gives upstream's tests our runtime under the name of theirs, before they import it."""

from __future__ import annotations

import autogen_core
import autogen_core._single_threaded_agent_runtime as theirs
import pytest

from runtime.autogen import RayAgentRuntime

for module in (autogen_core, theirs):
    module.SingleThreadedAgentRuntime = RayAgentRuntime  # type: ignore[attr-defined]  # the point of it


def pytest_configure(config: pytest.Config) -> None:
    """Knows the marker of the plugin that these tests are written for."""
    config.addinivalue_line("markers", "asyncio: an async test")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The only event loop that autogen-core runs on."""
    return "asyncio"
