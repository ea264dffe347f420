"""What was not written is never read: damage of any kind is noticed, and the error says where it is."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from runtime.errors import CorruptEvent, RepertoryError
from runtime.events import AnyEvent
from runtime.journal import Journal
from runtime.journals.sql_journal import SqliteJournal
from runtime.reading.run_summary import RunSummary
from tests.runtime.journal_samples import blobs, deliveries, started

LONG = "the text is long " * 20
BLOBS = blobs("short", LONG, f"a second {LONG}")


Reading = list[AnyEvent] | dict[str, bytes] | list[RunSummary]


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A closed journal with the runs a and b, of 30 events each."""
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    for run in ("a", "b"):
        epoch = await journal.claim(run)
        await journal.append(run, epoch, [started(name=run), *deliveries(2, 30)], BLOBS)
    await journal.close()
    return path


async def readings(path: Path) -> list[Reading | BaseException]:
    """All that can be read of the journal, each thing by itself, or the error that it raises."""
    journal = SqliteJournal(path)
    try:
        found = await asyncio.gather(
            journal.events("a"),
            journal.events("b", after=29),
            journal.blobs(BLOBS),
            journal.runs(),
            return_exceptions=True,
        )
        return [*found]
    finally:
        await journal.close()


def change(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement, values)
    connection.close()


def flips(path: Path) -> Iterator[int]:
    """Makes the file differ from the original in one bit, of one byte in 41; gives the place of each."""
    original = path.read_bytes()
    for place in range(0, len(original), 41):
        path.write_bytes(original[:place] + bytes([original[place] ^ (1 << place % 8)]) + original[place + 1 :])
        yield place


def is_error(found: Reading | BaseException) -> bool:
    """Whether damage was noticed: by an error, or by a list of runs that says of which run it is."""
    if isinstance(found, list):
        return any(isinstance(run, RunSummary) and run.status == "damaged" for run in found)
    return isinstance(found, RepertoryError)


def truncate(path: Path, part: float) -> None:
    original = path.read_bytes()
    path.write_bytes(original[: int(len(original) * part)])


@pytest.mark.slow
async def test_no_flipped_bit_of_the_file_goes_unnoticed(path: Path) -> None:
    intact = await readings(path)
    noticed = 0
    for place in flips(path):
        for found, expected in zip(await readings(path), intact, strict=True):
            assert is_error(found) or found == expected, f"byte {place}"
            noticed += is_error(found)
    assert noticed > 100


FIRST_OF_A, FIRST_OF_B = 2**32, 2 * 2**32


@pytest.mark.parametrize(
    ("statement", "place", "text"),
    [
        ("DELETE FROM events WHERE place = ?", 7, "event 7 is missing"),
        ("DELETE FROM events WHERE place = ?", 1, "event 1 is missing"),
        ("DELETE FROM events WHERE place >= ? AND place < 2 * 4294967296", 25, "event 25 is missing: the run has 30"),
        ("DELETE FROM events WHERE place >= ? AND place < 2 * 4294967296", 1, "event 1 is missing: the run has 30"),
        ("UPDATE events SET data = x'00' || data WHERE place = ?", 9, "event 9 is damaged"),
        ("UPDATE events SET data = 5 WHERE place = ?", 9, "event 9 is damaged"),
        ("UPDATE events SET sum = x'0102030405060708' WHERE place = ?", 30, "event 30 is damaged"),
        ("UPDATE events SET place = place + 40 WHERE place = ?", 30, "event 30 is missing"),
    ],
)
async def test_a_changed_row_is_noticed_where_it_is(path: Path, statement: str, place: int, text: str) -> None:
    change(path, statement, FIRST_OF_A + place)
    journal: Journal = SqliteJournal(path)
    with pytest.raises(CorruptEvent, match=f"run a: {text}.*restore the journal") as caught:
        await journal.events("a")
    assert (caught.value.run, caught.value.seq) == ("a", place)
    assert len(await journal.events("b")) == 30
    await journal.close()


async def test_rows_of_another_run_or_another_past_are_noticed(path: Path) -> None:
    change(path, "DELETE FROM events WHERE place < ?", FIRST_OF_B)
    change(path, "UPDATE events SET place = place - ?", FIRST_OF_B - FIRST_OF_A)
    journal = SqliteJournal(path)
    with pytest.raises(CorruptEvent, match="run a: event 1 is damaged"):
        await journal.events("a")
    await journal.close()


async def test_a_last_event_from_another_past_is_noticed(path: Path) -> None:
    change(path, "UPDATE runs SET state = (SELECT state FROM runs WHERE run = 'a') WHERE run = 'b'")
    journal = SqliteJournal(path)
    with pytest.raises(CorruptEvent, match="is that of run a"):
        await journal.events("b")
    assert [(run.run, run.status) for run in await journal.runs()] == [("a", "running"), ("b", "damaged")]
    await journal.close()


async def test_damage_before_the_part_that_is_read_does_not_hinder(path: Path) -> None:
    change(path, "UPDATE events SET data = x'00' WHERE place = ?", FIRST_OF_A + 5)
    journal = SqliteJournal(path)
    assert len(await journal.events("a", after=6)) == 24
    await journal.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM blobs WHERE digest = ?",
        "UPDATE blobs SET data = x'' WHERE digest = ?",
        "UPDATE blobs SET data = x'00' || data WHERE digest = ?",
        "UPDATE blobs SET data = x'ff' || data WHERE digest = ?",
        "UPDATE blobs SET data = 5 WHERE digest = ?",
        "UPDATE blobs SET data = substr(data, 1, length(data) - 1) WHERE digest = ?",
        "UPDATE blobs SET has_texts = 1 - has_texts WHERE digest = ?",
    ],
)
async def test_a_changed_blob_is_noticed(path: Path, statement: str) -> None:
    name = list(BLOBS)[1]
    change(path, statement, bytes.fromhex(name))
    journal = SqliteJournal(path)
    with pytest.raises(CorruptEvent, match=f"blob {name} is "):
        await journal.blob(name)
    await journal.close()


async def test_a_text_that_blobs_share_is_noticed_when_it_is_damaged(path: Path) -> None:
    change(path, "DELETE FROM blobs WHERE digest NOT IN (?, ?, ?)", *map(bytes.fromhex, BLOBS))
    journal = SqliteJournal(path)
    with pytest.raises(CorruptEvent, match="is not in the journal"):
        await journal.blob(list(BLOBS)[1])
    await journal.close()


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
async def test_a_truncated_file_is_noticed(path: Path, part: float) -> None:
    truncate(path, part)
    assert any(isinstance(found, RepertoryError) for found in await readings(path))


async def test_appending_to_a_damaged_run_is_refused(path: Path) -> None:
    change(path, "UPDATE runs SET state = x'00' || state WHERE run = 'a'")
    journal = SqliteJournal(path)

    async def refused(work: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(CorruptEvent, match="the run's own row"):
            await work()

    await refused(lambda: journal.claim("a"))
    await refused(lambda: journal.append("a", 1, deliveries(31, 31), {}))
    assert await journal.claim("b") == 2
    await journal.close()
