"""Embeddings kept on disk by the content they belong to.

A passage that was embedded once, by this model, in any table, folder or run, is never embedded again. The file is
SQLite: several processes may use one at the same time, and deleting it costs time only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from memory.embed import Embedder, Vectors
from runtime.blobs import digest

_WAIT_S = 30.0


class CachedEmbedder:
    """Another embedder with a memory; questions are not kept, they seldom come twice."""

    def __init__(self, embedder: Embedder, path: Path) -> None:
        self._embedder = embedder
        self._path = path

    @property
    def name(self) -> str:
        """The name of the embedder within."""
        return self._embedder.name

    @property
    def dimension(self) -> int:
        """The dimension of the embedder within."""
        return self._embedder.dimension

    def embed_query(self, text: str) -> Vectors:
        """See `Embedder.embed_query`."""
        return self._embedder.embed_query(text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed_passages`; only texts that are not kept yet reach the embedder within."""
        keys = [digest(text.encode()) for text in texts]
        found = self._kept(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        fresh = dict(zip(missing, self._embedder.embed_passages(list(missing.values())), strict=True))
        self._keep(fresh)
        found |= fresh
        return np.stack([found[key] for key in keys]) if keys else np.empty((0, self.dimension), dtype=np.float32)

    def _kept(self, keys: Sequence[str]) -> dict[str, Vectors]:
        found: dict[str, Vectors] = {}
        with self._connection() as connection:
            for key in keys:
                row = connection.execute(
                    "SELECT vector FROM embeddings WHERE embedder = ? AND content = ?", (self.name, key)
                ).fetchone()
                if row is not None:
                    found[key] = np.frombuffer(row[0], dtype=np.float32)
        return found

    def _keep(self, vectors: dict[str, Vectors]) -> None:
        rows = [(self.name, key, vector.astype(np.float32).tobytes()) for key, vector in vectors.items()]
        with self._connection() as connection:
            connection.executemany("INSERT OR IGNORE INTO embeddings VALUES (?, ?, ?)", rows)

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=_WAIT_S)) as connection, connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS embeddings "
                "(embedder TEXT, content TEXT, vector BLOB, PRIMARY KEY (embedder, content)) WITHOUT ROWID"
            )
            yield connection
