"""How a SQLite journal is written: one transaction, and so one flush to disk, per group of requests.

Every call blocks. `runtime/journals/sql_journal.py` makes them on one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from runtime.errors import JournalError, RepertoryError
from runtime.events import Digest
from runtime.journals import texts
from runtime.journals.compression import squeeze
from runtime.journals.sql_group import GroupPlan, runs_of
from runtime.journals.sql_rows import Append, Claim, EventRow, RunState, encode_state
from runtime.journals.sqlite_file import PLACES, explained, is_busy, open_to_write
from runtime.journals.sqlite_reader import find_run, rows_of


class SqliteWriter:
    """Writes groups of requests, each group in one transaction that is on disk when `write` returns."""

    def __init__(self, path: Path, busy_s: float) -> None:
        self._path = path
        self._busy_s = busy_s
        self._connection: sqlite3.Connection | None = None
        self.commits = 0
        """How many transactions were written."""

    def write(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        """The new epoch of each claim, 0 for each append, or the error for which the request was left out.

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
            self._connection = None

    def _transaction(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        connection = self._connection = self._connection or open_to_write(self._path, self._busy_s)
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = _Transaction(connection).perform(group)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.commits += 1
        return outcomes


class _Transaction:
    """One transaction: the runs that it touches are read once and written once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = {}

    def perform(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        """Writes what may be written of the requests; see `SqliteWriter.write`."""
        plan = GroupPlan({run: self._state(run) for run in runs_of(group)}, self._stored)
        outcomes = [plan.perform(request) for request in group]
        for digest, data in plan.blobs.items():
            self._add_blob(digest, data)
        for state in plan.changed.values():
            self._write_run(state)
        self._connection.executemany(
            "INSERT INTO events (place, sum, data) VALUES (?, ?, ?)",
            [(self._numbers[run] * PLACES + row.seq, row.sum, row.data) for run, row in plan.rows],
        )
        return outcomes

    def _state(self, run: str) -> RunState | JournalError:
        try:
            found = find_run(self._connection, run)
        except JournalError as error:
            return error
        if found is None:
            return RunState(run)
        self._numbers[run], state = found
        return state

    def _stored(self, run: str, first: int, last: int) -> Sequence[EventRow]:
        return rows_of(self._connection, self._numbers[run], first, last)

    def _write_run(self, state: RunState) -> None:
        values = (encode_state(state), state.run)
        if state.run in self._numbers:
            self._connection.execute("UPDATE runs SET state = ? WHERE run = ?", values)
            return
        added = self._connection.execute("INSERT INTO runs (state, run) VALUES (?, ?) RETURNING number", values)
        (self._numbers[state.run],) = added.fetchone()

    def _add_blob(self, digest: Digest, data: bytes) -> None:
        if self._has_blob(digest):
            return
        rest, taken = texts.take_out(data)
        for name, text in taken.items():
            if not self._has_blob(name):
                self._insert_blob(name, text, has_texts=False)
        self._insert_blob(digest, rest, has_texts=bool(taken))

    def _has_blob(self, digest: Digest) -> bool:
        found = self._connection.execute("SELECT 1 FROM blobs WHERE digest = ?", (bytes.fromhex(digest),))
        return found.fetchone() is not None

    def _insert_blob(self, digest: Digest, data: bytes, *, has_texts: bool) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO blobs (digest, has_texts, data) VALUES (?, ?, ?)",
            (bytes.fromhex(digest), int(has_texts), squeeze(data)),
        )
