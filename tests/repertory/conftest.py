"""What the tests of the command line share."""

from __future__ import annotations

import logging
from collections.abc import Generator
from pathlib import Path

import pytest
import structlog

from tests.repertory.commands import Terminal


@pytest.fixture
def terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Generator[Terminal]:
    """A terminal in an empty directory, with a home of its own and no secrets."""
    home = tmp_path / "home"
    monkeypatch.setenv("REPERTORY_HOME", str(home))
    for name in ("REPERTORY_API_KEY", "OPENAI_API_KEY", "REPERTORY_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REPERTORY_JOURNAL", "")  # and what `--journal` sets is taken back
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Terminal(home, capsys)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
