"""Replays every run that a directory keeps: good runs as tests. Reads exports and journals; writes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from runtime import clock
from runtime.errors import RepertoryError, UsageError
from runtime.journal import Journal, MemoryJournal
from runtime.replay import Diverged, Manner, Replayed, replay

JOURNAL_SUFFIX = ".db"
"""What a journal's file ends with; every other file is taken for an export if it begins like one."""

EXPORT_MAGIC = b"repertory-run "


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run."""

    file: str
    run: str
    seconds: float
    replayed: Replayed | None
    error: RepertoryError | None = None

    @property
    def exit_code(self) -> int:
        """0 identical, 3 diverged, 1 could not be replayed."""
        return 0 if self.error is None else 3 if isinstance(self.error, Diverged) else 1

    def __str__(self) -> str:
        name = f"{self.file}: run {self.run}" if self.run else self.file
        if self.replayed is not None:
            return f"identical  {name} ({self.replayed.events} events, {self.seconds:.2f} s)"
        word = "diverged   " if self.exit_code == 3 else "unreadable "
        return word + name + "".join(f"\n  {line}" for line in str(self.error).splitlines())

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        divergence = self.error.divergence.as_json() if isinstance(self.error, Diverged) else None
        return {
            "file": self.file,
            "run": self.run,
            "identical": self.error is None,
            "seconds": round(self.seconds, 4),
            "events": self.replayed.events if self.replayed else None,
            "divergence": divergence,
            "error": None if self.error is None or divergence else str(self.error),
        }


async def replay_all(directory: Path, *, strict: bool = False) -> list[Outcome]:
    """Replays every run of every export and journal in a directory, in the order of their names.

    Raises:
        UsageError: there is no such directory, or nothing in it to replay.
    """
    outcomes = [outcome for path in _kept(directory) async for outcome in _replay_file(path, strict)]
    if not outcomes:
        raise UsageError(f"--all {directory}: found no run in it, expected files of `repertory runs export RUN FILE`")
    return outcomes


def _kept(directory: Path) -> list[Path]:
    if not directory.is_dir():
        raise UsageError(f"--all {directory}: found no directory, expected one with files of `repertory runs export`")
    return [path for path in sorted(directory.iterdir()) if path.is_file() and _is_kept(path)]


def _is_kept(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix == JOURNAL_SUFFIX or file.read(len(EXPORT_MAGIC)) == EXPORT_MAGIC


def _bytes(path: Path) -> bytes:
    return path.read_bytes()


async def _replay_file(path: Path, strict: bool) -> AsyncIterator[Outcome]:
    from repertory.records import opened
    from runtime.export import import_bytes

    try:
        if path.suffix == JOURNAL_SUFFIX:
            async with opened(path) as journal:
                for summary in reversed(await journal.runs()):
                    yield await _replay_run(path, journal, summary.run, strict)
        else:
            memory = MemoryJournal()
            imported = await import_bytes(memory, _bytes(path), str(path))
            yield await _replay_run(path, memory, imported.run, strict)
    except RepertoryError as error:
        yield Outcome(path.name, "", 0.0, None, error)


async def _replay_run(path: Path, journal: Journal, run: str, strict: bool) -> Outcome:
    began = clock.monotonic()
    try:
        replayed, error = await replay(journal, run, Manner(is_strict=strict)), None
    except RepertoryError as found:
        replayed, error = None, found
    return Outcome(path.name, run, clock.monotonic() - began, replayed, error)


def as_junit(outcomes: list[Outcome]) -> str:
    """The outcomes as JUnit's XML, which test reports everywhere can read."""
    diverged, unreadable = (sum(outcome.exit_code == code for outcome in outcomes) for code in (3, 1))
    suite = ElementTree.Element(
        "testsuite",
        name="repertory replay",
        tests=str(len(outcomes)),
        failures=str(diverged),
        errors=str(unreadable),
        time=f"{sum(outcome.seconds for outcome in outcomes):.3f}",
    )
    for outcome in outcomes:
        case = ElementTree.SubElement(
            suite, "testcase", classname=outcome.file, name=outcome.run or outcome.file, time=f"{outcome.seconds:.3f}"
        )
        if outcome.error is not None:
            kind = "failure" if outcome.exit_code == 3 else "error"
            first = _xml_text(str(outcome.error).splitlines()[0])
            ElementTree.SubElement(case, kind, message=first).text = _xml_text(str(outcome.error))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _xml_text(text: str) -> str:
    """Text without the characters that no XML may hold."""
    return "".join(char if char in "\n\t" or char >= " " else "\N{REPLACEMENT CHARACTER}" for char in text)
