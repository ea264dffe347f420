from __future__ import annotations

from pathlib import Path

import pytest

from memory.ingest import Ingested, ingest
from memory.long_term import LongTermMemory
from runtime.errors import UsageError
from tests.memory.documents import PALACE, CountingEmbedder, write_documents

PASSAGES = 6


async def found(memory: LongTermMemory, query: str = "") -> list[str]:
    return [str(each.content) for each in (await memory.knowledge().query(query, k=50)).results]


@pytest.mark.slow
async def test_a_folder_becomes_knowledge_and_progress_is_told(tmp_path: Path) -> None:
    memory = LongTermMemory(tmp_path / "memory", CountingEmbedder())
    told: list[tuple[int, int]] = []
    counts = await ingest(
        memory.knowledge(), write_documents(tmp_path / "docs"), progress=lambda done, total: told.append((done, total))
    )
    assert counts == Ingested(added=PASSAGES, kept=0, removed=0)
    assert told == [(0, PASSAGES), (PASSAGES, PASSAGES)]
    assert len(await found(memory)) == PASSAGES


async def test_a_changed_file_embeds_its_changed_passages_only(tmp_path: Path) -> None:
    embedder = CountingEmbedder()
    memory = LongTermMemory(tmp_path / "memory", embedder)
    folder = write_documents(tmp_path / "docs")
    await ingest(memory.knowledge(), folder)
    embedder.embedded.clear()
    assert await ingest(memory.knowledge(), folder) == Ingested(added=0, kept=PASSAGES, removed=0)
    assert embedder.embedded == []
    (folder / "palace.md").write_text(PALACE.replace("成人票 60 元", "成人票 80 元"), encoding="utf-8")
    assert await ingest(memory.knowledge(), folder) == Ingested(added=1, kept=PASSAGES - 1, removed=1)
    assert len(embedder.embedded) == 1
    assert "80 元" in embedder.embedded[0]
    assert not any("60 元" in each for each in await found(memory, "成人票多少钱"))


async def test_what_is_gone_from_the_folder_is_forgotten(tmp_path: Path) -> None:
    memory = LongTermMemory(tmp_path / "memory", CountingEmbedder())
    folder = write_documents(tmp_path / "docs")
    await ingest(memory.knowledge(), folder)
    (folder / "parks" / "parks.md").unlink()
    (folder / "palace.md").write_text(PALACE.split("## 带孩子")[0], encoding="utf-8")
    assert await ingest(memory.knowledge(), folder) == Ingested(added=0, kept=3, removed=3)
    assert not any("婴儿车" in each or "鸭子船" in each for each in await found(memory))


async def test_a_file_with_another_name_is_not_embedded_again(tmp_path: Path) -> None:
    embedder = CountingEmbedder()
    memory = LongTermMemory(tmp_path / "memory", embedder)
    folder = write_documents(tmp_path / "docs")
    await ingest(memory.knowledge(), folder)
    embedder.embedded.clear()
    (folder / "palace.md").rename(folder / "gugong.md")
    assert await ingest(memory.knowledge(), folder) == Ingested(added=3, kept=3, removed=3)
    assert embedder.embedded == []


async def test_other_collections_and_travellers_keep_what_they_have(tmp_path: Path) -> None:
    memory = LongTermMemory(tmp_path / "memory", CountingEmbedder())
    folder = write_documents(tmp_path / "docs")
    await ingest(memory.knowledge("one"), folder)
    await ingest(memory.knowledge("two"), folder)
    (folder / "transport.md").unlink()
    assert (await ingest(memory.knowledge("one"), folder)).removed == 1
    assert len((await memory.knowledge("two").query("", k=50)).results) == PASSAGES


async def test_a_folder_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    memory = LongTermMemory(tmp_path / "memory", CountingEmbedder())
    folder = write_documents(tmp_path / "docs")
    await ingest(memory.knowledge(), folder)
    (folder / "broken.md").write_bytes("故宫".encode("gbk"))
    with pytest.raises(UsageError, match=r"broken\.md: .* expected UTF-8"):
        await ingest(memory.knowledge(), folder)
    with pytest.raises(UsageError, match="found no Markdown in"):
        await ingest(memory.knowledge(), tmp_path / "nowhere")
    assert len(await found(memory)) == PASSAGES
