"""How a SQLite journal is written: one transaction, and so one flush to disk, per group of requests.

Every call blocks. `runtime/sql_journal.py` makes them on one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from runtime import texts
from runtime.compression import squeeze
from runtime.errors import JournalError, RepertoryError
from runtime.events import Digest
from runtime.journal import check_append, check_fork, opening_fork
from runtime.sql_rows import Append, Claim, RunState, appended, claimed, encode_state
from runtime.sqlite_file import PLACES, explained, is_busy, open_to_write
from runtime.sqlite_reader import find_run


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
            group_writer = _Group(connection)
            outcomes = [group_writer.perform(request) for request in group]
            group_writer.write_runs()
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.commits += 1
        return outcomes


class _Group:
    """One transaction: the runs that it touches are read once and written once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = {}
        self._states: dict[str, RunState] = {}
        self._changed: set[str] = set()

    def perform(self, request: Claim | Append) -> int | BaseException:
        """Writes the request, or gives the reason why nothing of it was written."""
        try:
            state = self._state(request.run)
            if isinstance(request, Claim):
                return self._claim(state)
            check_append(request.run, request.epoch, request.events, owner=state.epoch, last_seq=state.last_seq)
            if fork := opening_fork(request.events, state.last_seq):
                check_fork(request.run, fork, self._state(fork.parent).last_seq)
        except JournalError as error:
            return error
        self._append(state, request)
        return 0

    def write_runs(self) -> None:
        """Writes the rows of the runs that have changed."""
        rows = [(encode_state(self._states[run]), self._numbers[run]) for run in self._changed]
        self._connection.executemany("UPDATE runs SET state = ? WHERE number = ?", rows)

    def _state(self, run: str) -> RunState:
        """The run as this transaction has it so far."""
        if run in self._states:
            return self._states[run]
        found = find_run(self._connection, run)
        if found is None:
            return RunState(run)
        self._numbers[run], self._states[run] = found
        return found[1]

    def _change(self, state: RunState) -> None:
        self._states[state.run] = state
        self._changed.add(state.run)

    def _claim(self, state: RunState) -> int:
        after = claimed(state)
        if state.run not in self._numbers:
            added = self._connection.execute(
                "INSERT INTO runs (run, state) VALUES (?, ?) RETURNING number", (state.run, encode_state(after))
            )
            (self._numbers[state.run],) = added.fetchone()
        self._change(after)
        return after.epoch

    def _append(self, state: RunState, request: Append) -> None:
        for digest, data in request.blobs.items():
            self._add_blob(digest, data)
        after, rows = appended(state, request.events)
        first = self._numbers[request.run] * PLACES
        self._connection.executemany(
            "INSERT INTO events (place, sum, data) VALUES (?, ?, ?)",
            [(first + row.seq, row.sum, row.data) for row in rows],
        )
        self._change(after)

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
