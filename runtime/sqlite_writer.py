"""How a SQLite journal is written: one transaction, and so one flush to disk, per group of requests.

Every call blocks. `runtime/sql_journal.py` makes them on one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from runtime import texts
from runtime.compression import squeeze
from runtime.errors import RepertoryError
from runtime.events import Digest
from runtime.known_runs import KnownRuns
from runtime.sql_group import GroupPlan, runs_of
from runtime.sql_rows import Append, Claim, EventRow, RunState, encode_state
from runtime.sqlite_file import PLACES, explained, is_busy, open_to_write
from runtime.sqlite_reader import rows_of
from runtime.sqlite_rows import insert_rows, new_number, stored_blobs


class SqliteWriter:
    """Writes groups of requests, each group in one transaction that is on disk when `write` returns."""

    def __init__(self, path: Path, busy_s: float) -> None:
        self._path = path
        self._busy_s = busy_s
        self._connection: sqlite3.Connection | None = None
        self._known = KnownRuns()
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
            self._known.forget()

    def _transaction(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        connection = self._connection = self._connection or open_to_write(self._path, self._busy_s)
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcomes = _Transaction(connection, self._known).perform(group)
            connection.execute("COMMIT")
        except BaseException:
            self._known.forget()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.commits += 1
        return outcomes


class _Transaction:
    """One transaction: of each table it reads once what it needs, and writes once what has changed."""

    def __init__(self, connection: sqlite3.Connection, known: KnownRuns) -> None:
        self._connection = connection
        self._known = known

    def perform(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        """Writes what may be written of the requests; see `SqliteWriter.write`."""
        self._known.look_after(self._connection)
        plan = GroupPlan({run: self._known.state(self._connection, run) for run in runs_of(group)}, self._stored)
        outcomes = [plan.perform(request) for request in group]
        self._write_blobs(plan.blobs)
        self._write_runs(plan.changed.values())
        places = self._known.numbers
        rows = [(places[run] * PLACES + row.seq, row.sum, row.data) for run, row in plan.rows]
        insert_rows(self._connection, "INSERT INTO events (place, sum, data)", rows)
        return outcomes

    def _stored(self, run: str, first: int, last: int) -> Sequence[EventRow]:
        return rows_of(self._connection, self._known.numbers[run], first, last)

    def _write_runs(self, states: Iterable[RunState]) -> None:
        changed: list[tuple[bytes, int]] = []
        for state in states:
            kept = encode_state(state)
            if (number := self._known.numbers.get(state.run)) is not None:
                changed.append((kept, number))
            else:
                number = new_number(self._connection, state.run, kept)
            self._known.changed(state, number)
        self._connection.executemany("UPDATE runs SET state = ? WHERE number = ?", changed)

    def _write_blobs(self, blobs: Mapping[Digest, bytes]) -> None:
        stored = stored_blobs(self._connection, blobs)
        rows: dict[Digest, tuple[bool, bytes]] = {}
        for name, data in blobs.items():
            if name not in stored:
                rest, taken = texts.take_out(data)
                rows.update({text: (False, squeeze(content)) for text, content in taken.items() if text not in rows})
                rows[name] = (bool(taken), squeeze(rest))
        insert_rows(
            self._connection,
            "INSERT OR IGNORE INTO blobs (digest, has_texts, data)",
            [(bytes.fromhex(name), has_texts, data) for name, (has_texts, data) in rows.items()],
        )
