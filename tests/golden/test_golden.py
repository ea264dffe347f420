"""Every golden journal replays, but for the one whose code was careless; and the formats are still what they were."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runtime import codec, export_file
from runtime.errors import CorruptEvent, UsageError
from runtime.events import FORMAT_VERSION, DeliveryStarted, RunForked, StepCompleted
from runtime.export import export_bytes, import_bytes
from runtime.export_file import unpacked
from runtime.journal import MemoryJournal
from runtime.replay import Diverged, replay
from runtime.sql_journal import SqliteJournal
from tests.golden.make import FOLDER, NAMES


async def imported(name: str) -> MemoryJournal:
    journal = MemoryJournal()
    file = FOLDER / f"{name}.run"
    await import_bytes(journal, file.read_bytes(), str(file))
    return journal


@pytest.mark.parametrize("name", [name for name in NAMES if name != "careless"])
async def test_a_golden_run_replays_without_a_difference(name: str) -> None:
    journal = await imported(name)
    replayed = await replay(journal, name)
    assert replayed.events == len(await journal.events(name))
    assert replayed.end == "done"


async def test_the_careless_run_stops_where_the_machines_clock_went_into_an_answer() -> None:
    journal = await imported("careless")
    with pytest.raises(Diverged) as caught:
        await replay(journal, "careless")
    assert caught.value.divergence.cause == "message"
    assert "answer.data.total" in caught.value.divergence.difference[0]


async def test_a_journals_own_file_is_still_read(tmp_path: Path) -> None:
    shutil.copy(FOLDER / "plain.db", tmp_path / "plain.db")
    journal = SqliteJournal(tmp_path / "plain.db")
    assert (await replay(journal, "plain")).end == "done"
    assert await journal.events("plain") == await (await imported("plain")).events("plain")
    await journal.close()


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_written_today_is_what_was_written_then(name: str) -> None:
    before = (FOLDER / f"{name}.run").read_bytes()
    versions = unpacked(before, name).versions
    _, now = await export_bytes(await imported(name), name, versions=versions)
    assert now == before, "the format has changed: give it a new version, and an upgrade from this one"


async def test_the_golden_runs_hold_what_they_are_named_for() -> None:
    fork = await (await imported("fork")).events("fork")
    assert [event.seq for event in fork if isinstance(event, RunForked)]
    faulty = await (await imported("faulty")).events("faulty")
    assert [event for event in faulty if isinstance(event, StepCompleted) and event.failure is not None]
    started = [event for event in faulty if isinstance(event, DeliveryStarted) and event.agent.type == "clerk"]
    assert len(started) == 4, "it was planned again"


async def test_a_run_of_an_older_format_is_upgraded_on_reading_and_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the present format were the next one."""
    seen: list[str] = []

    def upgrade(fields: codec.JsonObject) -> codec.JsonObject:
        seen.append(fields["event"])
        return {**fields, "headers": {}} if fields["event"] == "message_sent" else fields

    for module in (codec, export_file):
        monkeypatch.setattr(module, "FORMAT_VERSION", FORMAT_VERSION + 1)
    monkeypatch.setattr(codec, "UPGRADES", {**codec.UPGRADES, FORMAT_VERSION: upgrade})
    assert (await replay(await imported("plain"), "plain")).end == "done"
    assert "message_sent" in seen and "run_started" in seen


async def test_a_run_of_a_newer_format_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (codec, export_file):
        monkeypatch.setattr(module, "FORMAT_VERSION", FORMAT_VERSION - 1)
    with pytest.raises(UsageError, match="use the newer version of Repertory that wrote it"):
        await imported("plain")


def test_a_first_event_without_a_format_is_refused() -> None:
    data = b'{"event":"run_started","name":"n","builder":"b","spec":"","routes":"","versions":{},"seq":1,"at":0.0}'
    with pytest.raises(CorruptEvent, match="its first event states no format"):
        codec.decode_event(data, run="r", seq=1)
