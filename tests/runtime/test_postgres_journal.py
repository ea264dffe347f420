"""What a journal in PostgreSQL promises beyond the protocol: other clients, lost servers, damage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from runtime.errors import CorruptEvent, JournalError, JournalUnavailable, StaleEpoch, UsageError
from runtime.events import AnyEvent, DeliveryStarted
from runtime.journals.journal_address import JournalAddress, journal_address, open_journal
from runtime.journals.sql_journal import SqlJournal
from tests.postgres_server import PostgresServer
from tests.runtime.journal_samples import CRITIC, blobs, deliveries, delivery, started

pytestmark = pytest.mark.postgres

LONG = "the text is long " * 20
BLOBS = blobs("short", LONG, f"a second {LONG}")


@pytest.fixture
def address(postgres_server: PostgresServer) -> JournalAddress:
    return postgres_server.new_database()


@pytest.fixture
async def journal(address: JournalAddress) -> AsyncIterator[SqlJournal]:
    opened = open_journal(address)
    yield opened
    await opened.close()


@pytest.fixture
async def kept(address: JournalAddress) -> JournalAddress:
    """A journal with the runs a and b, of 30 events each."""
    opened = open_journal(address)
    for run in ("a", "b"):
        epoch = await opened.claim(run)
        await opened.append(run, epoch, [started(name=run), *deliveries(2, 30)], BLOBS)
    await opened.close()
    return address


def change(address: JournalAddress, statement: str, *values: object) -> None:
    with psycopg.connect(address.url, autocommit=True) as connection:
        connection.execute(statement.encode(), values)


async def test_reading_makes_no_tables(journal: SqlJournal, address: JournalAddress) -> None:
    assert (await journal.runs(), await journal.events("r")) == ([], [])
    with psycopg.connect(address.url) as connection:
        assert connection.execute("SELECT to_regnamespace('repertory')").fetchone() == (None,)


async def test_many_clients_may_make_the_tables_at_once(address: JournalAddress) -> None:
    journals = [open_journal(address) for _ in range(5)]
    assert sorted(await asyncio.gather(*(one.claim("r") for one in journals))) == [1, 2, 3, 4, 5]
    await asyncio.gather(*(one.close() for one in journals))


async def test_appends_that_wait_together_share_one_transaction(journal: SqlJournal) -> None:
    epochs = {f"r{number}": await journal.claim(f"r{number}") for number in range(50)}
    before = journal.commits
    await asyncio.gather(*(journal.append(run, epoch, [started()], {}) for run, epoch in epochs.items()))
    assert journal.commits - before == 2


async def test_two_clients_with_the_same_blobs_do_not_hinder_each_other(address: JournalAddress) -> None:
    journals = [open_journal(address) for _ in range(3)]
    names = [str(number) for number in range(40)]

    async def fill(one: SqlJournal, client: int) -> None:
        runs = [f"{client} {number}" for number in range(4)]
        for run in runs:
            assert await one.claim(run) == 1
        for seq in range(1, 16):
            event: AnyEvent = started() if seq == 1 else delivery(seq)
            shuffled = names[seq::2] + names[::-1]
            await asyncio.gather(*(one.append(run, 1, [event], blobs(*shuffled)) for run in runs))

    await asyncio.gather(*(fill(one, client) for client, one in enumerate(journals)))
    assert {run.events for run in await journals[0].runs()} == {15}
    assert await journals[1].blobs(blobs(*names)) == blobs(*names)
    await asyncio.gather(*(one.close() for one in journals))


async def test_a_claim_elsewhere_refuses_the_owner_before_it(address: JournalAddress, journal: SqlJournal) -> None:
    old = await journal.claim("r")
    await journal.append("r", old, [started()], {})
    other = open_journal(address)
    new = await other.claim("r")
    with pytest.raises(StaleEpoch):
        await journal.append("r", old, [delivery(2)], {})
    await other.append("r", new, [delivery(2)], {})
    assert len(await journal.events("r")) == 2
    await other.close()


async def test_owners_that_fight_leave_one_sequence(address: JournalAddress) -> None:
    journals = [open_journal(address) for _ in range(3)]
    await journals[0].append("r", await journals[0].claim("r"), [started()])
    acknowledged: list[tuple[int, str]] = []

    async def fight(one: SqlJournal, name: str) -> None:
        while len(acknowledged) < 60:
            epoch = await one.claim("r")
            seq = len(await one.events("r")) + 1
            event = DeliveryStarted(seq=seq, delivery=name, message="m", agent=CRITIC)
            try:
                await one.append("r", epoch, [event])
            except StaleEpoch:
                continue
            acknowledged.append((seq, name))

    await asyncio.gather(*(fight(one, f"d{number}") for number, one in enumerate(journals)))
    events = (await journals[0].events("r"))[1:]
    assert [(event.seq, getattr(event, "delivery", "")) for event in events] == sorted(acknowledged)
    await asyncio.gather(*(one.close() for one in journals))


async def test_a_server_that_crashes_and_returns_has_all_that_was_acknowledged(
    postgres_server: PostgresServer, journal: SqlJournal
) -> None:
    epoch = await journal.claim("r")
    await journal.append("r", epoch, [started()], blobs("kept"))
    await asyncio.to_thread(postgres_server.restart)
    with pytest.raises(JournalUnavailable, match="the server cannot be reached"):
        await journal.append("r", epoch, [delivery(2)], {})
    await journal.append("r", epoch, [delivery(2)], {})
    assert len(await journal.events("r")) == 2
    assert await journal.blobs(blobs("kept")) == blobs("kept")


async def test_reading_connects_again_by_itself(postgres_server: PostgresServer, kept: JournalAddress) -> None:
    journal = open_journal(kept)
    assert len(await journal.events("a")) == 30
    await asyncio.to_thread(postgres_server.restart)
    assert len(await journal.events("a")) == 30
    await journal.close()


async def test_a_server_that_is_not_there_is_named_without_the_password(postgres_server: PostgresServer) -> None:
    nowhere = journal_address(f"postgresql://ann:geheim@/runs?host={postgres_server.folder}/nowhere")
    journal = open_journal(nowhere)
    for work in (journal.claim("r"), journal.events("r"), journal.runs()):
        with pytest.raises(JournalUnavailable, match="start it, or check address") as caught:
            await work
        assert "geheim" not in repr(caught.value)
        assert caught.value.__cause__ is None
    await journal.close()


async def test_a_missing_database_is_named(postgres_server: PostgresServer) -> None:
    journal = open_journal(journal_address(postgres_server.url("absent")))
    with pytest.raises(JournalUnavailable, match='database "absent" does not exist'):
        await journal.claim("r")
    await journal.close()


async def test_a_user_without_rights_is_told_which_it_needs(kept: JournalAddress, address: JournalAddress) -> None:
    change(address, "CREATE ROLE poor LOGIN")
    try:
        journal = open_journal(journal_address(address.url.replace("repertory@", "poor@")))
        with pytest.raises(JournalError, match="grant CREATE"):
            await journal.claim("r")
        await journal.close()
    finally:
        change(address, "DROP ROLE poor")


async def test_a_newer_layout_is_refused(kept: JournalAddress) -> None:
    change(kept, "UPDATE repertory.layout SET version = 99")
    journal = open_journal(kept)
    for work in (journal.events("a"), journal.claim("a")):
        with pytest.raises(UsageError, match="has the layout 99, this program knows up to 1"):
            await work
    await journal.close()


@pytest.mark.parametrize(
    ("statement", "seq", "text"),
    [
        ("DELETE FROM repertory.events WHERE seq = %s", 7, "event 7 is missing"),
        ("DELETE FROM repertory.events WHERE seq = %s", 1, "event 1 is missing"),
        ("DELETE FROM repertory.events WHERE seq >= %s", 25, "event 25 is missing: the run has 30"),
        (
            "UPDATE repertory.events SET data = set_byte(data, 9, 255 - get_byte(data, 9)) WHERE seq = %s",
            9,
            "is damaged",
        ),
        ("UPDATE repertory.events SET sum = '\\x0102030405060708' WHERE seq = %s", 30, "event 30 is damaged"),
        ("UPDATE repertory.events SET seq = seq + 40 WHERE seq = %s", 30, "event 30 is missing"),
    ],
)
async def test_a_changed_row_is_noticed_where_it_is(kept: JournalAddress, statement: str, seq: int, text: str) -> None:
    change(kept, f"{statement} AND number = (SELECT number FROM repertory.runs WHERE run = 'a')", seq)
    journal = open_journal(kept)
    with pytest.raises(CorruptEvent, match=f"run a: .*{text}.*restore the journal") as caught:
        await journal.events("a")
    assert (caught.value.run, caught.value.seq) == ("a", seq)
    assert len(await journal.events("b")) == 30
    await journal.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM repertory.blobs WHERE digest = %s",
        "UPDATE repertory.blobs SET data = '' WHERE digest = %s",
        "UPDATE repertory.blobs SET data = set_byte(data, 3, 255 - get_byte(data, 3)) WHERE digest = %s",
        "UPDATE repertory.blobs SET has_texts = NOT has_texts WHERE digest = %s",
    ],
)
async def test_a_changed_blob_is_noticed(kept: JournalAddress, statement: str) -> None:
    name = list(BLOBS)[1]
    change(kept, statement, bytes.fromhex(name))
    journal = open_journal(kept)
    with pytest.raises(CorruptEvent, match=f"blob {name} is "):
        await journal.blob(name)
    await journal.close()


async def test_a_text_that_blobs_share_is_noticed_when_it_is_gone(kept: JournalAddress) -> None:
    change(kept, "DELETE FROM repertory.blobs WHERE digest <> ALL(%s)", [bytes.fromhex(name) for name in BLOBS])
    journal = open_journal(kept)
    with pytest.raises(CorruptEvent, match="is not in the journal"):
        await journal.blob(list(BLOBS)[1])
    await journal.close()


async def test_a_damaged_run_is_refused_and_shown_and_hinders_no_other(kept: JournalAddress) -> None:
    change(kept, "UPDATE repertory.runs SET state = set_byte(state, 9, 0) WHERE run = 'a'")
    journal = open_journal(kept)
    outcomes = await asyncio.gather(
        journal.claim("a"), journal.append("a", 1, deliveries(31, 31), {}), journal.claim("b"), return_exceptions=True
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["CorruptEvent", "CorruptEvent", "int"]
    assert [(run.run, run.status) for run in await journal.runs()] == [("b", "running"), ("a", "damaged")]
    await journal.close()


async def test_missing_tables_are_damage(kept: JournalAddress) -> None:
    change(kept, "DROP TABLE repertory.events")
    journal = open_journal(kept)
    with pytest.raises(CorruptEvent, match="restore the database from a copy"):
        await journal.events("a")
    await journal.close()
