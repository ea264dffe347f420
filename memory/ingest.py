"""A folder of Markdown made knowledge: only what changed since the last time is embedded again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from memory.chunk import CHUNK_LIMIT, chunk_markdown
from memory.passage import HEADING_SEPARATOR, Passage
from memory.passage_memory import PassageMemory
from runtime.errors import UsageError

BATCH = 8
"""Passages embedded between two reports of progress."""

Progress = Callable[[int, int], None]
"""Called with the number of new passages embedded so far and of those there are to embed."""


@dataclass(frozen=True)
class Ingested:
    """What an ingest did, in passages."""

    added: int
    kept: int
    removed: int


async def ingest(
    knowledge: PassageMemory, folder: Path, *, limit: int = CHUNK_LIMIT, progress: Progress | None = None
) -> Ingested:
    """Make the knowledge equal to the Markdown files (`*.md`, also in sub-folders) of a folder, and say what changed.

    A passage's source is its file's path below the folder. Unchanged passages are kept, vectors and all; those whose
    text or file is gone are removed, and so is whatever else the collection holds: a collection belongs to one folder.
    New passages are added before old ones go: interrupted, the next ingest finishes the work.

    Args:
        knowledge: a collection, `LongTermMemory.knowledge(name)`.
        folder: where the files are.
        limit: the longest passage, in units of `memory.text.length`.
        progress: told before the first and after each batch.

    Raises:
        UsageError: the folder is not there or has no Markdown, or a file is not UTF-8; nothing was changed.
    """
    passages = await asyncio.to_thread(_read, folder, knowledge.shelf.scope, limit)
    known = await knowledge.shelf.ids()
    new = [passage for id_, passage in passages.items() if id_ not in known]
    await _add(knowledge, new, progress or (lambda done, total: None))
    gone = sorted(known - passages.keys())
    await knowledge.shelf.remove(gone)
    if new or gone:
        await knowledge.shelf.optimize()
    return Ingested(added=len(new), kept=len(passages) - len(new), removed=len(gone))


async def _add(knowledge: PassageMemory, new: Sequence[Passage], progress: Progress) -> None:
    progress(0, len(new))
    for start in range(0, len(new), BATCH):
        batch = new[start : start + BATCH]
        await knowledge.shelf.add(batch)
        progress(start + len(batch), len(new))


def _read(folder: Path, scope: str, limit: int) -> dict[str, Passage]:
    files = sorted(folder.rglob("*.md"))
    if not files:
        raise UsageError(f"found no Markdown in {folder}, expected a folder with *.md files")
    passages = [passage for file in files for passage in _passages(file, folder, scope, limit)]
    return {passage.id: passage for passage in passages}


def _passages(file: Path, folder: Path, scope: str, limit: int) -> list[Passage]:
    try:
        document = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        raise UsageError(
            f"{file}: found bytes that are not UTF-8 at offset {fault.start}, expected UTF-8 text"
        ) from fault
    source = file.relative_to(folder).as_posix()
    return [
        Passage(text=chunk.text, scope=scope, source=source, heading=HEADING_SEPARATOR.join(chunk.headings))
        for chunk in chunk_markdown(document, limit=limit)
    ]
