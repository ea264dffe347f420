"""The journal in a PostgreSQL database, for hosts and drivers on several machines."""

from __future__ import annotations

from runtime.journals.journal_address import JournalAddress
from runtime.journals.postgres_reader import PostgresReader
from runtime.journals.postgres_writer import PostgresWriter
from runtime.journals.sql_journal import SqlJournal


class PostgresJournal(SqlJournal):
    """The journal in the schema `repertory` of a database, which is made by the first claim; see `Journal`.

    Errors call it by its address without the password. While the server cannot be reached, every call raises
    `JournalUnavailable` after a few seconds; the next call connects again.
    """

    def __init__(self, address: JournalAddress) -> None:
        self.address = address
        super().__init__(str(address), PostgresWriter(address), PostgresReader(address))
