"""How a PostgreSQL journal is written: one transaction, in two round trips, per group of requests.

The rows of the runs are locked first, in the order of their names, so that a claim anywhere else comes before or after
the whole transaction and no two transactions wait for each other. Every call blocks;
`runtime/journals/postgres_journal.py` makes them on one thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runtime.errors import JournalError, JournalUnavailable, RepertoryError
from runtime.events import Digest
from runtime.journals import texts
from runtime.journals.compression import squeeze
from runtime.journals.journal_address import JournalAddress
from runtime.journals.postgres_database import Connection, connect_to_write, explained, is_usable
from runtime.journals.postgres_reader import rows_of
from runtime.journals.sql_group import GroupPlan, runs_of
from runtime.journals.sql_rows import Append, Begin, Claim, EventRow, RunState, decode_state, encode_state


class PostgresWriter:
    """Writes groups of requests, each group in one transaction that is on the server's disk when `write` returns."""

    def __init__(self, address: JournalAddress) -> None:
        self._address = address
        self._connection: Connection | None = None
        self.commits = 0

    def write(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        """See `sql_journal.Writer.write`. If the transaction fails, every request gets one of its own.

        Raises:
            JournalUnavailable: the server cannot be reached, or has no room.
        """
        try:
            with explained(self._address):
                return self._transaction(group)
        except RepertoryError as error:
            if len(group) == 1:
                return [error]
            if self._connection is None and isinstance(error, JournalUnavailable):
                raise
        return [self.write([request])[0] for request in group]

    def close(self) -> None:
        """Lets go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _transaction(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        connection = self._connection = self._connection or connect_to_write(self._address)
        try:
            outcomes = _Transaction(connection).perform(group)
        except BaseException:
            self._leave(connection)
            raise
        self.commits += 1
        return outcomes

    def _leave(self, connection: Connection) -> None:
        """Takes back what was begun; a connection on which that fails is given up."""
        if not connection.closed:
            connection.rollback()
        if not is_usable(connection):
            self.close()


class _Transaction:
    """One transaction: the runs that it touches are read once and written once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers: dict[str, int] = {}

    def perform(self, group: Sequence[Claim | Append]) -> list[int | BaseException]:
        """Writes what may be written of the requests; see `PostgresWriter.write`."""
        states, stored_blobs = self._begin(group)
        plan = GroupPlan(states, self._stored)
        outcomes = [plan.perform(request) for request in group]
        with self._connection.pipeline():
            self._write_blobs({name: data for name, data in plan.blobs.items() if name not in stored_blobs})
            self._write_events(plan.rows)
            self._write_runs(list(plan.changed.values()))
            self._connection.execute("COMMIT")
        return outcomes

    def _begin(self, group: Sequence[Claim | Append]) -> tuple[Mapping[str, RunState | JournalError], set[Digest]]:
        """Locks and reads the runs, which claims and beginnings make; finds out which blobs need not be sent."""
        runs = runs_of(group)
        new = sorted({request.run for request in group if isinstance(request, Claim | Begin)})
        digests = {name for request in group if isinstance(request, Append) for name in request.blobs}
        with self._connection.pipeline():
            self._connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            if new:
                states = [encode_state(RunState(run)) for run in new]
                self._connection.execute(
                    "INSERT INTO repertory.runs (run, state) SELECT * FROM unnest(%s::text[], %s::bytea[]) "
                    "ON CONFLICT DO NOTHING",
                    (new, states),
                )
            found = self._connection.cursor(binary=True).execute(
                "SELECT run, number, state FROM repertory.runs WHERE run = ANY(%s) ORDER BY run FOR UPDATE", (runs,)
            )
            blobs = self._connection.cursor(binary=True).execute(
                "SELECT digest FROM repertory.blobs WHERE digest = ANY(%s)",
                ([bytes.fromhex(name) for name in digests],),
            )
        kept = {run: (number, state) for run, number, state in found}
        self._numbers = {run: number for run, (number, _) in kept.items()}
        return {run: _decoded(run, state) for run, (_, state) in kept.items()}, {name.hex() for (name,) in blobs}

    def _stored(self, run: str, first: int, last: int) -> Sequence[EventRow]:
        return rows_of(self._connection, self._numbers[run], first, last)

    def _write_blobs(self, blobs: Mapping[Digest, bytes]) -> None:
        kept: dict[Digest, tuple[bool, bytes]] = {}
        for name, data in blobs.items():
            rest, taken = texts.take_out(data)
            kept.update({text: (False, squeeze(content)) for text, content in taken.items() if text not in kept})
            kept[name] = (bool(taken), squeeze(rest))
        if kept:
            rows = sorted((bytes.fromhex(name), *row) for name, row in kept.items())
            self._connection.execute(
                "INSERT INTO repertory.blobs (digest, has_texts, data) "
                "SELECT * FROM unnest(%s::bytea[], %s::boolean[], %s::bytea[]) ON CONFLICT DO NOTHING",
                tuple(map(list, zip(*rows, strict=True))),
            )

    def _write_events(self, rows: Sequence[tuple[str, EventRow]]) -> None:
        if rows:
            self._connection.execute(
                "INSERT INTO repertory.events (number, seq, sum, data) "
                "SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::bytea[])",
                (
                    [self._numbers[run] for run, _ in rows],
                    [row.seq for _, row in rows],
                    [row.sum for _, row in rows],
                    [row.data for _, row in rows],
                ),
            )

    def _write_runs(self, states: Sequence[RunState]) -> None:
        if states:
            self._connection.execute(
                "UPDATE repertory.runs SET state = new.state FROM unnest(%s::bigint[], %s::bytea[]) "
                "AS new (number, state) WHERE runs.number = new.number",
                ([self._numbers[state.run] for state in states], [encode_state(state) for state in states]),
            )


def _decoded(run: str, state: bytes) -> RunState | JournalError:
    try:
        return decode_state(run, state)
    except JournalError as error:
        return error
