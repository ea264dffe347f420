from __future__ import annotations

from autogen_core import AgentId, SingleThreadedAgentRuntime
from autogen_core.memory import MemoryContent, MemoryMimeType
from pydantic import BaseModel

from agents.messages import Recall, Recollection, Remember, Remembered
from agents.retriever import Retriever
from tests.agents.team import NotedMemory


def memories() -> list[NotedMemory]:
    return [NotedMemory(name=name) for name in ("knowledge", "episodes", "preferences")]


async def told(kept: list[NotedMemory], *messages: BaseModel) -> list[object]:
    runtime = SingleThreadedAgentRuntime(ignore_unhandled_exceptions=False)
    await Retriever.register(runtime, "retriever", lambda: Retriever(*kept))
    runtime.start()
    replies: list[object] = [
        await runtime.send_message(message, AgentId("retriever", "default")) for message in messages
    ]
    await runtime.stop()
    return replies


async def test_each_memory_answers_in_its_own_part_with_the_step_that_fetched_it() -> None:
    kept = memories()
    for memory in kept:
        await memory.add(MemoryContent(content=f"of {memory.name}", mime_type=MemoryMimeType.TEXT))
    (found,) = await told(kept, Recall(text="anything"))
    assert isinstance(found, Recollection)
    texts = [[note.text for note in part] for part in (found.knowledge, found.preferences, found.episodes)]
    assert texts == [["of knowledge"], ["of preferences"], ["of episodes"]]
    assert found.knowledge[0].evidence == "recall1"


async def test_what_is_remembered_is_recalled_and_kept_once() -> None:
    kept = memories()
    lesson = Remember(episode="a trip", preferences=("slow", "near"))
    first, second, found = await told(kept, lesson, lesson, Recall(text="trip"))
    assert (first, second) == (Remembered(entries=3), Remembered(entries=1))
    assert isinstance(found, Recollection)
    assert [note.text for note in found.preferences] == ["slow", "near"]
    assert [note.text for note in found.episodes] == ["a trip", "a trip"]
