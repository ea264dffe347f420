"""What tests of every folder share: the home that holds weights, and the deployment of the smallest useful model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from serving.blueprint import ServeRequest
from serving.deploy import Deployment, serve_up

TEST_MODEL = "qwen2.5-coder-0.5b"
DEPLOY_LIMIT_S = 1500
"""For tests with a model: the first of them may have to fetch, convert and deploy it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("model") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(DEPLOY_LIMIT_S))


@pytest.fixture(scope="session")
def model_home() -> Path:
    """The home whose weights and running deployments are used: the person's own, so that nothing is made twice."""
    return Path(os.environ.get("REPERTORY_HOME") or "~/.repertory").expanduser()


@pytest.fixture(scope="session")
def deployment(model_home: Path) -> Deployment:
    """The 0.5B model, served by vLLM on two workers through Ray Serve; it stays up after the tests."""
    return serve_up(ServeRequest(TEST_MODEL, tensor_parallel_size=2), model_home)
