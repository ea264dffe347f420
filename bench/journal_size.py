"""How large a journal gets: `python -m bench.journal_size` (about two minutes).

Performs the talks of `bench/talks.py` on the in-process engine with a SQLite journal in a temporary folder. Prints the
bytes of the closed file, and those that went to the disk on the way (write-ahead log and checkpoints; Linux only),
beside the bytes of all distinct texts and of all prompts as they are sent. Goals: for the first two talks the file
holds at most 1.3 times the texts; for all of them twice the turns cost twice the bytes within 10 %.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.talks import Talk, performance
from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine

GROWING = Talk(kind="growing", turns=100, tokens_in=1590, tokens_out=495)
"""100 model calls over a conversation that grows to 209,000 tokens."""

CHAT = Talk(kind="chat", turns=500, tokens_in=100, tokens_out=400)
"""500 turns of a chat."""

TERSE = Talk(kind="chat", turns=500, tokens_in=60, tokens_out=140)
"""500 turns with little text, where the constant cost of a turn shows."""

RATIO_GOAL = 1.3
GROWTH_GOAL = (1.8, 2.2)


@dataclass(frozen=True)
class Size:
    """What a talk cost; all sizes in bytes."""

    talk: Talk
    file: int
    written: int
    events: int

    @property
    def ratio(self) -> float:
        """The file's bytes per byte of distinct text."""
        return self.file / self.talk.distinct_bytes

    def __str__(self) -> str:
        sizes = (self.talk.distinct_bytes, self.file, self.written, self.talk.prompt_bytes)
        columns = " ".join(f"{size / 1e3:10,.0f}" for size in sizes)
        return f"{self.talk.kind:8} {self.talk.turns:5} {self.events:7} {columns} {self.ratio:6.2f}"


def written_bytes() -> int:
    """What this process has written so far, to files of any kind; 0 where the system does not say."""
    status = Path("/proc/self/io")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("wchar"))


async def measure(talk: Talk, path: Path) -> Size:
    """Performs a talk and closes its journal."""
    journal = SqliteJournal(path)
    before = written_bytes()
    await LocalEngine(journal).perform(performance(talk))
    [summary] = await journal.runs()
    await journal.close()
    return Size(talk, file_bytes(path), written_bytes() - before, summary.events)


def file_bytes(path: Path) -> int:
    """The size of a file."""
    return path.stat().st_size


def measured(talk: Talk) -> Size:
    """The size of a talk's journal in a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measure(talk, Path(folder) / "journal.db"))


def main() -> int:
    """Prints the table; 1 when a goal is missed."""
    logging.disable()  # the scripted model remarks on every prompt whose tokens it cannot count
    print("sizes in kB, texts counted once")
    print("talk     turns  events      texts       file    to disk    prompts  file/texts")
    missed = False
    for talk, ratio_goal in ((GROWING, RATIO_GOAL), (CHAT, RATIO_GOAL), (TERSE, float("inf"))):
        half, full = measured(talk.model_copy(update={"turns": talk.turns // 2})), measured(talk)
        growth = full.file / half.file
        print(half, full, f"  twice the turns: {growth:.2f} times the file", sep="\n")
        missed |= full.ratio > ratio_goal or not GROWTH_GOAL[0] <= growth <= GROWTH_GOAL[1]
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
