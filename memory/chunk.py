"""Markdown cut into chunks along its own structure: what is embedded, found and quoted. Pure.

A chunk never crosses a heading, and it carries the path of the headings above it, so that a sentence such as 周一闭馆
still says whose closure it is. Within a section, paragraphs, lists, tables and code blocks are packed up to the limit;
a block over the limit is cut at line and sentence ends. An edit therefore changes the chunks of its own section only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from memory.text import clean, length

CHUNK_LIMIT = 300
"""Units of `memory.text.length`: well inside the 512 tokens that common embedding models read."""

_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
_SENTENCE_END = re.compile(r"(?<=[。！？；!?;\n])|(?<=\.\s)")


@dataclass(frozen=True)
class Chunk:
    """A piece of a document."""

    headings: tuple[str, ...]
    """The headings above it, outermost first."""
    text: str
    """Its own text, without headings."""


@dataclass(frozen=True)
class _Section:
    headings: tuple[str, ...]
    lines: list[str]


def chunk_markdown(document: str, *, limit: int = CHUNK_LIMIT) -> list[Chunk]:
    """The chunks of a document in its order; a text that stands there twice under the same headings is one chunk.

    Front matter (between two lines of `---` at the very top) is left out. Sections without text have no chunk.
    """
    chunks: dict[Chunk, None] = {}
    for section in _sections(_without_front_matter(clean(document)).splitlines()):
        for text in _packed(_blocks(section.lines), limit):
            chunks[Chunk(section.headings, text)] = None
    return list(chunks)


def _without_front_matter(document: str) -> str:
    if document.startswith("---\n") and (end := document.find("\n---", 3)) >= 0:
        return document[end + 4 :]
    return document


def _sections(lines: Iterable[str]) -> Iterator[_Section]:
    path: list[tuple[int, str]] = []
    section, fence = _Section((), []), ""
    for line in lines:
        fence = _fence_after(line, fence)
        heading = None if fence else _HEADING.match(line)
        if heading is None:
            section.lines.append(line)
            continue
        yield section
        depth = len(heading[1])
        path = [(level, title) for level, title in path if level < depth] + [(depth, heading[2])]
        section = _Section(tuple(title for _, title in path if title), [])
    yield section


def _fence_after(line: str, fence: str) -> str:
    """The fence that is open after this line, or nothing."""
    found = _FENCE.match(line)
    if found is None:
        return fence
    if not fence:
        return found[1]
    return "" if found[1].startswith(fence) else fence


def _blocks(lines: Iterable[str]) -> Iterator[str]:
    """Runs of lines between blank ones; a fenced block is one, blank lines and all."""
    block: list[str] = []
    fence = ""
    for line in lines:
        fence = _fence_after(line, fence)
        if line.strip() or fence:
            block.append(line.rstrip())
        elif block:
            yield "\n".join(block)
            block = []
    if block:
        yield "\n".join(block)


def _packed(blocks: Iterable[str], limit: int) -> Iterator[str]:
    pack: list[str] = []
    for block in (piece for whole in blocks for piece in _within(whole, limit)):
        if pack and length("\n\n".join([*pack, block])) > limit:
            yield "\n\n".join(pack)
            pack = []
        pack.append(block)
    if pack:
        yield "\n\n".join(pack)


def _within(block: str, limit: int) -> Iterator[str]:
    """The block, cut at line and sentence ends where it is over the limit; in mid-sentence only as a last resort."""
    piece = ""
    for sentence in _sentences(block, limit) if length(block) > limit else [block]:
        if piece and length(piece + sentence) > limit:
            yield piece.strip()
            piece = ""
        piece += sentence
    if piece.strip():
        yield piece.strip()


def _sentences(block: str, limit: int) -> Iterator[str]:
    for sentence in _SENTENCE_END.split(block):
        while length(sentence) > limit:
            yield sentence[:limit]
            sentence = sentence[limit:]
        if sentence:
            yield sentence
