"""A process that writes to a journal until it is killed: `python -m tests.runtime.journal_writer PATH RUN…`.

It prints `<run> <seq>` for each append that was acknowledged, at once, and claims each run again with each start.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from runtime.journal import Journal
from runtime.journals.sql_journal import SqliteJournal
from tests.runtime.journal_samples import blobs, delivery, started


async def write(journal: Journal, run: str) -> None:
    """Appends for ever, with a blob each time."""
    epoch = await journal.claim(run)
    seq = len(await journal.events(run))
    while True:
        seq += 1
        event = started(name=run) if seq == 1 else delivery(seq)
        await journal.append(run, epoch, [event], blobs(f"{run} {seq}"))
        print(run, seq, flush=True)


async def main(path: str, *runs: str) -> None:
    """Writes all the runs at once."""
    journal = SqliteJournal(Path(path))
    await asyncio.gather(*(write(journal, run) for run in runs))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
