"""What tests of every folder share: no live model unless a test says so, and the deployment of the smallest one."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import settings

from serving.blueprint import ServeRequest
from serving.deploy import Deployment, serve_up
from serving.live import forbid_live_calls
from tests.postgres_server import PostgresServer, running_server

settings.register_profile("normal", max_examples=200, deadline=None)
settings.register_profile("nightly", max_examples=10_000, deadline=None)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "normal")
settings.load_profile(PROFILE)

TEST_MODEL = "qwen2.5-coder-0.5b"
SLOW_LIMIT_S = 300 if PROFILE == "normal" else 0
"""No limit for the many examples of a night."""
DEPLOY_LIMIT_S = 1500
"""For tests with a model: the first of them may have to fetch, convert and deploy it."""


def pytest_configure() -> None:
    """Lets the commands that tests start be stopped by Ctrl-C: a shell's background jobs are begun deaf to it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker, limit_s in (("model", DEPLOY_LIMIT_S), ("slow", SLOW_LIMIT_S)):
            if item.get_closest_marker(marker) and not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(limit_s))
    longest = {item.path: 0.0 for item in items}
    for item in items:
        longest[item.path] = max(longest[item.path], _limit_s(item))
    items.sort(key=lambda item: -longest[item.path])  # what may take longest begins first, so that no core waits for it


def _limit_s(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0.0


@pytest.fixture(scope="session")
def model_home() -> Path:
    """The home whose weights and running deployments are used: the person's own, so that nothing is made twice."""
    return Path(os.environ.get("REPERTORY_HOME") or "~/.repertory").expanduser()


@pytest.fixture(scope="session")
def deployment(model_home: Path) -> Deployment:
    """The 0.5B model, served by vLLM on two workers through Ray Serve; it stays up after the tests."""
    return serve_up(ServeRequest(TEST_MODEL, tensor_parallel_size=2), model_home)


@pytest.fixture(scope="session")
def postgres_server() -> Generator[PostgresServer]:
    """A PostgreSQL server; who stops it starts it again."""
    with running_server() as server:
        yield server


@pytest.fixture(autouse=True)
def no_live_calls(request: pytest.FixtureRequest) -> Generator[None]:
    """Forbids live calls, but for tests marked `model` and those with the fixture `live_calls`."""
    is_live = request.node.get_closest_marker("model") is not None or "live_calls" in request.fixturenames
    with nullcontext() if is_live else forbid_live_calls():
        yield


@pytest.fixture
def live_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Permits the client's calls, for tests that bring a server of their own on this machine."""
    monkeypatch.delenv("REPERTORY_NO_LIVE_CALLS", raising=False)
