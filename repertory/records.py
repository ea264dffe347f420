"""Finds runs in the journal, by id, by the beginning of an id, or as `last`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from runtime.errors import UsageError
from runtime.journal import Journal
from runtime.journals.journal_address import JournalAddress, open_journal
from runtime.reading.run_summary import RunSummary

LAST = "last"
"""The alias of the run that started last."""


@asynccontextmanager
async def opened(address: JournalAddress | Path) -> AsyncGenerator[Journal]:
    """The journal at an address, closed after the block."""
    journal = open_journal(address)
    try:
        yield journal
    finally:
        await journal.close()


async def runs_of(address: JournalAddress | Path) -> list[RunSummary]:
    """All runs, the newest first; none where nothing was ever performed."""
    async with opened(address) as journal:
        return await journal.runs()


def chosen(runs: Sequence[RunSummary], name: str) -> RunSummary:
    """The run that `name` means: its id, the only beginning of one, or `last`.

    Raises:
        UsageError: there is no such run, or there are several.
    """
    if not runs:
        raise UsageError(f"run {name!r}: the journal holds no runs; `repertory run FILE` makes one")
    if name == LAST:
        return runs[0]
    found = [run for run in runs if run.run == name] or [run for run in runs if name and run.run.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"run {name!r}: found {len(found)} runs that begin so, expected more of the id")
    raise UsageError(f"run {name!r}: found no such run, expected an id of `repertory runs list`, or `last`")


def local_time(seconds: float) -> str:
    """A time since 1970 as people of this machine write it, to the second."""
    return f"{datetime.fromtimestamp(seconds, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
