"""Results are written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from repertory.results import prepare, write_all
from runtime.errors import UsageError


def test_files_are_written_and_replace_older_ones(tmp_path: Path) -> None:
    directory = tmp_path / "out" / "trip"
    write_all(directory, {"plan.md": "old"})
    paths = write_all(directory, {"plan.md": "北京", "result.json": "{}"})
    assert [path.name for path in paths] == ["plan.md", "result.json"]
    assert (directory / "plan.md").read_text(encoding="utf-8") == "北京"
    assert sorted(path.name for path in directory.iterdir()) == ["plan.md", "result.json"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_all(tmp_path, {"a": "old", "b": "old"})
    syncs: list[int] = []

    def full(number: int) -> None:
        syncs.append(number)
        if len(syncs) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_all(tmp_path, {"a": "new", "b": "new"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old", "b": "old"}


def test_a_place_that_cannot_hold_results_is_refused_before_the_run(tmp_path: Path) -> None:
    prepare(tmp_path / "new" / "directory")
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="found a file on the way"):
            prepare(wrong)
    with pytest.raises(UsageError, match="cannot be written to"):
        prepare(Path("/proc/nothing"))
