"""A journal's SQLite file: how it is opened, laid out and recognised, and what its errors mean to a person.

Only `runtime/journals/sqlite_writer.py` and `runtime/journals/sqlite_reader.py` call this.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from runtime.errors import CorruptEvent, JournalError, JournalUnavailable, UsageError
from runtime.journals.one_machine import check_machine

SCHEMA_VERSION = 1
"""The version of the tables below; it stands in the file's `user_version`."""

BUSY_S = 10.0
"""How long to wait, unless told otherwise, for another process that is writing, in seconds."""

PLACES = 2**32
"""How many places the table of events has for each run."""

_MOST_ROWS = 8
"""A statement writes a power of two of rows, so that there are few to prepare: this one at most."""

_APPLICATION_ID = 0x5265704A  # "RepJ", by which the file is known as a journal

_TABLES = (
    """CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    state BLOB NOT NULL
)""",
    """CREATE TABLE events (
    place INTEGER PRIMARY KEY, -- number of the run * 2^32 + seq: a run's events lie side by side
    sum BLOB NOT NULL,
    data BLOB NOT NULL
)""",
    """CREATE TABLE blobs (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    has_texts INTEGER NOT NULL, -- 1: long texts were taken out and stand in rows of their own
    data BLOB NOT NULL
)""",
)

_PASSING = (
    (("SQLITE_FULL",), "the disk is full; free some space there"),
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        "another process has locked it for too long; wait for that process or end it",
    ),
    (("SQLITE_IOERR",), "the disk reports an error; check the disk, its room and its quota"),
)
"""What may pass while a run waits."""
_LASTING = (
    (("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH"), "it may not be written; change its permissions or use another"),
    (("SQLITE_CANTOPEN",), "it cannot be opened; check that its folder exists and may be written"),
)
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_FORMAT", "SQLITE_MISMATCH")


def open_to_write(path: Path, busy_s: float = BUSY_S) -> sqlite3.Connection:
    """A connection that makes the file and its tables where they are missing, and flushes at each commit.

    Raises:
        UsageError: the file is no journal, of a newer program, or of another machine.
        JournalError: it cannot be opened or written.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        check_machine(path, makes=True)
        connection = _connect(path, "rwc", busy_s)
        try:
            _lay_out(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def open_to_read(path: Path, busy_s: float = BUSY_S) -> sqlite3.Connection | None:
    """A connection that changes nothing; None where no journal has been made yet.

    Raises:
        UsageError: the file is no journal, of a newer program, or of another machine.
        JournalError: it cannot be read.
    """
    with explained(path):
        if not path.exists():
            return None
        check_machine(path, makes=False)
        connection = _connect(path, "ro", busy_s)
        try:
            if _is_new(connection):
                connection.close()
                return None
            _check(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def stored_bytes(value: object) -> bytes:
    """A column's bytes; none where damage has made it a number, so that the check of the bytes fails."""
    return value if isinstance(value, bytes) else b""


def data_version(connection: sqlite3.Connection) -> int:
    """A number that is another one when another connection has written."""
    return _pragma(connection, "data_version")


def write_rows(connection: sqlite3.Connection, start: str, rows: Sequence[Sequence[object]], end: str = "") -> None:
    """Writes many rows with few statements, between whose `start` and `end` they stand.

    Python lets go of its lock for each statement, and an event loop that is busy gives it back late.
    """
    place = 0
    while place < len(rows):
        count = 2 ** min((len(rows) - place).bit_length() - 1, _MOST_ROWS)
        values = ", ".join(["(" + ", ".join("?" * len(rows[0])) + ")"] * count)
        connection.execute(f"{start} {values} {end}", [*chain.from_iterable(rows[place : place + count])])
        place += count


@contextmanager
def explained(path: Path) -> Generator[None]:
    """Turns errors of the database and the file system into ones that say what to do.

    Raises:
        CorruptEvent: the file is damaged.
        JournalUnavailable: the disk is full or reports an error, or another process has locked the file.
        JournalError: anything else.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _explanation(path, error) from error
    except UnicodeDecodeError as error:  # the database's own message quotes what it found
        raise _damaged(path, error) from error
    except OSError as error:
        raise JournalError(f"journal {path}: {error.strerror or error}; check its folder or use another") from error


def is_busy(error: BaseException) -> bool:
    """Whether the error says that another process has locked the file."""
    return _name(error.__cause__).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _name(error: BaseException | None) -> str:
    return getattr(error, "sqlite_errorname", None) or ""


def _explanation(path: Path, error: sqlite3.Error) -> JournalError | UsageError:
    name = _name(error)
    if name.startswith("SQLITE_NOTADB"):
        return _not_ours(path)
    if name.startswith(_DAMAGED):
        return _damaged(path, error)
    for kind, causes in ((JournalUnavailable, _PASSING), (JournalError, _LASTING)):
        for names, cause in causes:
            if name.startswith(names):
                return kind(f"journal {path}: {cause} ({error})")
    return JournalError(f"journal {path}: {error} ({name or type(error).__name__})")


def _connect(path: Path, mode: str, busy_s: float) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, timeout=busy_s, isolation_level=None, check_same_thread=False, uri=True)
    connection.text_factory = bytes  # a damaged row may hold text that is no UTF-8 where bytes were written
    connection.execute("PRAGMA synchronous=FULL")
    return connection


def _lay_out(connection: sqlite3.Connection, path: Path) -> None:
    """Makes a new file a journal; of several processes that try, one does it and the others find it done."""
    if _is_new(connection):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        if _is_new(connection):
            for table in _TABLES:
                connection.execute(table)
            connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute("COMMIT")
    _check(connection, path)


def _is_new(connection: sqlite3.Connection) -> bool:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return tables == 0 and _pragma(connection, "user_version") == 0


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if _pragma(connection, "application_id") != _APPLICATION_ID:
        raise _not_ours(path)
    version = _pragma(connection, "user_version")
    if version > SCHEMA_VERSION:
        raise UsageError(
            f"journal {path} has the layout {version}, this program knows up to {SCHEMA_VERSION}; "
            "use the newer version of Repertory that wrote it, or another journal"
        )
    tables = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' ORDER BY rootpage")
    if [sql for (sql,) in tables] != [table.encode() for table in _TABLES]:
        raise _damaged(path, "its tables are not as they were made")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _damaged(path: Path, error: object) -> CorruptEvent:
    return CorruptEvent(f"journal {path} is damaged ({error}); restore it from a copy, or move it away")


def _not_ours(path: Path) -> UsageError:
    return UsageError(f"{path} is another program's file, no journal of Repertory; give another path or move it away")
