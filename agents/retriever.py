"""The retriever: fetches what the long-term memories hold on a task, and keeps what a run has taught."""

from __future__ import annotations

import asyncio

from autogen_core import MessageContext, message_handler
from autogen_core.memory import Memory, MemoryContent, MemoryMimeType

from agents.messages import Note, Recall, Recollection, Remember, Remembered
from agents.resting import Stateless

HITS = 3
"""How many entries each memory is asked for: prompts are short."""


class Retriever(Stateless):
    """Asks knowledge, preferences and episodes at once; writes episodes and preferences."""

    def __init__(self, knowledge: Memory, episodes: Memory, preferences: Memory) -> None:
        super().__init__("Fetches from and writes to long-term memory")
        self._knowledge = knowledge
        self._episodes = episodes
        self._preferences = preferences

    @message_handler
    async def on_recall(self, message: Recall, ctx: MessageContext) -> Recollection:
        """What the three memories hold on the text, best first."""
        memories = (self._knowledge, self._preferences, self._episodes)
        found = await asyncio.gather(*(_query(memory, message.text) for memory in memories))
        return Recollection(knowledge=found[0], preferences=found[1], episodes=found[2])

    @message_handler
    async def on_remember(self, message: Remember, ctx: MessageContext) -> Remembered:
        """Writes the episode and each preference that is not yet known."""
        await self._episodes.add(_content(message.episode))
        known = {note.text for note in await _query(self._preferences, " ".join(message.preferences) or "*")}
        new = [text for text in message.preferences if text not in known]
        for text in new:
            await self._preferences.add(_content(text))
        return Remembered(entries=1 + len(new))


async def _query(memory: Memory, text: str) -> tuple[Note, ...]:
    result = await memory.query(text, k=HITS)
    return tuple(_note(content) for content in result.results)


def _note(content: MemoryContent) -> Note:
    about = content.metadata or {}
    return Note(text=str(content.content), source=str(about.get("source", "")), evidence=str(about.get("evidence", "")))


def _content(text: str) -> MemoryContent:
    return MemoryContent(content=text, mime_type=MemoryMimeType.TEXT)
