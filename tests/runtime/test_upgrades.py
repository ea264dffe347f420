"""Old formats are read as the present one, step by step; newer ones are refused before anything of them is believed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from runtime import codec, export_file, upgrades
from runtime.codec import decode_event, encode_event
from runtime.errors import CorruptEvent, UsageError
from runtime.events import FORMAT_VERSION, RunStarted
from runtime.export import export_bytes, import_bytes
from runtime.journal import MemoryJournal
from runtime.journals import sql_rows
from runtime.journals.sql_journal import SqliteJournal
from runtime.upgrades import UPGRADES, JsonObject, upgraded
from runtime.versions import versions
from tests.golden.make import FOLDER
from tests.golden.stored import stored_events
from tests.runtime.journal_samples import delivery, one_of_each, started


@contextmanager
def program_of(version: int, steps: dict[int, upgrades.Upgrade] | None = None) -> Generator[None]:
    """As if this program were that of another format version."""
    with pytest.MonkeyPatch.context() as other:
        for module in (codec, export_file, sql_rows, upgrades):
            if hasattr(module, "FORMAT_VERSION"):
                other.setattr(module, "FORMAT_VERSION", version)
        other.setattr(upgrades, "UPGRADES", {**UPGRADES, **(steps or {})})
        yield


def test_every_older_version_has_its_step() -> None:
    assert sorted(UPGRADES) == list(range(1, FORMAT_VERSION))


def test_an_upgrade_goes_step_by_step() -> None:
    def rename(event: JsonObject) -> JsonObject:
        return {**event, "event": "delivery_started"}

    def fill(event: JsonObject) -> JsonObject:
        return {**event, "agent": {"type": "critic", "key": "beijing"}}

    old = b'{"event":"handler_began","delivery":"d4","message":"m4","seq":4,"at":104.0}'
    with program_of(FORMAT_VERSION + 2, {FORMAT_VERSION: rename, FORMAT_VERSION + 1: fill}):
        assert decode_event(old, run="r", seq=4, version=FORMAT_VERSION) == delivery(4)


@pytest.mark.parametrize("event", one_of_each(), ids=lambda event: type(event).__name__)
def test_an_upgrade_changes_nothing_that_is_given_to_it_and_gives_an_event_of_today(event: object) -> None:
    fields: JsonObject = msgspec.to_builtins(event)
    before = msgspec.json.encode(fields)
    for version in range(1, FORMAT_VERSION + 1):
        assert upgraded(fields, version)["event"] == fields["event"]
        assert msgspec.json.encode(fields) == before


@pytest.mark.parametrize("file", sorted((FOLDER / "v1").glob("*.run")), ids=lambda file: file.stem)
def test_the_events_of_version_1_are_read_as_they_were(file: Path) -> None:
    for seq, data in enumerate(stored_events(file), start=1):
        event = decode_event(data, run="r", seq=seq, version=1)
        now: JsonObject = msgspec.json.decode(encode_event(event))
        then: JsonObject = msgspec.json.decode(data)
        assert {**now, "format": 1} == {**then, "format": 1}
        if isinstance(event, RunStarted):
            assert (then["format"], event.format) == (1, FORMAT_VERSION)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


async def begun_by_an_older_program(path: Path) -> None:
    """A journal with a run of two events of version 1, in which an event has another name."""
    journal = SqliteJournal(path)
    epoch = await journal.claim("run")
    with program_of(1):
        await journal.append("run", epoch, [msgspec.structs.replace(started(), format=1), delivery(2)])
    await journal.append("run", epoch, [delivery(3)])
    await journal.append("run", epoch, [delivery(4)])
    await journal.close()


async def test_a_run_that_an_older_program_began_goes_on_in_the_present_format(path: Path) -> None:
    await begun_by_an_older_program(path)
    journal = SqliteJournal(path)
    assert await journal.events("run") == [started(), delivery(2), delivery(3), delivery(4)]
    assert await journal.events("run", after=2) == [delivery(3), delivery(4)]
    await journal.close()


async def test_only_what_the_older_program_wrote_is_upgraded(path: Path) -> None:
    await begun_by_an_older_program(path)
    seen: list[int] = []

    def note(event: JsonObject) -> JsonObject:
        seen.append(event["seq"])
        return event

    journal = SqliteJournal(path)
    with program_of(FORMAT_VERSION, {1: note}):
        await journal.events("run")
    await journal.close()
    assert seen == [1, 2]


async def test_the_older_program_refuses_what_a_newer_one_went_on_with(path: Path) -> None:
    await begun_by_an_older_program(path)
    journal = SqliteJournal(path)
    with program_of(1), pytest.raises(CorruptEvent, match=r"event.* have format 2, this program reads 1 to 1; use the"):
        await journal.events("run", after=2)
    epoch = await journal.claim("run")
    with program_of(1), pytest.raises(CorruptEvent, match="use the newer version of Repertory that wrote it"):
        await journal.append("run", epoch, [delivery(5)])
    assert len(await journal.events("run")) == 4, "nothing was changed"
    await journal.close()


async def test_an_export_of_an_older_run_is_of_the_present_format_and_whole() -> None:
    journal = MemoryJournal()
    await import_bytes(journal, (FOLDER / "v1" / "plain.run").read_bytes(), "plain.run")
    _, data = await export_bytes(journal, "plain", versions=versions())
    other = MemoryJournal()
    await import_bytes(other, data, "again.run")
    assert await other.events("plain") == await journal.events("plain")


async def test_an_export_of_a_newer_format_is_refused_with_what_to_do() -> None:
    journal, file = MemoryJournal(), FOLDER / f"v{FORMAT_VERSION}" / "plain.run"
    with (
        program_of(FORMAT_VERSION - 1),
        pytest.raises(UsageError, match="use the newer version of Repertory that wrote"),
    ):
        await import_bytes(journal, file.read_bytes(), str(file))
    assert await journal.runs() == []


def test_a_first_event_without_a_format_is_refused() -> None:
    data = b'{"event":"run_started","name":"n","builder":"b","spec":"","routes":"","versions":{},"seq":1,"at":0.0}'
    with pytest.raises(CorruptEvent, match="its first event states no format"):
        decode_event(data, run="r", seq=1)
