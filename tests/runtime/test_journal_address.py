"""An address names a journal, and never shows a password."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.errors import UsageError
from runtime.journals.journal_address import journal_address, open_journal, with_password_of, without_secrets
from runtime.journals.sql_journal import SqliteJournal


def test_a_path_is_a_file_of_sqlite() -> None:
    address = journal_address("~/runs/journal.db")
    assert (address.path, address.url) == (Path.home() / "runs/journal.db", "")
    assert str(address) == str(Path.home() / "runs/journal.db")
    assert isinstance(open_journal(Path("journal.db")), SqliteJournal)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://ann@db.example/runs", "postgresql://ann@db.example/runs"),
        ("postgres://ann:geheim@db.example:5433/runs", "postgresql://ann@db.example:5433/runs"),
        (
            "postgresql://ann:geheim@one:1,[::1]:2/runs?sslmode=require",
            "postgresql://ann@one:1,[::1]:2/runs?sslmode=require",
        ),
        ("postgresql://ann@/runs?host=/run/pg&password=geheim", "postgresql://ann@/runs?host=/run/pg"),
        ("postgresql://ann:geheim@/runs?sslpassword=geheim2", "postgresql://ann@/runs"),
        ("postgresql:///runs", "postgresql:///runs"),
        ("postgresql://ann:p%40ss@db/runs", "postgresql://ann@db/runs"),
    ],
)
def test_a_database_is_shown_without_its_password(given: str, shown: str) -> None:
    address = journal_address(given)
    assert (str(address), address.url, address.path) == (shown, given, None)
    for secret in ("geheim", "p%40ss", "p@ss"):
        assert secret not in repr(address)
    assert without_secrets(address, f"login with {given} failed") == f"login with {given} failed".replace(
        "geheim2", "***"
    ).replace("geheim", "***").replace("p%40ss", "***")


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://ann:ge/heim@db/runs",
        "postgresql://ann:ge?heim@db/runs",
        "postgresql://ann:ge#heim@db/runs",
        "postgresql://ann:geheim",
        "mysql://ann:geheim@db/runs",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_being_quoted(given: str) -> None:
    with pytest.raises(UsageError, match="expected postgresql://USER") as caught:
        journal_address(given)
    assert "heim" not in str(caught.value)


def test_the_password_of_the_environment_goes_with_the_address() -> None:
    address = with_password_of(journal_address("postgresql://ann@db/runs?sslmode=require"), {"PGPASSWORD": "ge heim/"})
    assert address.url == "postgresql://ann@db/runs?sslmode=require&password=ge%20heim%2F"
    assert str(address) == "postgresql://ann@db/runs?sslmode=require"
    assert "ge heim/" in address.secrets
    own = journal_address("postgresql://ann:own@db/runs")
    assert with_password_of(own, {"PGPASSWORD": "other"}) == own
    file = journal_address("/somewhere")
    assert with_password_of(file, {"PGPASSWORD": "other"}) == file
