"""Long-term memory: what outlives a run. Knowledge, episodes and preferences, each a LanceDB table in one directory.

Search is hybrid: a full-text ranking (ICU words and character pairs, BM25) and a ranking by vectors are fused by
reciprocal rank (`memory/rank.py`), and reranked where a reranker is given. Agents get the three memories as
autogen-core's `Memory`; everything that blocks runs in a thread. `memory/ingest.py` fills the knowledge from a folder.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from memory.embed import Embedder
from memory.embedding_cache import CachedEmbedder
from memory.passage import Found, Passage
from memory.passage_memory import PassageMemory
from memory.place import MemoryPlace
from memory.rank import fuse
from memory.rerank import Reranker
from memory.table import PassageTable
from memory.text import clean
from runtime.errors import UsageError

Kind = Literal["knowledge", "episodes", "preferences"]
KINDS: tuple[Kind, ...] = ("knowledge", "episodes", "preferences")

CANDIDATES_PER_RESULT = 4
FEWEST_CANDIDATES = 20
"""How deep each ranking is read before they are fused: 4 for each wanted result, at least 20."""


class LongTermMemory:
    """The memories in a directory, or at an address of object storage, shared by all processes that open it.

    Nothing is read or loaded before the first use. An embedder other than the one that filled a table has the whole
    table embedded again at its first use.
    """

    def __init__(self, where: Path | str, embedder: Embedder, *, reranker: Reranker | None = None) -> None:
        place = MemoryPlace.of(where)
        cached = CachedEmbedder(embedder, place.folder / "embeddings.db")
        self._tables = {kind: PassageTable(place, kind, cached) for kind in KINDS}
        self._reranker = reranker

    def knowledge(self, collection: str = "default") -> PassageMemory:
        """What documents say; `collection` keeps the knowledge of one scenario apart from another's.

        Raises:
            UsageError: the collection has no name.
        """
        return self._memory("knowledge", collection)

    def episodes(self, traveller: str) -> PassageMemory:
        """What this traveller's earlier runs were about and how they ended; nobody else's are found.

        Raises:
            UsageError: the traveller has no name.
        """
        return self._memory("episodes", traveller)

    def preferences(self, traveller: str) -> PassageMemory:
        """What this traveller likes, dislikes and needs; nobody else's are found.

        Raises:
            UsageError: the traveller has no name.
        """
        return self._memory("preferences", traveller)

    def _memory(self, kind: Kind, scope: str) -> PassageMemory:
        if not clean(scope):
            raise UsageError(f"found no name, expected whose {kind} are meant")
        return PassageMemory(_Shelf(self._tables[kind], clean(scope), self._reranker))


@dataclass(frozen=True)
class _Shelf:
    """One scope of one table, off the event loop."""

    table: PassageTable
    scope: str
    reranker: Reranker | None

    async def search(self, query: str, limit: int) -> list[Found]:
        return await asyncio.to_thread(self._search, clean(query), limit)

    async def add(self, passages: Sequence[Passage]) -> int:
        return await asyncio.to_thread(self.table.add, passages)

    async def remove(self, ids: Sequence[str]) -> None:
        await asyncio.to_thread(self.table.remove, ids)

    async def clear(self) -> None:
        await asyncio.to_thread(self.table.remove_scope, self.scope)

    async def ids(self) -> set[str]:
        return await asyncio.to_thread(self.table.ids, self.scope)

    async def optimize(self) -> None:
        await asyncio.to_thread(self.table.optimize)

    def _search(self, query: str, limit: int) -> list[Found]:
        if not query:
            return self.table.newest(self.scope, limit)
        depth = max(FEWEST_CANDIDATES, limit * CANDIDATES_PER_RESULT)
        rankings, by_id = self.table.rankings(self.scope, query, depth)
        fused = [replace(by_id[id_], score=score) for id_, score in fuse(rankings)]
        return self._reranked(query, fused[:depth])[:limit]

    def _reranked(self, query: str, found: list[Found]) -> list[Found]:
        if self.reranker is None:
            return found
        scores = self.reranker.scores(query, [each.passage.searchable for each in found])
        judged = [replace(each, score=score) for each, score in zip(found, scores, strict=True)]
        return sorted(judged, key=lambda each: -each.score)
