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
def ray_here() -> Iterator[str]:
    """The address of a Ray of a file's own, to which this process is connected.

    It says "local", as Ray would join any head that another file's tests have just brought up.
    """
    import ray

    untyped = cast(Any, ray)
    untyped.init(address="local", num_cpus=2, include_dashboard=False, namespace="repertory", log_to_driver=False)
    yield str(untyped.get_runtime_context().gcs_address)
    untyped.shutdown()


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
