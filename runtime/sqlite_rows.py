"""Many rows of a SQLite journal at once: the fewer calls, the less two threads of a process wait for each other."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain

from runtime.events import Digest

CHUNKS = (256, 64, 16, 4, 1)
"""How many rows one statement takes: few different ones, so that each is prepared once."""


def insert_rows(connection: sqlite3.Connection, insert: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Adds rows of one width, given the statement up to the names of its columns."""
    start = 0
    for size in CHUNKS:
        while len(rows) - start >= size:
            chunk = rows[start : start + size]
            row = f"({', '.join('?' * len(chunk[0]))})"
            connection.execute(f"{insert} VALUES {', '.join([row] * size)}", tuple(chain.from_iterable(chunk)))
            start += size


def stored_blobs(connection: sqlite3.Connection, digests: Iterable[Digest]) -> set[Digest]:
    """Which of these blobs are there already."""
    names, found = [bytes.fromhex(name) for name in digests], set[Digest]()
    while names:
        size = next(size for size in CHUNKS if size <= len(names))
        chunk, names = names[:size], names[size:]
        kept = connection.execute(f"SELECT digest FROM blobs WHERE digest IN ({', '.join('?' * size)})", chunk)
        found.update(digest.hex() for (digest,) in kept)
    return found


def new_number(connection: sqlite3.Connection, run: str, state: bytes) -> int:
    """Adds a run; returns the number by which its events are found."""
    added = connection.execute("INSERT INTO runs (state, run) VALUES (?, ?) RETURNING number", (state, run))
    (number,) = added.fetchone()
    return int(number)
