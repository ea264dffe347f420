"""Damage anywhere in a run is found and named; other runs are whole."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import psycopg
import pytest

from runtime.blobs import Payload
from runtime.events import AnyEvent, DeliveryCompleted, Digest, StepCompleted, StepStarted
from runtime.journals import sql_rows
from runtime.journals.journal_address import JournalAddress, journal_address, open_journal
from runtime.journals.sql_journal import SqlJournal
from runtime.local import LocalEngine
from runtime.prompt_chain import chain
from runtime.verify import Verification, verify
from tests.postgres_server import PostgresServer
from tests.runtime.journal_samples import CRITIC, started
from tests.runtime.teams import performance

HEAD, CHAIN = chain([f"message {number}" for number in range(5)])
LINKS = {name: link for name, link in CHAIN.items() if link != b"null"}
REQUEST = Payload.of({"prompt": HEAD, "tools": [], "text": "long " * 100})
RESULT = Payload.of({"content": "answer " * 100})
SPEC = Payload.of({"a": 1})
BLOBS = LINKS | {payload.digest: payload.data for payload in (REQUEST, RESULT, SPEC)}


def told() -> list[AnyEvent]:
    """A run with a model call."""
    return [
        msgspec.structs.replace(started(), spec=SPEC.digest, routes=SPEC.digest),
        StepStarted(seq=2, step="s", delivery="d", kind="model", name="m", request=REQUEST.digest),
        StepCompleted(seq=3, step="s", delivery="d", result=RESULT.digest),
        DeliveryCompleted(seq=4, delivery="d", message="m", agent=CRITIC, response=RESULT.digest),
    ]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def address(request: pytest.FixtureRequest, tmp_path: Path) -> JournalAddress:
    """A journal with the same run twice, as a and b."""
    if request.param == "sqlite":
        address = journal_address(tmp_path / "journal.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        address = server.new_database()
    journal = open_journal(address)
    for run in ("a", "b"):
        await journal.append(run, await journal.claim(run), told(), BLOBS)
    await journal.close()
    return address


def change(address: JournalAddress, sqlite: str, postgres: str, *values: object) -> None:
    if address.path is not None:
        connection = sqlite3.connect(address.path, isolation_level=None)
        connection.execute(sqlite, values)
        connection.close()
        return
    with psycopg.connect(address.url, autocommit=True) as server:
        server.execute(postgres.encode(), values)


def lose_blob(address: JournalAddress, digest: Digest) -> None:
    name = bytes.fromhex(digest)
    change(address, "DELETE FROM blobs WHERE digest = ?", "DELETE FROM repertory.blobs WHERE digest = %s", name)


async def verified(address: JournalAddress, *runs: str) -> list[Verification]:
    journal = open_journal(address)
    try:
        return [await verify(journal, run) for run in runs]
    finally:
        await journal.close()


async def test_a_whole_run_is_counted(address: JournalAddress) -> None:
    (found,) = await verified(address, "a")
    assert found == Verification("a", 4, len(BLOBS), sum(map(len, BLOBS.values())))


async def test_a_performed_run_is_whole(tmp_path: Path) -> None:
    journal: SqlJournal = open_journal(tmp_path / "journal.db")
    await LocalEngine(journal).perform(performance("run", "spender"))
    found = await verify(journal, "run")
    assert (found.fault, found.events) == ("", len(await journal.events("run")))
    await journal.close()


@pytest.mark.parametrize(
    ("digest", "seq"),
    [(SPEC.digest, 1), (REQUEST.digest, 2), (HEAD, 2), (next(iter(LINKS)), 2), (RESULT.digest, 3)],
    ids=["the specification", "a request", "a prompt's head", "a prompt's first link", "a result"],
)
async def test_a_missing_blob_is_found_with_the_event_that_needs_it(
    address: JournalAddress, digest: Digest, seq: int
) -> None:
    lose_blob(address, digest)
    (found,) = await verified(address, "a")
    assert found.seq == seq
    assert f"run a: event {seq} needs blob {digest}" in found.fault
    assert "restore" in found.fault


async def test_a_damaged_event_hurts_its_run_only(address: JournalAddress) -> None:
    change(
        address,
        "UPDATE events SET data = x'00' || data WHERE place = 4294967296 + ?",
        "UPDATE repertory.events SET data = '\\x00'::bytea || data WHERE seq = %s AND number = "
        "(SELECT number FROM repertory.runs WHERE run = 'a')",
        3,
    )
    a, b = await verified(address, "a", "b")
    assert (a.seq, "event 3 is damaged" in a.fault) == (3, True)
    assert b.fault == ""


@pytest.mark.parametrize("kept", [-3, -40], ids=["cut short", "cut shorter"])
async def test_a_damaged_row_of_a_run_is_found(address: JournalAddress, kept: int) -> None:
    change(
        address,
        "UPDATE runs SET state = substr(state, 1, length(state) + ?) WHERE run = 'a'",
        "UPDATE repertory.runs SET state = substr(state, 1, length(state) + %s) WHERE run = 'a'",
        kept,
    )
    a, b = await verified(address, "a", "b")
    assert "the run's own row" in a.fault
    assert b.fault == ""


async def test_a_run_of_a_newer_format_is_named(address: JournalAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer_program:
        newer_program.setattr(sql_rows, "FORMAT_VERSION", 99)
        journal = open_journal(address)
        await journal.append("new", await journal.claim("new"), told(), BLOBS)
        await journal.close()
    new, b = await verified(address, "new", "b")
    assert (new.seq, "its events have format 99, this program reads 1 to" in new.fault) == (1, True)
    assert b.fault == ""
