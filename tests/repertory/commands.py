"""Performs command lines in this process, as a person would type them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from repertory.cli import main


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


class Terminal:
    """Types commands; every run of it keeps its things in a directory of its own."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capsys = capsys

    def type(self, *arguments: str | Path) -> Ended:
        """The command's exit code and what it wrote."""
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main([str(argument) for argument in arguments])
        captured = self._capsys.readouterr()
        return Ended(int(leaving.value.code or 0), captured.out, captured.err)
