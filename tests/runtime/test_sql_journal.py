"""What a journal on disk promises beyond the protocol: crashes, other processes, group commit, errors of the disk."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

import pytest

from runtime.errors import CorruptEvent, JournalError, StaleEpoch, UsageError
from runtime.journals.sql_journal import SqliteJournal
from runtime.journals.sqlite_file import explained, write_rows
from tests.runtime.journal_samples import blobs, deliveries, delivery, started

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "journal.db"


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SqliteJournal]:
    opened = SqliteJournal(path)
    yield opened
    await opened.close()


async def test_runs_are_there_after_closing_and_opening_again(path: Path) -> None:
    first = SqliteJournal(path)
    epoch = await first.claim("r")
    await first.append("r", epoch, [started(), delivery(2)], blobs("kept"))
    await first.close()
    second = SqliteJournal(path)
    assert await second.events("r") == [started(), delivery(2)]
    assert await second.blobs(blobs("kept")) == blobs("kept")
    assert await second.claim("r") == epoch + 1
    await second.close()


async def test_reading_makes_no_file(journal: SqliteJournal, path: Path) -> None:
    assert await journal.runs() == []
    assert not path.parent.exists()


async def test_runs_begin_together_but_those_that_somebody_else_has_begun(tmp_path: Path) -> None:
    one, other = (SqliteJournal(tmp_path / "journal.db") for _ in range(2))
    assert await other.begin("r7", [started()]) == 1
    epochs = await asyncio.gather(*(one.begin(f"r{number}", [started()]) for number in range(200)))
    assert [number for number, epoch in enumerate(epochs) if not epoch] == [7]
    assert len(await one.runs()) == 200
    for journal in (one, other):
        await journal.close()


async def test_appends_that_wait_together_share_one_transaction(journal: SqliteJournal) -> None:
    epochs = {f"r{number}": await journal.claim(f"r{number}") for number in range(200)}
    before = journal.commits
    await asyncio.gather(*(journal.append(run, epoch, [started()], {}) for run, epoch in epochs.items()))
    assert journal.commits - before == 2  # the first alone, for nobody waits on a timer, and the other 199


async def test_a_refused_append_does_not_touch_the_others_of_its_group(journal: SqliteJournal) -> None:
    epochs = {run: await journal.claim(run) for run in ("a", "b", "stale", "gap", "c")}
    await journal.claim("stale")
    events = {run: delivery(7) if run == "gap" else started(name=run) for run in epochs}
    before = journal.commits
    outcomes = await asyncio.gather(
        *(journal.append(run, epoch, [events[run]], {}) for run, epoch in epochs.items()), return_exceptions=True
    )
    assert [outcome and type(outcome).__name__ for outcome in outcomes] == [0, 0, "StaleEpoch", "SeqConflict", 0]
    assert journal.commits - before == 2
    assert {run.run for run in await journal.runs()} == {"a", "b", "c"}


async def test_cancelling_the_wait_does_not_take_the_append_back(journal: SqliteJournal) -> None:
    epoch = await journal.claim("r")
    waiting = asyncio.ensure_future(journal.append("r", epoch, [started()], {}))
    await asyncio.sleep(0)
    waiting.cancel()
    await journal.append("r", epoch, [delivery(2)], {})
    assert waiting.cancelled()
    assert len(await journal.events("r")) == 2


async def test_closing_waits_for_the_appends_under_way_and_refuses_later_ones(path: Path) -> None:
    journal = SqliteJournal(path)
    epoch = await journal.claim("r")
    waiting = [asyncio.ensure_future(journal.append("r", epoch, [delivery(seq)], {})) for seq in range(1, 20)]
    await asyncio.sleep(0)
    await journal.close()
    await asyncio.gather(*waiting)
    with pytest.raises(JournalError, match="closed"):
        await journal.append("r", epoch, [delivery(20)], {})
    with pytest.raises(JournalError, match="closed"):
        await journal.events("r")


def test_one_journal_serves_one_event_loop_after_another(path: Path) -> None:
    journal = SqliteJournal(path)

    async def leave_in_the_middle() -> asyncio.Future[object]:
        epoch = await journal.claim("r")
        await journal.append("r", epoch, [started()], {})
        return asyncio.ensure_future(journal.append("r", epoch, [delivery(2)], {}))

    async def go_on() -> None:
        epoch = await journal.claim("r")
        seq = len(await journal.events("r"))
        await journal.append("r", epoch, [delivery(seq + 1)], {})
        await journal.close()

    asyncio.run(leave_in_the_middle())
    asyncio.run(go_on())


async def test_of_two_claimers_the_later_one_owns_the_run(path: Path) -> None:
    one, other = SqliteJournal(path), SqliteJournal(path)
    old = await one.claim("r")
    await one.append("r", old, [started()], {})
    new = await other.claim("r")
    with pytest.raises(StaleEpoch):
        await one.append("r", old, [delivery(2)], {})
    await other.append("r", new, [delivery(2)], {})
    assert await one.events("r") == [started(), delivery(2)]
    await one.close()
    await other.close()


async def test_claims_of_many_owners_at_once_give_each_an_epoch_of_its_own(path: Path) -> None:
    journals = [SqliteJournal(path) for _ in range(8)]
    epochs = await asyncio.gather(*(journal.claim("r") for journal in journals))
    assert sorted(epochs) == list(range(1, 9))
    await asyncio.gather(*(journal.close() for journal in journals))


async def test_readers_see_a_beginning_of_the_run_at_every_moment(journal: SqliteJournal, path: Path) -> None:
    epoch = await journal.claim("r")
    await journal.append("r", epoch, [started()], {})
    reader = SqliteJournal(path)
    seen: list[int] = []

    async def read() -> None:
        while not seen or seen[-1] < 100:
            events = await reader.events("r")
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            await reader.blobs([name for event in events[1:] for name in blobs(f"text {event.seq}")])
            seen.append(len(events))

    reading = asyncio.create_task(read())
    for seq in range(2, 101):
        await journal.append("r", epoch, [delivery(seq)], blobs(f"text {seq}"))
    await reading
    assert seen == sorted(seen)
    await reader.close()


def acknowledged(lines: IO[str], count: int) -> list[tuple[str, int]]:
    """The next `count` acknowledged appends; all that are left for -1."""
    found: list[tuple[str, int]] = []
    while len(found) != count and (line := lines.readline()).endswith("\n"):
        run, seq = line.split()
        found.append((run, int(seq)))
    return found


@pytest.mark.slow
async def test_a_killed_writer_loses_nothing_that_was_acknowledged(path: Path) -> None:
    last = {"a": 0, "b": 0, "c": 0}
    for _ in range(3):
        command = [sys.executable, "-m", "tests.runtime.journal_writer", str(path), *last]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:  # noqa: ASYNC220
            assert writer.stdout is not None
            before = acknowledged(writer.stdout, 40)
            reader = SqliteJournal(path)
            assert len(await reader.events("a")) >= max(seq for run, seq in before if run == "a")
            await reader.close()
            writer.kill()
            last |= dict(before + acknowledged(writer.stdout, -1))
        await check_acknowledged(path, last)


async def check_acknowledged(path: Path, last: dict[str, int]) -> None:
    """Every run has at least its acknowledged events, each with its blob, and no gap."""
    journal = SqliteJournal(path)
    for run, seq in last.items():
        events = await journal.events(run)
        assert len(events) >= seq
        assert events == [started(name=run), *deliveries(2, len(events))]
        for event in events:
            await journal.blobs(blobs(f"{run} {event.seq}"))
    await journal.close()


async def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    database, text = tmp_path / "other.db", tmp_path / "notes.txt"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE birds (name)")
    connection.close()
    text.write_text("a list of things\n" * 100)
    for file in (database, text):
        before = file.read_bytes()
        journal = SqliteJournal(file)
        for reading_or_writing in (journal.runs(), journal.claim("r")):
            with pytest.raises(UsageError, match=r"another program's file, no journal.*give another path"):
                await reading_or_writing
        await journal.close()
        assert file.read_bytes() == before


async def test_a_newer_layout_is_refused_with_what_to_do(journal: SqliteJournal, path: Path) -> None:
    await journal.claim("r")
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=7")
    connection.close()
    newer = SqliteJournal(path)
    for reading_or_writing in (newer.events("r"), newer.claim("r")):
        with pytest.raises(UsageError, match=r"has the layout 7, this program knows up to 1; use the newer version"):
            await reading_or_writing
    await newer.close()


async def test_a_journal_that_another_process_has_locked_says_so_and_goes_on_later(path: Path) -> None:
    journal = SqliteJournal(path, busy_s=0.01)
    epoch = await journal.claim("r")
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        appends = (journal.append("r", epoch, [delivery(seq)], {}) for seq in range(1, 10))
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
        assert all(isinstance(outcome, JournalError) and "has locked it" in str(outcome) for outcome in outcomes)
        assert await journal.events("r") == []
        other.execute("ROLLBACK")
    other.close()
    await journal.append("r", epoch, [started()], {})
    assert await journal.events("r") == [started()]
    await journal.close()


async def test_an_interrupt_in_the_middle_of_a_write_leaves_nothing_of_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*written: Any) -> None:
        write_rows(*written)
        raise KeyboardInterrupt

    journal = SqliteJournal(path)
    epoch = await journal.claim("r")
    with monkeypatch.context() as patch:
        patch.setattr("runtime.journals.sqlite_writer.write_rows", interrupted)
        with pytest.raises(KeyboardInterrupt):
            await journal.append("r", epoch, [started()], blobs("lost"))
    assert await journal.events("r") == []
    await journal.append("r", epoch, [started(), delivery(2)], blobs("kept"))
    assert await journal.events("r") == [started(), delivery(2)]
    assert await journal.blobs(blobs("kept")) == blobs("kept")
    with pytest.raises(CorruptEvent):
        await journal.blobs(blobs("lost"))
    await journal.close()


async def test_a_path_that_cannot_be_made_says_what_to_check(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "journal.db", tmp_path / "folder"):
        journal = SqliteJournal(path)
        with pytest.raises(JournalError, match=r"(?i)journal .*; check (that )?its folder"):
            await journal.claim("r")
        await journal.close()


@pytest.mark.parametrize(
    ("setting", "text"),
    [("PRAGMA max_page_count=3", "the disk is full; free some space"), ("PRAGMA query_only=1", "may not be written")],
)
def test_errors_of_the_disk_say_what_to_do(path: Path, setting: str, text: str) -> None:
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE things (data)")
    connection.execute(setting)
    with pytest.raises(JournalError, match=text), explained(path):
        connection.execute("INSERT INTO things VALUES (zeroblob(100000))")
    connection.close()


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from runtime.blobs import Payload
from runtime.errors import JournalError
from runtime.journals.sql_journal import SqliteJournal
from tests.runtime.journal_samples import blobs, delivery, started

async def main():
    journal = SqliteJournal(Path(sys.argv[1]))
    epochs = {run: await journal.claim(run) for run in ("a", "big", "b")}
    await journal.append("a", 1, [started()], {})
    size = 200_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    noise = "".join(chr(0x4E00 + (i * i * 7919 + i * 31) % 20000) for i in range(200_000))
    outcomes = await asyncio.gather(
        journal.append("a", 1, [delivery(2)], {}),
        journal.append("big", 1, [started(name="big")], blobs(noise)),
        journal.append("b", 1, [started(name="b")], {}),
        return_exceptions=True,
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["int", "JournalUnavailable", "int"], outcomes
    assert "disk" in str(outcomes[1]), outcomes
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await journal.append("big", 1, [started(name="big")], blobs(noise))
    await journal.close()

asyncio.run(main())
"""


async def test_an_append_too_large_for_the_disk_fails_alone(path: Path) -> None:
    done = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-c", FULL_DISK, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    journal = SqliteJournal(path)
    assert {run.run: run.events for run in await journal.runs()} == {"a": 2, "big": 1, "b": 1}
    await journal.close()


async def test_a_copy_of_a_closed_journal_is_a_journal(path: Path, tmp_path: Path) -> None:
    journal = SqliteJournal(path)
    epoch = await journal.claim("r")
    await journal.append("r", epoch, [started()], {})
    await journal.close()
    assert [file.name for file in path.parent.iterdir()] == ["journal.db"]
    copy = SqliteJournal(Path(shutil.copy(path, tmp_path / "copy.db")))
    assert await copy.events("r") == [started()]
    await copy.close()


async def test_a_writer_sees_what_another_has_written_since_it_looked(path: Path) -> None:
    first, second = SqliteJournal(path), SqliteJournal(path)
    epoch = await first.claim("r")
    await first.append("r", epoch, [started()], blobs("kept"))
    later = await second.claim("r")
    with pytest.raises(StaleEpoch):
        await first.append("r", epoch, [delivery(2)], {})
    await second.append("r", later, [delivery(2)], {})
    epoch = await first.claim("r")
    await first.append("r", epoch, [delivery(3)], blobs("kept", "more"))
    await second.claim("other")
    assert await second.events("r") == [started(), *deliveries(2, 3)]
    assert await second.blobs(blobs("kept", "more")) == blobs("kept", "more")
    await first.close()
    await second.close()


@pytest.mark.parametrize("count", [1, 2, 255, 700])
async def test_any_number_of_rows_is_written(journal: SqliteJournal, count: int) -> None:
    epoch = await journal.claim("r")
    kept = blobs(*map(str, range(count)))
    await journal.append("r", epoch, [started(), *deliveries(2, count + 1)], kept)
    assert await journal.events("r") == [started(), *deliveries(2, count + 1)]
    assert await journal.blobs(kept) == kept


async def test_what_a_failed_transaction_would_have_written_is_not_taken_for_written(
    journal: SqliteJournal, path: Path
) -> None:
    epoch = await journal.claim("r")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(JournalError):
        await journal.append("r", epoch, [started()], blobs("kept"))
    other.execute("DROP TRIGGER full")
    await journal.append("r", epoch, [started()], blobs("kept"))
    assert await journal.events("r") == [started()]
    assert await journal.blobs(blobs("kept")) == blobs("kept")
    other.close()
