"""A passage: the unit that long-term memory keeps, finds and forgets, whatever the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from memory.text import clean
from runtime.blobs import digest
from runtime.codec import Json, canonical
from runtime.errors import UsageError

HEADING_SEPARATOR = " > "


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A text with where it comes from and whom it belongs to.

    Two passages of one scope, source, heading and text are the same passage, whatever their metadata.

    Raises:
        UsageError: there is no text, or no scope.
    """

    text: str
    scope: str
    """Who may find it: a traveller, or a collection of knowledge."""
    source: str = ""
    """The document it comes from."""
    heading: str = ""
    """The headings above it, outermost first."""
    mime_type: str = "text/plain"
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])

    def __post_init__(self) -> None:
        for name in ("text", "scope", "source", "heading"):
            object.__setattr__(self, name, clean(getattr(self, name)))
        for name in ("text", "scope"):
            if not getattr(self, name):
                raise UsageError(f"found a passage without {name}, expected some text there")

    @property
    def id(self) -> str:
        """The content hash: 32 hexadecimal digits."""
        return digest(canonical([self.scope, self.source, self.heading, self.text]))

    @property
    def searchable(self) -> str:
        """What is indexed and embedded: the headings, then the text."""
        return f"{self.heading}\n{self.text}" if self.heading else self.text


@dataclass(frozen=True)
class Found:
    """A passage that a search found."""

    passage: Passage
    score: float
    """Higher is better; comparable within one search only. Fused ranks, or the reranker's score."""
    added_at: float
    """When it was added, in seconds since 1970 (UTC)."""
