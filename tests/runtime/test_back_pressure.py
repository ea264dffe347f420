"""An agent that cannot keep up slows those who send to it; nothing is lost, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from runtime.codec import Json
from runtime.events import DeliveryStarted, MessagePublished, MessageSent, StepCompleted
from runtime.hosting.delivery import WINDOW
from runtime.journal import MemoryJournal
from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine
from runtime.mail_book import MAILBOX_LIMIT
from runtime.replay import replay
from tests.runtime.flood import GATES, HEARD, Flood, performance

MANY = MAILBOX_LIMIT + 2 * WINDOW


@pytest.fixture(autouse=True)
async def fresh() -> None:
    GATES[:] = [asyncio.Event()]
    HEARD.clear()


async def sent_at_rest(journal: MemoryJournal, performing: asyncio.Task[Json]) -> int:
    """How many messages have been sent, when there are many and none has come for many turns."""
    sent = quiet = seen = 0
    while sent <= MAILBOX_LIMIT or quiet < 1000:
        await asyncio.sleep(0)
        if performing.done():
            await performing
        found = await journal.events("run", seen)
        seen += len(found)
        sent += sum(isinstance(event, MessagePublished | MessageSent) for event in found)
        quiet = 0 if found else quiet + 1
    return sent - 1


@pytest.mark.slow
@pytest.mark.parametrize("how", ["publish", "send"])
async def test_a_sender_waits_until_the_slow_one_has_room_and_nothing_is_lost(how: str) -> None:
    journal = MemoryJournal()
    performing = asyncio.create_task(LocalEngine(journal).perform(performance(Flood(MANY, how))))
    assert await sent_at_rest(journal, performing) <= MAILBOX_LIMIT + WINDOW, "the sender waits"
    assert not HEARD
    GATES[0].set()
    assert await performing == MANY
    assert list(range(MANY)) == HEARD
    await replay(journal, "run")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["ask back", "self"])
async def test_nobody_waits_for_room_where_the_full_one_waits_for_the_sender(how: str) -> None:
    GATES[0].set()
    journal = MemoryJournal()
    async with asyncio.timeout(50):
        assert await LocalEngine(journal).perform(performance(Flood(MANY, how))) == MANY
    assert sorted(HEARD) == list(range(MANY))
    await replay(journal, "run")


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_thousands_of_large_messages_do_not_stay_in_memory(tmp_path: Path) -> None:
    count, size = 1_500, 150_000
    journal = SqliteJournal(tmp_path / "journal.db")
    GATES[0].set()
    tracemalloc.start()
    try:
        assert await LocalEngine(journal).perform(performance(Flood(count, "publish", size))) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert list(range(count)) == HEARD
    events = Counter(type(event) for event in await journal.events("run"))
    await journal.close()
    assert events[DeliveryStarted] == count + 1
    assert events[StepCompleted] > count // WINDOW - 1
    assert peak < 170_000_000 < count * size, "the journal's cache of payloads, a window of messages, and little else"
