"""How a PostgreSQL journal is read, also while others write it; all that comes out is checked first.

Every call blocks. `runtime/journals/postgres_journal.py` makes them on one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from psycopg import OperationalError

from runtime.blobs import verified
from runtime.errors import CorruptEvent
from runtime.events import AnyEvent, Digest
from runtime.journal import missing_blob
from runtime.journals import texts
from runtime.journals.compression import expand
from runtime.journals.journal_address import JournalAddress
from runtime.journals.postgres_database import Connection, connect_to_read, explained, is_usable
from runtime.journals.sql_lineage import gathered
from runtime.journals.sql_rows import EventRow, RunState, decode_state, summaries
from runtime.reading.run_summary import RunSummary

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept:
    """A blob's row."""

    has_texts: bool
    data: bytes


class PostgresReader:
    """Reads a journal without changing anything; a database without the tables reads as an empty journal."""

    def __init__(self, address: JournalAddress) -> None:
        self._address = address
        self._connection: Connection | None = None

    def events(self, run: str, after: int) -> list[AnyEvent]:
        """See `Journal.events`."""
        return self._read(lambda view: gathered(run, after, partial(_find_run, view), partial(rows_of, view)), none=[])

    def blobs(self, digests: Iterable[Digest]) -> dict[Digest, bytes]:
        """See `Journal.blobs`."""
        wanted = list(digests)
        nothing: dict[Digest, _Kept] = {}
        kept = self._read(lambda view: _with_texts(view, wanted), nothing)
        return {name: _blob(name, kept) for name in wanted}

    def runs(self) -> list[RunSummary]:
        """See `Journal.runs`."""
        return summaries(self._read(_all_runs, none=[]))

    def close(self) -> None:
        """Lets go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, read: Callable[[Connection], T], none: T) -> T:
        """Reads the journal as it is at one moment, or gives `none` while there is none.

        A connection that broke since its last use is made anew.
        """
        with explained(self._address):
            if self._connection is not None:
                with suppress(OperationalError):
                    return self._at_one_moment(self._connection, read)
                self.close()
            self._connection = connect_to_read(self._address)
            return none if self._connection is None else self._at_one_moment(self._connection, read)

    def _at_one_moment(self, connection: Connection, read: Callable[[Connection], T]) -> T:
        try:
            with connection.transaction():
                return read(connection)
        finally:
            if not is_usable(connection):
                self.close()


def rows_of(connection: Connection, number: int, first: int, last: int) -> list[EventRow]:
    """The rows of a run, by its number, from seq `first` to `last`, both included."""
    rows = connection.execute(
        "SELECT seq, sum, data FROM repertory.events WHERE number = %s AND seq BETWEEN %s AND %s ORDER BY seq",
        (number, first, last),
        binary=True,
    )
    return [EventRow(seq, row_sum, data) for seq, row_sum, data in rows]


def _find_run(view: Connection, run: str) -> tuple[int, RunState] | None:
    row = view.execute("SELECT number, state FROM repertory.runs WHERE run = %s", (run,), binary=True).fetchone()
    return None if row is None else (row[0], decode_state(run, row[1]))


def _all_runs(view: Connection) -> list[tuple[str, bytes]]:
    rows = view.execute("SELECT run, state FROM repertory.runs", binary=True)
    return [(run, state) for run, state in rows]


def _with_texts(view: Connection, digests: Iterable[Digest]) -> dict[Digest, _Kept]:
    """The rows of these blobs, and of the long texts that were taken out of them."""
    kept = _rows_of_blobs(view, digests)
    taken = {text for row in kept.values() if row.has_texts for text in texts.references(_expanded(row))}
    return kept | _rows_of_blobs(view, taken - kept.keys())


def _rows_of_blobs(view: Connection, digests: Iterable[Digest]) -> dict[Digest, _Kept]:
    names = [bytes.fromhex(name) for name in digests]
    if not names:
        return {}
    rows = view.execute(
        "SELECT digest, has_texts, data FROM repertory.blobs WHERE digest = ANY(%s)", (names,), binary=True
    )
    return {name.hex(): _Kept(has_texts, data) for name, has_texts, data in rows}


def _blob(digest: Digest, kept: Mapping[Digest, _Kept]) -> bytes:
    row = kept.get(digest)
    if row is None:
        raise missing_blob(digest)
    try:
        data = expand(row.data)
        if row.has_texts:
            data = texts.put_back(data, {text: _blob(text, kept) for text in texts.references(data)})
    except (ValueError, CorruptEvent) as error:
        raise CorruptEvent(f"blob {digest} is damaged ({error}); restore the journal from a copy") from error
    return verified(digest, data)


def _expanded(row: _Kept) -> bytes:
    """What a row holds; nothing where it is damaged, which is told when the blob is made of it."""
    try:
        return expand(row.data)
    except ValueError:
        return b""
