"""Long work says what it is at."""

from __future__ import annotations

import pytest

from repertory.long_work import shown
from serving.progress import Progress


def test_without_a_terminal_each_stage_and_tenth_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with shown() as report:
        for megabytes in range(0, 1001, 10):
            report(Progress("fetching a model", megabytes * 1_000_000, 1_000_000_000))
        report(Progress("converting it"))
        report(Progress("converting it"))
        report(Progress("starting", 30, 180, "seconds"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "fetching a model: 0 of 1,000 MB"
    assert lines[10] == "fetching a model: 1,000 of 1,000 MB"
    assert lines[11:] == ["converting it", "starting: 30 of some 180 s"]
