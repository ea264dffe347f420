from __future__ import annotations

import pytest

from serving.machine import visible_gpus


@pytest.mark.parametrize(
    ("found", "shown", "expected"),
    [(4, None, 4), (4, "2,3", 2), (4, "GPU-3bc6dcad", 1), (4, "", 0), (1, "0,1", 1), (0, None, 0)],
)
def test_only_gpus_that_the_environment_shows_count(found: int, shown: str | None, expected: int) -> None:
    assert visible_gpus(found, shown) == expected
