"""What several files of tests of the runtime are given."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from runtime.on_ray.ray_local import stop_ray
from tests.runtime.chats import Theatre


@pytest.fixture
async def theatre(tmp_path: Path) -> AsyncGenerator[Theatre]:
    made = Theatre(tmp_path)
    yield made
    await made.journal.close()


@pytest.fixture(scope="module")
def ray_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of a file's own, whose Ray the first runtime starts."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPERTORY_HOME", str(folder))
        patch.delenv("RAY_ADDRESS", raising=False)
        yield folder
        import ray

        cast(Any, ray).shutdown()
        stop_ray(folder)
