"""How a SQLite journal is written: one transaction, and so one flush to disk, per group of requests.

Every call blocks. `runtime/journals/sql_journal.py` makes them on one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.errors import JournalError, RepertoryError
from runtime.events import Digest
from runtime.journals import texts
from runtime.journals.compression import squeeze
from runtime.journals.sql_group import GroupPlan, runs_of
from runtime.journals.sql_rows import Append, Claim, EventRow, RunState, encode_state
from runtime.journals.sqlite_file import PLACES, data_version, explained, is_busy, open_to_write, write_rows
from runtime.journals.sqlite_reader import absent_runs, find_run, last_number, rows_of, stored_blobs

KNOWN_LIMIT = 20_000
"""How many runs and blobs a writer keeps in mind; then it begins anew."""


class SqliteWriter:
    """Writes groups of requests, each group in one transaction that is on disk when `write` returns."""

    def __init__(self, path: Path, busy_s: float) -> None:
        self._path = path
        self._busy_s = busy_s
        self._connection: sqlite3.Connection | None = None
        self._known = _Known()
        self.commits = 0
        """How many transactions were written."""

    def write(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        """See `sql_journal.Writer.write`.

        What is wrong with one request does not touch the others. If the transaction fails (a blob that the disk has no
        room for, say), every request gets one of its own.

        Raises:
            JournalError: the journal cannot be opened, or is locked.
        """
        try:
            with explained(self._path):
                return self._transaction(group)
        except RepertoryError as error:
            if len(group) == 1:
                return [error]
            if self._connection is None or is_busy(error):
                raise
        return [self.write([request])[0] for request in group]

    def close(self) -> None:
        """Lets go of the file; what was written is moved from the write-ahead log into it."""
        if self._connection is not None:
            self._connection.close()
            self._connection, self._known = None, _Known()

    def _transaction(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        connection = self._connection = self._connection or open_to_write(self._path, self._busy_s)
        connection.execute("BEGIN IMMEDIATE")
        try:
            known, self._known = self._known.at(data_version(connection)), _Known()
            outcomes = _Transaction(connection, known).perform(group)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._known = known
        self.commits += 1
        return outcomes


@dataclass(slots=True)
class _Known:
    """What this connection has read or written, which holds as long as no other one has written."""

    version: int = 0
    runs: dict[str, tuple[int, RunState]] = field(default_factory=dict[str, tuple[int, RunState]])
    """By their names: their numbers and states."""
    blobs: set[Digest] = field(default_factory=set[Digest])

    def at(self, version: int) -> _Known:
        """What holds of it at this version of the data, and is not too much to keep."""
        is_kept = version == self.version and len(self.runs) + len(self.blobs) <= KNOWN_LIMIT
        return self if is_kept else _Known(version)


class _Transaction:
    """One transaction: the runs that it touches are read once and written once."""

    def __init__(self, connection: sqlite3.Connection, known: _Known) -> None:
        self._connection = connection
        self._known = known

    def perform(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        """Writes what may be written of the requests; see `SqliteWriter.write`."""
        plan = GroupPlan(self._states(runs_of(group)), self._stored)
        outcomes = [plan.perform(request) for request in group]
        self._write_blobs(plan.blobs)
        self._write_runs(plan.changed)
        rows = [(self._number(run) * PLACES + row.seq, row.sum, row.data) for run, row in plan.rows]
        write_rows(self._connection, "INSERT INTO events (place, sum, data) VALUES", rows)
        return outcomes

    def _states(self, runs: Sequence[str]) -> dict[str, RunState | JournalError]:
        """How the runs that are there stand."""
        known = self._known.runs
        absent = absent_runs(self._connection, [run for run in runs if run not in known])
        return {run: known[run][1] if run in known else self._found(run) for run in runs if run not in absent}

    def _found(self, run: str) -> RunState | JournalError:
        try:
            found = find_run(self._connection, run)
        except JournalError as error:
            return error
        if found is None:
            return RunState(run)
        self._known.runs[run] = found
        return found[1]

    def _number(self, run: str) -> int:
        return self._known.runs[run][0]

    def _stored(self, run: str, first: int, last: int) -> Sequence[EventRow]:
        return rows_of(self._connection, self._number(run), first, last)

    def _write_runs(self, changed: Mapping[str, RunState]) -> None:
        runs = self._known.runs
        number = last_number(self._connection) if changed.keys() - runs.keys() else 0
        for run, state in changed.items():
            number += run not in runs
            runs[run] = (runs[run][0] if run in runs else number, state)
        write_rows(
            self._connection,
            "INSERT INTO runs (number, run, state) VALUES",
            [(runs[run][0], run, encode_state(state)) for run, state in changed.items()],
            "ON CONFLICT (number) DO UPDATE SET state = excluded.state",
        )

    def _write_blobs(self, blobs: Mapping[Digest, bytes]) -> None:
        """Writes the blobs that are not there yet, and the long texts of these."""
        kept: dict[Digest, tuple[bytes, bool]] = {}
        long_texts: dict[Digest, bytes] = {}
        for digest in self._missing(blobs):
            rest, taken = texts.take_out(blobs[digest])
            kept[digest] = (rest, bool(taken))
            long_texts |= taken
        for digest in self._missing(long_texts):
            kept.setdefault(digest, (long_texts[digest], False))
        write_rows(
            self._connection,
            "INSERT INTO blobs (digest, has_texts, data) VALUES",
            [(bytes.fromhex(digest), has_texts, squeeze(data)) for digest, (data, has_texts) in kept.items()],
        )

    def _missing(self, digests: Iterable[Digest]) -> list[Digest]:
        """Those of the blobs that are not stored, which they will be when this transaction is."""
        unknown = [digest for digest in digests if digest not in self._known.blobs]
        self._known.blobs.update(unknown)
        stored = stored_blobs(self._connection, unknown)
        return [digest for digest in unknown if digest not in stored]
