"""Runs whose journal cannot be used for a while stand still, say why, and lose nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from runtime import engine
from runtime.codec import Json
from runtime.errors import JournalError, JournalUnavailable
from runtime.events import AnyEvent, Digest, RunCompleted
from runtime.journal import Journal, MemoryJournal
from runtime.journals.journal_address import journal_address, open_journal
from runtime.journals.patience import PatientJournal
from runtime.journals.postgres_journal import PostgresJournal
from runtime.local import LocalEngine
from runtime.performance import recorded_performance
from runtime.replay import replay
from tests.postgres_proxy import losing
from tests.postgres_server import PostgresServer
from tests.runtime.journal_samples import delivery, started
from tests.runtime.teams import performance

ROOT = Path(__file__).parents[2]


class FlakyJournal(MemoryJournal):
    """Cannot be reached at every other append: half of those are made all the same, and only the answer is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    async def append(
        self, run: str, epoch: int, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}
    ) -> None:
        self.calls += 1
        if self.calls % 4 != 1:
            await super().append(run, epoch, events, blobs)
        if self.calls % 2:
            raise JournalUnavailable("the journal is away")

    async def begin(self, run: str, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}) -> int:
        epoch = await self.claim(run)
        await super().append(run, epoch, events, blobs)
        return epoch


async def checked(journal: Journal, answer: Json, expected: Json) -> None:
    """The run of the journal is whole, and replays, and its answer is the expected one."""
    events = await journal.events("run")
    assert answer == expected
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], RunCompleted)
    await replay(journal, "run")


async def undisturbed(recipient: str) -> Json:
    return await LocalEngine(MemoryJournal()).perform(performance("run", recipient))


@pytest.mark.parametrize("minded_after_s", [0.0, 60.0])
async def test_a_journal_that_comes_and_goes_changes_nothing_but_the_time(
    monkeypatch: pytest.MonkeyPatch, minded_after_s: float
) -> None:
    monkeypatch.setattr(engine, "MINDED_AFTER_S", minded_after_s)
    journal, said = FlakyJournal(), list[str]()
    ordered = replace(performance("run", "ping"), on_pause=said.append)
    await checked(journal, await LocalEngine(journal).perform(ordered), await undisturbed("ping"))
    assert journal.calls > 3
    assert said[:2] == ([] if minded_after_s else ["the journal is away", ""])


async def test_what_does_not_pass_is_not_waited_for() -> None:
    class Closed(MemoryJournal):
        async def append(
            self, run: str, epoch: int, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}
        ) -> None:
            raise JournalError("closed for good")

    with pytest.raises(JournalError, match="closed for good"):
        await PatientJournal(Closed()).append("run", 1, [started()])


async def test_a_run_does_not_begin_without_its_journal() -> None:
    class Away(MemoryJournal):
        async def begin(self, run: str, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}) -> int:
            raise JournalUnavailable("the journal is away")

    with pytest.raises(JournalUnavailable):
        await LocalEngine(Away()).perform(performance("run", "ping"))


class CrashingJournal(PostgresJournal):
    """Its server crashes just before the third append."""

    def __init__(self, server: PostgresServer) -> None:
        super().__init__(server.new_database())
        self._server = server
        self._appends = 0

    async def append(
        self, run: str, epoch: int, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes] = {}
    ) -> None:
        self._appends += 1
        if self._appends == 3:
            self._server.stop()
        await super().append(run, epoch, events, blobs)


@pytest.mark.postgres
@pytest.mark.parametrize("recipient", ["boss", "both", "ping"])
async def test_a_run_goes_on_when_its_server_has_come_back(postgres_server: PostgresServer, recipient: str) -> None:
    journal, said = CrashingJournal(postgres_server), list[str]()

    def on_pause(why: str) -> None:
        said.append(why)
        if why:
            postgres_server.start()

    ordered = replace(performance("run", recipient), on_pause=on_pause)
    answer = await LocalEngine(journal).perform(ordered)
    expected = await undisturbed(recipient)
    times = {key: value for key, value in answer.items() if key == "time"} if isinstance(answer, Mapping) else {}
    await checked(journal, answer, {**expected, **times} if isinstance(expected, Mapping) else expected)
    assert len(said) == 2
    assert "the server cannot be reached" in said[0]
    await journal.close()


@pytest.mark.postgres
async def test_a_server_that_crashes_again_and_again_loses_nothing(postgres_server: PostgresServer) -> None:
    inner = open_journal(postgres_server.new_database())
    journal = PatientJournal(inner)
    epoch = await journal.claim("r")
    acknowledged, enough = asyncio.Event(), asyncio.Event()
    seqs: list[int] = []

    async def fill() -> None:
        while not enough.is_set():
            seq = len(seqs) + 1
            await journal.append("r", epoch, [started() if seq == 1 else delivery(seq)])
            seqs.append(seq)
            acknowledged.set()

    filling = asyncio.create_task(fill())
    for _ in range(3):
        acknowledged.clear()
        await acknowledged.wait()
        await asyncio.to_thread(postgres_server.restart)
        known = set(seqs)
        assert {event.seq for event in await journal.events("r")} >= known
    enough.set()
    await filling
    assert [event.seq for event in await journal.events("r")] == seqs
    await journal.close()


@pytest.mark.postgres
@pytest.mark.parametrize("at", [3, 4, 6, 8])
async def test_an_append_whose_answer_was_lost_is_known_again(
    postgres_server: PostgresServer, tmp_path: Path, at: int
) -> None:
    direct = postgres_server.new_database()
    async with losing(postgres_server.folder, tmp_path, at=at) as proxy:
        journal = open_journal(journal_address(direct.url.replace(str(postgres_server.folder), str(tmp_path))))
        said: list[str] = []
        ordered = replace(performance("run", "ping"), on_pause=said.append)
        answer = await LocalEngine(journal).perform(ordered)
        assert proxy.has_lost
        await journal.close()
    reader = open_journal(direct)
    await checked(reader, answer, await undisturbed("ping"))
    await reader.close()


@pytest.mark.postgres
async def test_a_paused_run_can_be_stopped_and_resumed(postgres_server: PostgresServer) -> None:
    journal, paused = CrashingJournal(postgres_server), asyncio.Event()

    def on_pause(_: str) -> None:
        paused.set()

    ordered = replace(performance("run", "ping"), on_pause=on_pause)
    run = asyncio.create_task(LocalEngine(journal).perform(ordered))
    await paused.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await journal.close()
    postgres_server.start()
    again = open_journal(journal.address)
    answer = await LocalEngine(again).perform(await recorded_performance(again, "run"))
    await checked(again, answer, await undisturbed("ping"))
    await again.close()


FULL_DISK = """
import asyncio, resource, sys
from dataclasses import replace
from pathlib import Path
from runtime.performance import recorded_performance
from runtime.local import LocalEngine
from runtime.journals.sql_journal import SqliteJournal
from tests.runtime.teams import performance

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

class FillingJournal(SqliteJournal):
    appends = 0

    async def append(self, run, epoch, events, blobs={}):
        self.appends += 1
        if self.appends == 3:
            limit(self.path.with_name("journal.db-wal").stat().st_size)  # the log cannot grow: no room is left
        await super().append(run, epoch, events, blobs)

async def main(path, stop):
    journal = FillingJournal(path)

    def on_pause(why):
        print(why or "goes on", flush=True)
        if stop:
            performing.cancel()
        elif why:
            limit(resource.RLIM_INFINITY)

    ordered = replace(performance("run", "boss"), on_pause=on_pause)
    performing = asyncio.create_task(LocalEngine(journal).perform(ordered))
    try:
        await performing
    except asyncio.CancelledError:
        print("stopped", flush=True)
        limit(resource.RLIM_INFINITY)
        await journal.close()
        journal = SqliteJournal(path)
        await LocalEngine(journal).perform(await recorded_performance(journal, "run"))
    await journal.close()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2] == "stop"))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("way", "last"), [("go on", "goes on"), ("stop", "stopped")])
async def test_a_full_disk_stops_a_run_until_there_is_room_or_it_is_resumed(
    tmp_path: Path, way: str, last: str
) -> None:
    path = tmp_path / "journal.db"
    done = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-c", FULL_DISK, str(path), way], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert "check the disk, its room and its quota" in said[0] or "the disk is full" in said[0]
    assert said[-1] == last
    journal = open_journal(path)
    events = await journal.events("run")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[-1], RunCompleted)
    await replay(journal, "run")
    await journal.close()
