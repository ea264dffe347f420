from __future__ import annotations

import asyncio
import multiprocessing
from importlib import import_module
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from autogen_core.memory import MemoryContent, MemoryMimeType

from memory.hashing_embedder import HashingEmbedder
from memory.long_term import LongTermMemory

ADDS = 15


def memory_content(who: str, number: int) -> MemoryContent:
    return MemoryContent(content=f"{who} 的第 {number} 次旅行", mime_type=MemoryMimeType.TEXT)


async def add_trips(directory: Path, who: str) -> None:
    episodes = LongTermMemory(directory, HashingEmbedder()).episodes("wang")
    for number in range(ADDS):
        await episodes.add(memory_content(who, number))
        await episodes.add(memory_content("大家", number))
        if number % 5 == 0:
            await episodes.shelf.optimize()


def other_process(directory: Path, is_ready: Event) -> None:
    import_module("lancedb")
    is_ready.set()
    asyncio.run(add_trips(directory, "乙"))


async def stored(directory: Path) -> list[str]:
    episodes = LongTermMemory(directory, HashingEmbedder()).episodes("wang")
    return sorted(str(found.content) for found in (await episodes.query("", k=500)).results)


def expected(*names: str) -> list[str]:
    return sorted(f"{who} 的第 {number} 次旅行" for who in names for number in range(ADDS))


@pytest.mark.slow
async def test_two_processes_that_add_at_once_lose_nothing_and_store_nothing_twice(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    is_ready = spawn.Event()
    other = spawn.Process(target=other_process, args=(tmp_path, is_ready))
    other.start()
    assert await asyncio.to_thread(is_ready.wait, 60)
    await add_trips(tmp_path, "甲")
    await asyncio.to_thread(other.join)
    assert other.exitcode == 0
    assert await stored(tmp_path) == expected("甲", "乙", "大家")


@pytest.mark.slow
async def test_many_tasks_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    episodes = LongTermMemory(tmp_path, HashingEmbedder()).episodes("wang")
    contents = [
        MemoryContent(content=f"丙 的第 {number} 次旅行", mime_type=MemoryMimeType.TEXT) for number in range(ADDS)
    ]
    await asyncio.gather(*(episodes.add(content) for content in contents + contents))
    assert await stored(tmp_path) == expected("丙")
