"""How a SQLite journal is read, also while other processes write it; all that comes out is checked first.

Every call blocks. `runtime/journals/sql_journal.py` makes them on one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from runtime.blobs import verified
from runtime.errors import CorruptEvent
from runtime.events import AnyEvent, Digest
from runtime.journal import missing_blob
from runtime.journals import texts
from runtime.journals.compression import expand
from runtime.journals.sql_lineage import gathered
from runtime.journals.sql_rows import EventRow, RunState, decode_state, summaries
from runtime.journals.sqlite_file import PLACES, explained, open_to_read, stored_bytes
from runtime.reading.run_summary import RunSummary

T = TypeVar("T")

MANY = 64
"""For how many names one statement asks at most."""


class SqliteReader:
    """Reads a journal without changing anything; a file that is not there yet reads as an empty journal."""

    def __init__(self, path: Path, busy_s: float) -> None:
        self._path = path
        self._busy_s = busy_s
        self._connection: sqlite3.Connection | None = None

    def events(self, run: str, after: int) -> list[AnyEvent]:
        """See `Journal.events`."""
        with self._view() as view:
            if view is None:
                return []
            return gathered(run, after, partial(find_run, view), partial(rows_of, view))

    def blobs(self, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """See `Journal.blobs`."""
        with self._view() as view:
            return {digest: _blob(view, digest) for digest in digests}

    def runs(self) -> list[RunSummary]:
        """See `Journal.runs`."""
        with self._view() as view:
            return summaries(_all_runs(view)) if view else []

    def close(self) -> None:
        """Lets go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _view(self) -> Generator[sqlite3.Connection | None]:
        """The journal as it is at one moment; None while there is none."""
        with explained(self._path):
            connection = self._connection = self._connection or open_to_read(self._path, self._busy_s)
            if connection is None:
                yield None
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")


def find_run(connection: sqlite3.Connection, run: str) -> tuple[int, RunState] | None:
    """A run's number and state; None where there is no such run.

    Raises:
        CorruptEvent: its row is damaged, or the index does not lead to it.
    """
    row = connection.execute("SELECT number, state FROM runs WHERE run = ?", (run,)).fetchone()
    if row is not None:
        return row[0], decode_state(run, stored_bytes(row[1]))
    if connection.execute("SELECT 1 FROM runs NOT INDEXED WHERE run = ?", (run,)).fetchone():
        raise CorruptEvent(f"run {run}: the index does not lead to it; restore the journal from a copy", run)
    return None


def absent_runs(connection: sqlite3.Connection, runs: Sequence[str]) -> set[str]:
    """Those of the runs that are not there; the whole table is read, once for `MANY` of those without index entry."""
    absent = {run.encode(): run for run in runs}
    for how in ("", "NOT INDEXED"):
        for names in _portions(list(absent.values())):
            rows = connection.execute(f"SELECT run FROM runs {how} WHERE run IN ({_marks(names)})", names)
            for (name,) in rows:
                absent.pop(stored_bytes(name), None)
    return set(absent.values())


def rows_of(connection: sqlite3.Connection, number: int, first: int, last: int) -> list[EventRow]:
    """The rows of a run, by its number, from seq `first` to `last`, both included."""
    before = number * PLACES
    places = (before + first, before + last)
    rows = connection.execute("SELECT place, sum, data FROM events WHERE place BETWEEN ? AND ? ORDER BY place", places)
    return [EventRow(place - before, stored_bytes(row_sum), stored_bytes(data)) for place, row_sum, data in rows]


def last_number(connection: sqlite3.Connection) -> int:
    """The number of the run that was made last; 0 for none."""
    (number,) = connection.execute("SELECT coalesce(max(number), 0) FROM runs").fetchone()
    return int(number)


def stored_blobs(connection: sqlite3.Connection, digests: Sequence[Digest]) -> set[Digest]:
    """Those of the blobs that are there."""
    found: set[Digest] = set()
    for names in _portions([bytes.fromhex(digest) for digest in digests]):
        rows = connection.execute(f"SELECT digest FROM blobs WHERE digest IN ({_marks(names)})", names)
        found.update(stored_bytes(name).hex() for (name,) in rows)
    return found


def _portions(names: list[T]) -> Iterator[list[T]]:
    """Up to `MANY` names at a time, always a power of two of them, so that there are few different statements.

    Where the names are fewer, the first of them comes again in the places that are left.
    """
    for place in range(0, len(names), MANY):
        portion = names[place : place + MANY]
        count = 1 << (len(portion) - 1).bit_length()
        yield [*portion, *portion[:1] * (count - len(portion))]


def _marks(names: Sequence[object]) -> str:
    return ", ".join("?" * len(names))


def _all_runs(view: sqlite3.Connection) -> list[tuple[str, bytes]]:
    rows = view.execute("SELECT run, state FROM runs NOT INDEXED").fetchall()
    (count,) = view.execute("SELECT count(*) FROM runs INDEXED BY sqlite_autoindex_runs_1").fetchone()
    if not count == len(rows) == len(dict(rows)):
        raise CorruptEvent(f"the list of runs has {len(rows)} rows, its index {count}; restore the journal from a copy")
    return [(stored_bytes(run).decode(errors="replace"), stored_bytes(state)) for run, state in rows]


def _blob(view: sqlite3.Connection | None, digest: Digest) -> bytes:
    name = bytes.fromhex(digest)
    row = view.execute("SELECT has_texts, data FROM blobs WHERE digest = ?", (name,)).fetchone() if view else None
    if view is None or row is None:
        raise missing_blob(digest)
    try:
        data = expand(stored_bytes(row[1]))
        if row[0]:
            data = texts.put_back(data, {text: _blob(view, text) for text in texts.references(data)})
    except (ValueError, CorruptEvent) as error:
        raise CorruptEvent(f"blob {digest} is damaged ({error}); restore the journal from a copy") from error
    return verified(digest, data)
