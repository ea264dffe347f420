"""Where a journal is: a SQLite file on this machine, or a PostgreSQL database that several machines share.

A PostgreSQL address may carry a password. It is never part of what is shown: `str` and `repr` leave it out, and no
error quotes the address as it was given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode

from runtime.errors import UsageError

if TYPE_CHECKING:
    from runtime.journals.sql_journal import SqlJournal

SCHEMES = ("postgresql", "postgres")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(:\d*)?")
_SECRET_OPTIONS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")


@dataclass(frozen=True)
class JournalAddress:
    """Where a journal is; `str()` is fit for people and logs."""

    shown: str
    """The file, or the address of the database without its password."""
    path: Path | None = None
    """The SQLite file; None for a database server."""
    url: str = field(default="", repr=False)
    """The address of the database as it was given, password included; empty for a file."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What must not be shown anywhere."""

    def __str__(self) -> str:
        return self.shown


def journal_address(text: str | Path) -> JournalAddress:
    """The address that a text means: `postgresql://user@host/database`, or the path of a file.

    Raises:
        UsageError: it is the address of something else; the message does not quote it.
    """
    scheme, colon, _ = str(text).partition("://")
    if isinstance(text, Path) or not colon:
        path = Path(text).expanduser().absolute()
        return JournalAddress(str(path), path)
    if scheme not in SCHEMES:
        raise UsageError(
            f"journal: found an address that begins with {scheme + colon!r}, expected postgresql://USER@HOST/DATABASE "
            "or the path of a file"
        )
    return _database(text)


def usual_home(environment: Mapping[str, str]) -> Path:
    """Where everything is kept: REPERTORY_HOME, or a directory of the user's."""
    return Path(environment.get("REPERTORY_HOME") or "~/.repertory").expanduser().absolute()


def usual_journal(environment: Mapping[str, str]) -> JournalAddress:
    """The journal that commands use: REPERTORY_JOURNAL, or a file in the home; PGPASSWORD serves as its password.

    Raises:
        UsageError: REPERTORY_JOURNAL cannot be read.
    """
    address = journal_address(environment.get("REPERTORY_JOURNAL") or usual_home(environment) / "journal.db")
    return with_password_of(address, environment)


def open_journal(address: JournalAddress | Path) -> SqlJournal:
    """The journal at an address; nothing is connected or made before it is used."""
    address = address if isinstance(address, JournalAddress) else journal_address(address)
    if address.path is not None:
        from runtime.journals.sql_journal import SqliteJournal

        return SqliteJournal(address.path)
    from runtime.journals.postgres_journal import PostgresJournal

    return PostgresJournal(address)


def without_secrets(address: JournalAddress, text: str) -> str:
    """The text with the address's secrets taken out."""
    for secret in address.secrets:
        text = text.replace(secret, "***")
    return text


def with_password_of(address: JournalAddress, environment: Mapping[str, str] = os.environ) -> JournalAddress:
    """The address with the password that the environment (PGPASSWORD) gives, for a process that has another one."""
    password = environment.get("PGPASSWORD")
    if not password or address.path is not None or address.secrets:
        return address
    return _database(f"{address.url}{'&' if '?' in address.url else '?'}password={quote(password, safe='')}")


def _database(url: str) -> JournalAddress:
    _, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    server, slash, database = place.partition("/")
    login, at, hosts = server.rpartition("@")
    user, _, password = login.partition(":")
    if "@" in database or "@" in query or "#" in rest or not all(map(_HOST.fullmatch, hosts.split(","))):
        raise UsageError(
            "journal: found an address that cannot be read, expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE; "
            "write @ : / ? # and % within a name or a password as %40 %3A %2F %3F %23 %25"
        )
    options = parse_qsl(query, keep_blank_values=True)
    open_options = urlencode([(name, value) for name, value in options if name not in _SECRET_OPTIONS], safe="/")
    given = [password, *(value for name, value in options if name in _SECRET_OPTIONS)]
    secrets = {form for value in given if value for form in (value, unquote(value), quote(value, safe=""))}
    shown = f"postgresql://{user}{at}{hosts}{slash}{database}{'?' if open_options else ''}{open_options}"
    return JournalAddress(shown, None, url, tuple(sorted(secrets, key=len, reverse=True)))
