"""What several files of tests of the runtime are given."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.runtime.chats import Theatre


@pytest.fixture
async def theatre(tmp_path: Path) -> AsyncGenerator[Theatre]:
    made = Theatre(tmp_path)
    yield made
    await made.journal.close()
