"""A journal's PostgreSQL database: how it is connected, laid out and recognised, and what its errors mean to a person.

The tables stand in a schema of their own, `repertory`, which is made at the first claim. Only
`runtime/journals/postgres_writer.py` and `runtime/journals/postgres_reader.py` call this.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import structlog
from psycopg import errors as causes
from psycopg.pq import TransactionStatus

from runtime.errors import CorruptEvent, JournalError, JournalUnavailable, UsageError
from runtime.journals.journal_address import JournalAddress, without_secrets

Connection = psycopg.Connection[tuple[Any, ...]]

LAYOUT_VERSION = 1
"""The version of the tables below; it stands in `repertory.layout`."""

CONNECT_S = 5
"""How long one try to connect to a host may take, in seconds."""

SILENCE_MS = 20_000
"""After how many milliseconds without an answer of the network a connection counts as lost."""

_LAYOUT_LOCK = 0x5265704A
"""The advisory lock under which the tables are made."""

_LAYOUT = """
CREATE SCHEMA IF NOT EXISTS repertory;
CREATE TABLE repertory.runs (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run text COLLATE "C" NOT NULL UNIQUE,
    state bytea NOT NULL
);
CREATE TABLE repertory.events (
    number bigint NOT NULL, -- that of the run
    seq bigint NOT NULL,
    sum bytea NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (number, seq)
);
CREATE TABLE repertory.blobs (
    digest bytea PRIMARY KEY,
    has_texts boolean NOT NULL, -- whether long texts were taken out and stand in rows of their own
    data bytea NOT NULL
);
ALTER TABLE repertory.events ALTER data SET STORAGE EXTERNAL;
ALTER TABLE repertory.blobs ALTER data SET STORAGE EXTERNAL;
CREATE TABLE repertory.layout (version integer NOT NULL);
"""

_PASSING: tuple[tuple[tuple[type[psycopg.Error], ...], str], ...] = (
    ((causes.DiskFull,), "the server's disk is full; free some space there"),
    ((causes.TooManyConnections,), "the server has no connection left; end other clients or raise max_connections"),
    ((causes.OutOfMemory, causes.InsufficientResources), "the server has run out of something it needs; look there"),
    (
        (causes.ReadOnlySqlTransaction,),
        "the server takes no writes (a standby, or set read-only); name the one that does, or wait for it",
    ),
    ((causes.DeadlockDetected, causes.SerializationFailure, causes.LockNotAvailable), "other writers are in the way"),
    ((causes.QueryCanceled,), "the server's administrator or its statement_timeout has cancelled a statement"),
    ((causes.IoError,), "the server's disk reports an error; check it"),
    (
        (psycopg.OperationalError, causes.IdleSessionTimeout, causes.IdleInTransactionSessionTimeout),
        "the server cannot be reached or refuses the connection; start it, or check address, database and login",
    ),
)
"""What may pass while a run waits. The last one stands for all that ends a connection or hinders a new one, of which
the driver does not tell the causes apart: the server's own words follow."""
_LASTING: tuple[tuple[tuple[type[psycopg.Error], ...], str], ...] = (
    (
        (causes.InsufficientPrivilege,),
        "the user may not do that; grant CREATE on the database, or the use of its schema repertory",
    ),
)

log = structlog.get_logger(__name__)
logging.getLogger("psycopg").setLevel(logging.ERROR)  # a lost connection is told once, by `explained`


def connect_to_write(address: JournalAddress) -> Connection:
    """A connection that makes the tables where they are missing, and flushes at each commit.

    Raises:
        UsageError: the tables are of a newer program.
        JournalError: it cannot be connected or written.
    """
    connection = _connect(address)
    try:
        connection.execute("SET default_transaction_read_only = off")
        (commit, fsync), *_ = connection.execute(
            "SELECT current_setting('synchronous_commit'), current_setting('fsync')"
        )
        if commit == "off":
            connection.execute("SET synchronous_commit = on")
        if fsync == "off":
            log.warning("journal.unsafe", journal=str(address), found="fsync=off", expected="fsync=on")
        if _version(connection) is None:
            _lay_out(connection)
        _check(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_read(address: JournalAddress) -> Connection | None:
    """A connection that changes nothing; None where no journal has been made yet.

    Raises:
        UsageError: the tables are of a newer program.
        JournalError: it cannot be connected or read.
    """
    connection = _connect(address)
    try:
        connection.execute("SET default_transaction_isolation = 'repeatable read'")
        connection.execute("SET default_transaction_read_only = on")
        if _version(connection) is None:
            connection.close()
            return None
        _check(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


def is_usable(connection: Connection) -> bool:
    """Whether the connection still stands and nothing is open in it."""
    return not connection.closed and connection.info.transaction_status is TransactionStatus.IDLE


@contextmanager
def explained(address: JournalAddress) -> Generator[None]:
    """Turns errors of the database into ones that say what to do, without the password.

    Raises:
        CorruptEvent: the database says that it is damaged.
        JournalUnavailable: it cannot be reached or has no room.
        JournalError: anything else.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _explanation(address, error) from None  # what it was given may stand in the error's chain


def _explanation(address: JournalAddress, error: psycopg.Error) -> JournalError:
    said = without_secrets(address, " ".join(str(error).split())) or type(error).__name__
    if isinstance(error, causes.DataCorrupted | causes.IndexCorrupted | causes.UndefinedTable | causes.UndefinedColumn):
        return damaged(address, said)
    for kind, explanations in ((JournalError, _LASTING), (JournalUnavailable, _PASSING)):
        for types, explanation in explanations:
            if isinstance(error, types):
                return kind(f"journal {address}: {explanation} ({said})")
    return JournalError(f"journal {address}: {said} ({error.sqlstate or type(error).__name__})")


def damaged(address: JournalAddress, what: str) -> CorruptEvent:
    """The error of a database that is not as it was written."""
    return CorruptEvent(f"journal {address} is damaged ({what}); restore the database from a copy")


def _connect(address: JournalAddress) -> Connection:
    return psycopg.connect(
        address.url,
        autocommit=True,
        connect_timeout=CONNECT_S,
        application_name="repertory",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=2,
        tcp_user_timeout=SILENCE_MS,
    )


def _version(connection: Connection) -> int | None:
    """The version of the tables; None where there are none."""
    tables = connection.execute("SELECT FROM pg_tables WHERE schemaname = 'repertory' AND tablename = 'layout'")
    if not tables.rowcount:
        return None
    versions = connection.execute("SELECT max(version) FROM repertory.layout").fetchone()
    return None if versions is None else versions[0] or 0


def _lay_out(connection: Connection) -> None:
    """Makes the tables; of several processes that try, one does it and the others find it done."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LAYOUT_LOCK,))
        if _version(connection) is None:
            for statement in _LAYOUT.split(";\n"):
                if statement.strip():
                    connection.execute(statement.encode())
            connection.execute("INSERT INTO repertory.layout VALUES (%s)", (LAYOUT_VERSION,))


def _check(connection: Connection, address: JournalAddress) -> None:
    version = _version(connection)
    if not version:
        raise damaged(address, "its layout names no version")
    if version > LAYOUT_VERSION:
        raise UsageError(
            f"journal {address} has the layout {version}, this program knows up to {LAYOUT_VERSION}; "
            "use the newer version of Repertory that wrote it, or another database"
        )
