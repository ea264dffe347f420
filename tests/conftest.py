"""What all tests share: none of them asks a live model, unless it says so."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import nullcontext

import pytest

from serving.live import forbid_live_calls


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
