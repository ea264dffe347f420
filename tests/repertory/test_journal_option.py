"""`--journal postgresql://…`: a run whose journal is on a server, and a password that is nowhere to be read."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from runtime.codec import encode_event
from runtime.journals.journal_address import journal_address, open_journal
from runtime.references import blobs_of
from tests.postgres_server import PostgresServer
from tests.repertory.commands import Terminal
from tests.repertory.small import write_scenario

PASSWORD = "very geheim"


@pytest.fixture
def url(postgres_server: PostgresServer) -> str:
    """A database, with a password that its server does not ask for."""
    return postgres_server.new_database().url.replace("repertory@", "repertory:very%20geheim@")


async def journaled(url: str) -> list[str]:
    """All that is in a journal."""
    journal = open_journal(journal_address(url))
    found: list[str] = []
    for run in await journal.runs():
        events = await journal.events(run.run)
        found += [encode_event(event).decode() for event in events]
        found += [blob.decode() for blob in (await blobs_of(journal, events)).values()]
    await journal.close()
    return found


@pytest.mark.postgres
def test_the_password_is_neither_shown_nor_kept(terminal: Terminal, url: str) -> None:
    scenario = write_scenario(Path.cwd())
    Path("failing").mkdir()
    ended = [
        terminal.type("-vv", "--journal", url, *arguments)
        for arguments in (
            ("run", scenario, "--engine", "local"),
            ("run", write_scenario(Path.cwd() / "failing", "fail"), "--engine", "local", "--json"),
            ("runs", "list"),
            ("runs", "verify"),
            ("replay", "last"),
        )
    ]
    assert [one.code for one in ended] == [0, 1, 0, 0, 0]
    assert not (terminal.home / "journal.db").exists()
    written = [path.read_text(encoding="utf-8") for path in Path("out").rglob("*") if path.is_file()]
    for text in (*written, *asyncio.run(journaled(url)), *(one.out + one.err for one in ended)):
        assert "geheim" not in text


def test_a_server_that_is_not_there_ends_the_command_with_a_word(terminal: Terminal) -> None:
    address = f"postgresql://ann:{PASSWORD.replace(' ', '%20')}@/runs?host={Path.cwd()}"
    for arguments in (("runs", "list"), ("run", write_scenario(Path.cwd()), "--engine", "local")):
        ended = terminal.type("--journal", address, *arguments)
        assert ended.code == 1
        assert f"journal postgresql://ann@/runs?host={Path.cwd()}: the server cannot be reached" in ended.err
        assert "geheim" not in ended.err


def test_an_address_that_cannot_be_read_is_wrong_usage(terminal: Terminal) -> None:
    ended = terminal.type("--journal", "mysql://ann:geheim@db/runs", "runs", "list")
    assert (ended.code, "expected postgresql://USER@HOST/DATABASE" in ended.err) == (2, True)
    assert "geheim" not in ended.err
    assert json.loads(terminal.type("--journal", str(Path.cwd() / "own.db"), "runs", "list", "--json").out) == []
