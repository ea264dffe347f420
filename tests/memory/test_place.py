"""Where a memory is: a folder, or an address whose tables LanceDB opens itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory.hashing_embedder import HashingEmbedder
from memory.long_term import LongTermMemory
from memory.place import MemoryPlace
from runtime.errors import RunError
from tests.memory.test_long_term import text

pytestmark = pytest.mark.slow


def test_an_address_keeps_its_tables_apart_from_the_machine_s_locks() -> None:
    place = MemoryPlace.of("s3://bucket/memory")
    assert place.tables == "s3://bucket/memory"
    assert place.folder.is_absolute() and "bucket" not in str(place.folder)
    assert place == MemoryPlace.of("s3://bucket/memory") != MemoryPlace.of("s3://bucket/other")


def test_a_path_is_one_folder_for_both(tmp_path: Path) -> None:
    assert MemoryPlace.of(tmp_path) == MemoryPlace.of(str(tmp_path)) == MemoryPlace(str(tmp_path), tmp_path)


async def test_what_is_remembered_at_an_address_is_found_there_again(tmp_path: Path) -> None:
    address = f"file-object-store://{tmp_path}/memory"
    await LongTermMemory(address, HashingEmbedder()).episodes("wang").add(text("去过长城"))
    found = await LongTermMemory(address, HashingEmbedder()).episodes("wang").query("长城")
    assert [str(one.content) for one in found.results] == ["去过长城"]
    assert any((tmp_path / "memory").iterdir())


async def test_object_storage_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_REGION": "us-east-1"}
    variables |= {
        "AWS_ENDPOINT": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "OBJECT_STORE_CLIENT_MAX_RETRIES": "0",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match=r"s3://bucket/memory cannot be used.*credentials are right"):
        await LongTermMemory("s3://bucket/memory", HashingEmbedder()).episodes("wang").add(text("去过长城"))
