"""One LanceDB table of passages. Every call blocks; `LongTermMemory` calls from threads.

The id of a row is its content hash and the table's primary key, so LanceDB itself refuses a second row of one content,
also when two processes add it at the same time. Commits of several processes never lose rows: LanceDB rebases what it
can, and what it calls retryable is tried again. The table is opened anew for every call, which costs milliseconds and
shows what other processes have committed.

A table belongs to the embedder that filled it. When another embedder opens it, all its passages are embedded again;
the directory's lock, shared by readers and writers, keeps everybody else out meanwhile. In object storage that holds
for the processes of one machine only: have one machine change the embedder.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from memory import lance
from memory.embed import Embedder
from memory.lance import Row
from memory.passage import Found, Passage
from memory.place import MemoryPlace
from memory.text import character_pairs
from runtime import clock
from runtime.codec import Json, canonical, parse

FRAGMENTS_BEFORE_OPTIMIZE = 32
"""Each commit leaves a fragment behind; that many make searches slower, and are merged into one."""

_TEXTS = ("scope", "source", "heading", "text", "mime_type", "metadata", "searchable", "pairs")
_STORED = ("id", *_TEXTS, "added_at")


class PassageTable:
    """The passages of one kind."""

    def __init__(self, place: MemoryPlace, name: str, embedder: Embedder) -> None:
        self._place = place
        self._name = name
        self._embedder = embedder
        self._is_indexed = False

    def add(self, passages: Sequence[Passage]) -> int:
        """Add the passages that are not there yet, and answer how many those were; only they are embedded."""
        new = {passage.id: passage for passage in passages}
        with self._opened() as table:
            for row in lance.rows_where(table, lance.any_of("id", list(new)), ["id"]):
                new.pop(row["id"], None)
            if new:
                self._insert(table, list(new.values()))
            is_in_pieces = lance.fragments(table) > FRAGMENTS_BEFORE_OPTIMIZE
        if is_in_pieces:
            self.optimize()
        return len(new)

    def remove(self, ids: Sequence[str]) -> None:
        """Forget passages; those that are not there are no fault."""
        if ids:
            self._delete(lance.any_of("id", ids))

    def remove_scope(self, scope: str) -> None:
        """Forget all passages of a scope."""
        self._delete(lance.equals("scope", scope))

    def ids(self, scope: str) -> set[str]:
        """The ids of a scope's passages."""
        with self._opened() as table:
            return {row["id"] for row in lance.rows_where(table, lance.equals("scope", scope), ["id"])}

    def newest(self, scope: str, limit: int) -> list[Found]:
        """The passages of a scope that were added last, newest first, with score 0."""
        with self._opened() as table:
            found = [_found(row) for row in lance.rows_where(table, lance.equals("scope", scope), _STORED)]
        return sorted(found, key=lambda each: (-each.added_at, each.passage.id))[:limit]

    def rankings(self, scope: str, query: str, limit: int) -> tuple[list[list[str]], dict[str, Found]]:
        """The ids that a query's words and its meaning rank best, each best first, and the passages of these ids."""
        vector = self._embedder.embed_query(query)
        owned = lance.equals("scope", scope)
        with self._opened() as table:
            by_words = lance.rows_by_words(table, query, owned, limit)
            by_meaning = lance.rows_by_vector(table, vector, owned, limit)
        ids = [[row["id"] for row in rows] for rows in (by_words, by_meaning)]
        return ids, {row["id"]: _found(row) for row in by_words + by_meaning}

    def optimize(self) -> None:
        """Merge fragments, and bring the full-text indexes up to date; searches are right without it, and slower."""
        with self._opened(exclusive=True) as table:
            lance.committed(table, table.optimize)

    def _insert(self, table: Any, passages: Sequence[Passage]) -> None:
        rows = self._embedded([_row(passage, clock.time_s()) for passage in passages])
        lance.committed(table, table.merge_insert("id").when_not_matched_insert_all().execute, rows)

    def _delete(self, condition: str) -> None:
        with self._opened() as table:
            lance.committed(table, table.delete, condition)

    @contextmanager
    def _opened(self, *, exclusive: bool = False) -> Generator[Any]:
        with lance.faults_named(self._place.tables):
            while True:
                with lance.locked(self._place.folder, exclusive=exclusive):
                    table = lance.open_table(self._place.tables, self._name)
                    if self._is_usable(table):
                        yield table
                        return
                with lance.locked(self._place.folder, exclusive=True):
                    table = lance.open_table(self._place.tables, self._name)
                    if not self._is_usable(table):
                        self._make(table)

    def _is_usable(self, table: Any | None) -> bool:
        """Whether it is there, finished, and filled by this embedder."""
        if table is None or lance.embedder_of(table) != self._embedder.name:
            return False
        self._is_indexed = self._is_indexed or lance.is_indexed(table)
        return self._is_indexed

    def _make(self, old: Any | None) -> None:
        rows = [] if old is None else lance.rows_where(old, "true", _STORED)
        lance.make_table(self._place.tables, self._name, self._embedded(rows))

    def _embedded(self, rows: Sequence[Row]) -> Any:
        vectors = self._embedder.embed_passages([row["searchable"] for row in rows])
        whole = [{**row, "vector": vector} for row, vector in zip(rows, vectors, strict=True)]
        return lance.arrow(whole, _TEXTS, embedder=self._embedder.name, dimension=self._embedder.dimension)


def _row(passage: Passage, added_at: float) -> Row:
    return {
        "id": passage.id,
        "scope": passage.scope,
        "source": passage.source,
        "heading": passage.heading,
        "text": passage.text,
        "mime_type": passage.mime_type,
        "metadata": canonical(dict(passage.metadata)).decode(),
        "searchable": passage.searchable,
        "pairs": character_pairs(passage.searchable),
        "added_at": added_at,
    }


def _found(row: Row) -> Found:
    passage = Passage(
        text=row["text"],
        scope=row["scope"],
        source=row["source"],
        heading=row["heading"],
        mime_type=row["mime_type"],
        metadata=cast("dict[str, Json]", parse(row["metadata"].encode())),
    )
    return Found(passage, 0.0, row["added_at"])
