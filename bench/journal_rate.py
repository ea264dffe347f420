"""How many appends a second a SQLite journal takes: `python -m bench.journal_rate`.

Each append brings one event. One at a time is what a run alone gets; 256 in flight is 256 runs at once, which share
transactions. Beside it, in the same minute on the same disk, what SQLite itself does with rows of the same bytes in
commits of 1 and of 256 rows (write-ahead log, synchronous=FULL). Medians of five; compare within one table only.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from runtime.events import AgentName, DeliveryStarted
from runtime.journals.packing import pack
from runtime.journals.sql_journal import SqliteJournal

ROUNDS = 5
ALONE = 300
"""Appends per round, one at a time."""
FLIGHT = 256
PER_RUN = 8
"""Appends per round and run, with `FLIGHT` runs at once."""


def event(seq: int) -> DeliveryStarted:
    """An event of common size."""
    name = f"{seq:024x}"
    return DeliveryStarted(seq=seq, at=1.8e9 + seq, delivery=f"d{name}", message=f"m{name}", agent=AgentName("planner"))


async def fill(journal: SqliteJournal, run: str, count: int) -> None:
    """Appends events to a run, each after the one before is durable."""
    epoch = await journal.claim(run)
    for seq in range(1, count + 1):
        await journal.append(run, epoch, [event(seq)])


async def journal_rates(folder: Path) -> tuple[float, float, float]:
    """Appends a second, alone and in flight, and how many shared one transaction in flight."""
    journal = SqliteJournal(folder / "journal.db")
    await journal.claim("open")
    started = time.perf_counter()
    await fill(journal, "alone", ALONE)
    alone = ALONE / (time.perf_counter() - started)
    before, started = journal.commits, time.perf_counter()
    await asyncio.gather(*(fill(journal, f"r{number}", PER_RUN) for number in range(FLIGHT)))
    in_flight = FLIGHT * PER_RUN / (time.perf_counter() - started)
    shared = FLIGHT * PER_RUN / (journal.commits - before)
    await journal.close()
    return alone, in_flight, shared


def raw_rate(folder: Path, rows: int, commits: int) -> float:
    """Rows a second that SQLite itself takes in commits of so many rows."""
    connection = sqlite3.connect(folder / f"raw-{rows}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE events (place INTEGER PRIMARY KEY, sum BLOB, data BLOB)")
    data = pack(event(1))
    started = time.perf_counter()
    for _ in range(commits):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO events (sum, data) VALUES (?, ?)", [(b"12345678", data)] * rows)
        connection.execute("COMMIT")
    rate = rows * commits / (time.perf_counter() - started)
    connection.close()
    return rate


def measure() -> tuple[float, ...]:
    """One round of everything, in a new folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw_alone = raw_rate(folder, 1, ALONE)
        alone, in_flight, shared = asyncio.run(journal_rates(folder))
        return alone, raw_alone, in_flight, raw_rate(folder, FLIGHT, PER_RUN), shared


def main() -> None:
    """Prints the table."""
    rounds = [measure() for _ in range(ROUNDS)]
    alone, raw_alone, in_flight, raw_in_flight, shared = map(statistics.median, zip(*rounds, strict=True))
    print(f"medians of {ROUNDS}, events a second      journal   SQLite itself")
    print(f"one at a time                      {alone:10,.0f} {raw_alone:15,.0f}")
    print(f"{FLIGHT} in flight                      {in_flight:10,.0f} {raw_in_flight:15,.0f}")
    print(f"appends per transaction in flight  {shared:10.0f} {FLIGHT:15}")


if __name__ == "__main__":
    main()
