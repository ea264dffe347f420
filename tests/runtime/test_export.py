"""One run in one file: whole, without secrets, and refused where anything about it is odd."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from runtime import export_file
from runtime.codec import encode_event
from runtime.errors import UsageError
from runtime.events import StepCompleted, StepStarted
from runtime.export import export, export_bytes, import_bytes
from runtime.export_file import Exported, packed
from runtime.journal import MemoryJournal
from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine
from runtime.replay import replay
from tests.runtime.teams import performance

KEY = "a-very-secret-key"


async def performed(recipient: str = "boss") -> MemoryJournal:
    journal = MemoryJournal()
    await LocalEngine(journal).perform(performance("run", recipient))
    return journal


async def test_an_exported_run_replays_from_another_journal(tmp_path: Path) -> None:
    journal = await performed()
    exported, data = await export_bytes(journal, "run", versions={"python": "3"})
    other = SqliteJournal(tmp_path / "journal.db")
    imported = await import_bytes(other, data, "file")
    assert (imported.run, imported.is_new, imported.events) == ("run", True, len(exported.events))
    assert await other.events("run") == await journal.events("run")
    assert (await replay(other, "run")).events == len(exported.events)
    again, same = await export_bytes(other, "run", versions={"python": "3"})
    assert same == data
    assert again == exported
    await other.close()


async def test_the_same_run_may_be_imported_again_and_another_of_its_id_may_not() -> None:
    journal = await performed()
    _, data = await export_bytes(journal, "run", versions={})
    assert not (await import_bytes(journal, data, "file")).is_new
    other = await performed("echo")
    before = await other.events("run")
    with pytest.raises(UsageError, match="is in the journal already and is another one"):
        await import_bytes(other, data, "file")
    assert await other.events("run") == before


async def test_an_unknown_run_cannot_be_exported() -> None:
    with pytest.raises(UsageError, match="there is no run 'other'"):
        await export(await performed(), "other", versions={})


async def test_secrets_are_taken_out_and_the_run_still_replays() -> None:
    journal = MemoryJournal()
    await LocalEngine(journal).perform(performance("run", "leaky", {"key": KEY}))
    exported, data = await export_bytes(journal, "run", secrets=[KEY], versions={})
    assert exported.redacted
    inside = b"".join([*exported.blobs.values(), *map(encode_event, exported.events)])
    assert KEY.encode() not in inside
    assert b"[secret]" in inside
    before = [event for event in await journal.events("run") if isinstance(event, StepStarted)]
    after = [event for event in exported.events if isinstance(event, StepStarted)]
    assert [one.step == other.step for one, other in zip(before, after, strict=True)] == [False, True, False]
    other = MemoryJournal()
    await import_bytes(other, data, "file")
    assert (await replay(other, "run")).tool_calls == 3


async def test_what_looks_like_a_key_is_taken_out_without_being_known() -> None:
    journal = MemoryJournal()
    token = "sk-" + "abcdef0123456789" * 2
    await LocalEngine(journal).perform(performance("run", "echo", {"text": f"my key is {token}"}))
    exported = await export(journal, "run", versions={})
    assert not any(token.encode() in blob for blob in exported.blobs.values())


def resealed(exported: Exported, change: Callable[[bytes], bytes]) -> bytes:
    """The file with other contents and a checksum that fits them."""
    line, _, body = packed(exported).partition(b"\n")
    body = zlib.compress(change(zlib.decompress(body)))
    found = hashlib.blake2b(body, digest_size=32).hexdigest().encode()
    return b" ".join([*line.split(b" ")[:2], found]) + b"\n" + body


async def refused(data: bytes, match: str) -> None:
    journal = MemoryJournal()
    with pytest.raises(UsageError, match=match):
        await import_bytes(journal, data, "file")
    assert await journal.runs() == []


async def test_a_file_that_is_not_what_was_written_is_refused() -> None:
    exported = await export(await performed(), "run", versions={})
    data = packed(exported)
    await refused(b"", "found another kind of file")
    await refused(b"PK\x03\x04" + data, "found another kind of file")
    await refused(data[:-1], "do not fit its checksum")
    await refused(data[:200] + bytes([data[200] ^ 1]) + data[201:], "do not fit its checksum")
    await refused(data.replace(b"repertory-run 1 ", b"repertory-run 2 ", 1), "newer version of Repertory")


async def test_a_file_that_was_made_up_is_refused() -> None:
    exported = await export(await performed(), "run", versions={})
    events, blobs = exported.events, exported.blobs
    await refused(resealed(exported, lambda body: body[:-1]), "half a record")
    await refused(resealed(exported, lambda body: body + b"B\0\0\0\1x"), "as its head says")
    await refused(resealed(exported, lambda body: b"E" + body[1:]), "expected the head")
    await refused(packed(replace(exported, run="../up")), "the run id")
    await refused(packed(replace(exported, events=events[:3] + events[4:])), "says that it is event")
    await refused(packed(replace(exported, events=events[1:])), "says that it is event")
    await refused(packed(replace(exported, blobs=dict(list(blobs.items())[1:]))), "1 blobs missing")
    await refused(packed(replace(exported, blobs={**blobs, "0" * 32: b'"more"'})), "nothing names")
    await refused(packed(replace(exported, blobs={**blobs, "0" * 32: b"\xff"})), "no JSON")
    started = next(event for event in events if isinstance(event, StepStarted))
    lost = msgspec.structs.replace(
        next(event for event in events if isinstance(event, StepCompleted)), delivery=started.delivery + "0"
    )
    odd = [lost if event.seq == lost.seq else event for event in events]
    await refused(packed(replace(exported, events=odd)), "without what it follows from")


async def test_a_file_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    exported = await export(await performed(), "run", versions={})
    monkeypatch.setattr(export_file, "MAX_UNPACKED_BYTES", 1 << 22)
    await refused(resealed(exported, lambda body: body + b"B\1\0\0\0" + bytes(1 << 24)), "more than 4194304 bytes")
    monkeypatch.setattr(export_file, "MAX_RECORD_BYTES", 16)
    await refused(packed(exported), "at most")
