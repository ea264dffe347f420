"""An embedder without a model: character n-grams, hashed.

For tests, and for machines where no model can be had. It knows spelling, not meaning: texts are near each other when
they share characters and pairs of characters. Deterministic on every machine.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LONGEST_GRAM = 3


class HashingEmbedder:
    """Signed feature hashing of character n-grams (1 to 3) into unit vectors."""

    def __init__(self, dimension: int = 512) -> None:
        self.dimension = dimension
        self.name = f"hashing-{dimension}-v1"

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `memory.embed.Embedder.embed_passages`."""
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self.embed_query(text)
        return vectors

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """See `memory.embed.Embedder.embed_query`; a text without characters has a fixed vector."""
        vector = np.zeros(self.dimension, dtype=np.float32)
        for gram in _grams(text.lower()):
            code = zlib.crc32(gram.encode())
            vector[code % self.dimension] += len(gram) if code >> 31 else -len(gram)
        norm = float(np.linalg.norm(vector))
        if norm == 0.0:
            vector[0] = norm = 1.0
        return vector / np.float32(norm)


def _grams(text: str) -> list[str]:
    dense = "".join(character for character in text if character.isalnum())
    return [dense[i : i + size] for size in range(1, _LONGEST_GRAM + 1) for i in range(len(dense) - size + 1)]
