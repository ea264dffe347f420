"""A second, slower look at what a search found: a model that reads question and passage together.

Optional: search without a reranker ends with rank fusion (`memory/rank.py`). Loading and scoring block;
`LongTermMemory` calls them off the event loop.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from typing import Any, Protocol

from memory.hub import loading


class Reranker(Protocol):
    """Scores passages for a question."""

    @property
    def name(self) -> str:
        """Which model it is."""
        ...

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """One score per passage, in their order; higher is better."""
        ...


class CrossEncoderReranker:
    """A cross-encoder of sentence-transformers, by its name at a hub or as a local folder; loaded at the first use."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name or folder it was made with."""
        return self._name

    def scores(self, query: str, passages: Sequence[str]) -> list[float]:
        """See `Reranker.scores`.

        Raises:
            UsageError: the model cannot be loaded.
        """
        if not passages:
            return []
        with self._lock:
            predicted = _cross_encoder(self._name).predict([(query, passage) for passage in passages])
        return [float(score) for score in predicted]


@functools.cache
def _cross_encoder(name: str) -> Any:
    with loading("reranker", name):
        from sentence_transformers import CrossEncoder

        return CrossEncoder(name)
