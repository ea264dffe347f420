"""Every golden journal replays, of every version, but for the careless ones; and the format is still what it was."""

from __future__ import annotations

import shutil
from difflib import unified_diff
from pathlib import Path

import pytest

from runtime.codec import format_of
from runtime.events import FORMAT_VERSION, AnyEvent, DeliveryStarted, RunForked, RunStarted, StepCompleted
from runtime.export import export_bytes, import_bytes
from runtime.export_file import unpacked
from runtime.journal import MemoryJournal
from runtime.journals.sql_journal import SqliteJournal
from runtime.replay import Diverged, replay
from tests.golden.make import FOLDER, NAMES, SCHEMA
from tests.golden.schema import schema_bytes
from tests.golden.stored import stored_events

VERSIONS = [f"v{version}" for version in range(1, FORMAT_VERSION + 1)]
PRESENT = FOLDER / VERSIONS[-1]

each_version = pytest.mark.parametrize("version", VERSIONS)


async def imported(version: str, name: str) -> MemoryJournal:
    journal = MemoryJournal()
    file = FOLDER / version / f"{name}.run"
    await import_bytes(journal, file.read_bytes(), str(file))
    return journal


@each_version
@pytest.mark.parametrize("name", [name for name in NAMES if name != "careless"])
async def test_a_golden_run_replays_without_a_difference(version: str, name: str) -> None:
    journal = await imported(version, name)
    replayed = await replay(journal, name)
    assert replayed.events == len(await journal.events(name))
    assert replayed.end == "done"


@each_version
async def test_the_careless_run_stops_where_the_machines_clock_went_into_an_answer(version: str) -> None:
    journal = await imported(version, "careless")
    with pytest.raises(Diverged) as caught:
        await replay(journal, "careless")
    assert caught.value.divergence.cause == "message"
    assert "answer.data.total" in caught.value.divergence.difference[0]


@each_version
async def test_a_journals_own_file_is_still_read(version: str, tmp_path: Path) -> None:
    shutil.copy(FOLDER / version / "plain.db", tmp_path / "plain.db")
    journal = SqliteJournal(tmp_path / "plain.db")
    assert (await replay(journal, "plain")).end == "done"
    assert await journal.events("plain") == await (await imported(version, "plain")).events("plain")
    await journal.close()


@each_version
@pytest.mark.parametrize("name", NAMES)
def test_a_golden_run_is_written_in_its_version_and_read_as_one_of_the_present(version: str, name: str) -> None:
    file = FOLDER / version / f"{name}.run"
    assert f"v{format_of(stored_events(file)[0])}" == version
    first: AnyEvent = unpacked(file.read_bytes(), name).events[0]
    assert isinstance(first, RunStarted)
    assert first.format == FORMAT_VERSION


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_written_today_is_what_was_written_then(name: str) -> None:
    before = (PRESENT / f"{name}.run").read_bytes()
    versions = unpacked(before, name).versions
    _, now = await export_bytes(await imported(PRESENT.name, name), name, versions=versions)
    assert now == before, "the format has changed; runtime/upgrades.py says what is to be done"


def test_the_events_have_the_classes_of_their_version() -> None:
    kept, now = (PRESENT / SCHEMA).read_text(), schema_bytes().decode()
    changes = list(unified_diff(kept.splitlines(), now.splitlines(), "then", "now", lineterm="", n=3))
    assert not changes, "\n".join(["runtime/events.py has changed: do what runtime/upgrades.py says", *changes])


@each_version
async def test_the_golden_runs_hold_what_they_are_named_for(version: str) -> None:
    fork = await (await imported(version, "fork")).events("fork")
    assert [event.seq for event in fork if isinstance(event, RunForked)]
    faulty = await (await imported(version, "faulty")).events("faulty")
    assert [event for event in faulty if isinstance(event, StepCompleted) and event.failure is not None]
    started = [event for event in faulty if isinstance(event, DeliveryStarted) and event.agent.type == "clerk"]
    assert len(started) == 4, "it was planned again"
