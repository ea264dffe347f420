"""The thin place where LanceDB is called: connection, schema, queries, commits, and the lock on a directory.

LanceDB and pyarrow come without complete types, so what they return is Any here, and typed in `memory/table.py`.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from memory.text import character_pairs
from runtime.errors import RunError

P = ParamSpec("P")
T = TypeVar("T")
Row = dict[str, Any]

TEXT_INDEXES = {"searchable": "icu", "pairs": "whitespace"}
"""The tokenizer of each full-text index: ICU's dictionary words, and the character pairs that were split beforehand."""

COMMIT_ATTEMPTS = 12
LONGEST_WAIT_S = 2.0


@contextmanager
def faults_named(tables: str) -> Generator[None]:
    """Turns what LanceDB, the file system and object storage raise into one clear error."""
    try:
        yield
    except (OSError, RuntimeError, sqlite3.Error) as fault:
        reason = next(iter(str(fault).strip().splitlines()), type(fault).__name__)
        raise RunError(
            f"the memory in {tables} cannot be used: {reason}; make sure that it is a folder that can be written and "
            "that the disk is not full (or, of object storage, that the address and the credentials are right), or "
            "remove it to begin anew"
        ) from fault


@contextmanager
def locked(directory: Path, *, exclusive: bool) -> Generator[None]:
    """Holds the lock of a directory of tables, which is made if need be: shared by all, or by nobody else."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield


def open_table(tables: str, name: str) -> Any:
    """The newest version of a table, or None where there is none."""
    database = _database(tables)
    return database.open_table(name) if name in database.list_tables().tables else None


def make_table(tables: str, name: str, rows: Any) -> None:
    """Makes a table of an Arrow table's rows, in place of an earlier one, with its full-text indexes."""
    fts = import_module("lancedb.index").FTS
    mode = "create" if open_table(tables, name) is None else "overwrite"
    table = _database(tables).create_table(name, data=rows, mode=mode)
    for column, tokenizer in TEXT_INDEXES.items():
        table.create_index(column, config=fts(base_tokenizer=tokenizer, stem=False, remove_stop_words=False))


def is_indexed(table: Any) -> bool:
    """Whether `make_table` came to its end."""
    return len(table.list_indices()) == len(TEXT_INDEXES)


def fragments(table: Any) -> int:
    """How many pieces the table is stored in; every commit adds one."""
    return cast(int, table.stats()["fragment_stats"]["num_fragments"])


def embedder_of(table: Any) -> str:
    """The name of the embedder that made the table's vectors."""
    metadata: dict[bytes, bytes] = table.schema.metadata or {}
    return metadata.get(b"embedder", b"").decode()


def arrow(rows: Sequence[Row], texts: Sequence[str], *, embedder: str, dimension: int) -> Any:
    """Rows as an Arrow table: `id` (the primary key), text columns, `added_at`, and the vector of an embedder."""
    pa: Any = import_module("pyarrow")
    key = pa.field("id", pa.string(), nullable=False).with_metadata({"lance-schema:unenforced-primary-key": "true"})
    fields = [key, *(pa.field(name, pa.string()) for name in texts), pa.field("added_at", pa.float64())]
    fields.append(pa.field("vector", pa.list_(pa.float32(), dimension)))
    return pa.Table.from_pylist(list(rows), schema=pa.schema(fields, metadata={"embedder": embedder}))


def rows_where(table: Any, condition: str, columns: Sequence[str]) -> list[Row]:
    """All rows that meet a condition, in no order that is promised."""
    return cast(list[Row], table.search().where(condition).select(list(columns)).to_list())


def rows_by_words(table: Any, query: str, condition: str, limit: int) -> list[Row]:
    """Rows ranked by BM25, that of words and that of character pairs added up."""
    queries: Any = import_module("lancedb.query")
    should = queries.Occur.SHOULD
    clauses = [(should, queries.MatchQuery(query, "searchable"))]
    if pairs := character_pairs(query):
        clauses.append((should, queries.MatchQuery(pairs, "pairs")))
    search = table.search(queries.BooleanQuery(clauses), query_type="fts")
    return cast(list[Row], search.where(condition, prefilter=True).limit(limit).to_list())


def rows_by_vector(table: Any, vector: Any, condition: str, limit: int) -> list[Row]:
    """Rows ranked by the cosine of their vectors with this one."""
    search = table.search(vector, vector_column_name="vector").distance_type("cosine")
    return cast(list[Row], search.where(condition, prefilter=True).limit(limit).to_list())


def equals(column: str, text: str) -> str:
    """The condition that a column has this text."""
    return f"{column} = {_quoted(text)}"


def any_of(column: str, texts: Sequence[str]) -> str:
    """The condition that a column has one of these texts."""
    return f"{column} IN ({', '.join(map(_quoted, texts))})" if texts else "false"


def committed(table: Any, commit: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Changes a table, again on its newest version while another process's commit comes in between."""
    attempts = Retrying(
        retry=retry_if_exception(_is_commit_conflict),
        stop=stop_after_attempt(COMMIT_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=LONGEST_WAIT_S),
        before_sleep=lambda _: table.checkout_latest(),
        reraise=True,
    )
    return attempts(commit, *arguments, **named)


def _database(tables: str) -> Any:
    try:
        return import_module("lancedb").connect(tables)
    except ValueError as error:  # so LanceDB says that object storage cannot be reached
        raise OSError(str(error)) from error


def _quoted(text: str) -> str:
    """An SQL string literal: a quote inside is doubled, and nothing else has a meaning there."""
    return "'" + text.replace("'", "''") + "'"


def _is_commit_conflict(error: BaseException) -> bool:
    return "ommit conflict" in str(error)  # LanceDB has no type for it: a RuntimeError or OSError with this text
