"""Runs that share the events of others: what every journal promises of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.errors import CorruptEvent, SeqConflict
from runtime.events import AnyEvent
from runtime.journal import Journal, MemoryJournal
from runtime.journals.sql_journal import SqliteJournal
from tests.runtime.journal_samples import deliveries, delivery, forked, started


@pytest.fixture(params=["memory", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    opened: Journal = MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "journal.db")
    await opened.append("parent", await opened.claim("parent"), [started(), *deliveries(2, 10)])
    yield opened
    await opened.close()


async def fork(journal: Journal, run: str, parent: str, shared: int, more: int) -> list[AnyEvent]:
    """A fork with so many events of its own; the events that it adds."""
    own = [forked(shared + 1, parent), *deliveries(shared + 2, shared + more)]
    await journal.append(run, await journal.claim(run), own[:1])
    await journal.append(run, 1, own[1:])
    return own


async def test_a_fork_has_the_events_of_its_parent_and_then_its_own(journal: Journal) -> None:
    parent = await journal.events("parent")
    own = await fork(journal, "fork", "parent", 6, 3)
    whole = [*parent[:6], *own]
    for after in range(12):
        assert await journal.events("fork", after) == whole[after:]
    assert await journal.events("parent") == parent
    summary = next(run for run in await journal.runs() if run.run == "fork")
    assert (summary.name, summary.events, summary.status) == ("beijing_family", 9, "running")


@pytest.mark.parametrize("shared", [3, 6, 7, 8], ids=["before the fork", "up to it", "its first event", "later"])
async def test_a_fork_of_a_fork_shares_what_the_fork_shares(journal: Journal, shared: int) -> None:
    await fork(journal, "fork", "parent", 6, 3)
    before = await journal.events("fork")
    own = await fork(journal, "second", "fork", shared, 2)
    whole = [*before[:shared], *own]
    for after in range(12):
        assert await journal.events("second", after) == whole[after:]


async def test_a_fork_goes_on_where_it_is_and_nowhere_else(journal: Journal) -> None:
    await fork(journal, "fork", "parent", 6, 2)
    with pytest.raises(SeqConflict, match="event 7 where 9 comes next"):
        await journal.append("fork", 1, [delivery(7)])
    await journal.append("parent", 1, [delivery(11)])
    await journal.append("fork", 1, [delivery(9)])
    assert [event.seq for event in await journal.events("fork")] == list(range(1, 10))


async def test_a_fork_of_what_is_not_there_is_refused(journal: Journal) -> None:
    for parent, shared in (("parent", 11), ("nobody", 1)):
        epoch = await journal.claim("fork")
        with pytest.raises(SeqConflict, match="fork at an event that is there"):
            await journal.append("fork", epoch, [forked(shared + 1, parent)])
    assert await journal.events("fork") == []
    assert [run.run for run in await journal.runs()] == ["parent"]


async def test_damage_in_the_shared_part_is_noticed_in_the_fork(tmp_path: Path) -> None:
    import sqlite3

    journal = SqliteJournal(tmp_path / "journal.db")
    await journal.append("parent", await journal.claim("parent"), [started(), *deliveries(2, 10)])
    await fork(journal, "fork", "parent", 6, 3)
    await journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute("DELETE FROM events WHERE place % 4294967296 = 4")
    connection.close()
    journal = SqliteJournal(tmp_path / "journal.db")
    with pytest.raises(CorruptEvent, match="event 4 is missing"):
        await journal.events("fork")
    await journal.close()
