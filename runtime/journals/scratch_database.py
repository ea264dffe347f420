"""A PostgreSQL database for a while: what needs a journal that nobody keeps makes one beside the person's own."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from runtime import clock
from runtime.errors import UsageError
from runtime.journals.journal_address import JournalAddress, journal_address, without_secrets


@contextmanager
def scratch_database(beside: JournalAddress) -> Generator[JournalAddress]:
    """The address of a new database on the same server; it is dropped afterwards, with all connections to it.

    Raises:
        UsageError: the server cannot be reached, or does not let this user make databases.
    """
    name = f"repertory_chaos_{clock.new_id()[:8]}"
    identifier = sql.Identifier(name)
    try:
        with psycopg.connect(beside.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
    except psycopg.Error as error:
        raise UsageError(
            f"journal {beside}: a database for the time of this command cannot be made there "
            f"({without_secrets(beside, str(error)).strip()}); the user needs the right to create databases"
        ) from None
    try:
        yield _renamed(beside, name)
    finally:
        with psycopg.connect(beside.url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier))


def _renamed(address: JournalAddress, name: str) -> JournalAddress:
    scheme, _, rest = address.url.partition("://")
    place, mark, query = rest.partition("?")
    return journal_address(f"{scheme}://{place.partition('/')[0]}/{name}{mark}{query}")
