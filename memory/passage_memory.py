"""autogen-core's `Memory` over one scope of one table: what agents, AutoGen teams and the runtime's journal see.

Results are plain JSON, so the runtime can record a query as a step and answer it again in a replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, cast

from autogen_core import CancellationToken
from autogen_core.memory import (
    Memory,
    MemoryContent,
    MemoryMimeType,
    MemoryQueryResult,
    UpdateContextResult,
)
from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import SystemMessage

from memory.passage import Found, Passage
from runtime.codec import Json, canonical, parse
from runtime.errors import UsageError

DEFAULT_RESULTS = 5
_JSON = MemoryMimeType.JSON.value
_MIME_TYPES: dict[str, MemoryMimeType | str] = {each.value: each for each in MemoryMimeType}
_OWN_METADATA = ("id", "source", "heading", "score", "added_at")


class Shelf(Protocol):
    """What a memory asks of the store behind it; nothing here blocks the event loop."""

    @property
    def scope(self) -> str:
        """Whose passages these are."""
        ...

    async def search(self, query: str, limit: int) -> list[Found]:
        """The best passages for a query, best first; the newest ones for a blank query."""
        ...

    async def add(self, passages: Sequence[Passage]) -> int:
        """Add what is not there yet; how many that were."""
        ...

    async def remove(self, ids: Sequence[str]) -> None:
        """Forget passages."""
        ...

    async def clear(self) -> None:
        """Forget all passages of the scope."""
        ...

    async def ids(self) -> set[str]:
        """The ids of all passages."""
        ...

    async def optimize(self) -> None:
        """Make searches fast again after many changes."""
        ...


class PassageMemory(Memory):
    """Passages of one traveller or of one collection of knowledge."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    async def query(
        self,
        query: str | MemoryContent,
        cancellation_token: CancellationToken | None = None,
        **kwargs: Any,
    ) -> MemoryQueryResult:
        """The passages that answer a query best, best first; the newest ones for a blank query.

        Args:
            query: the question, in the words of its asker.
            cancellation_token: not heeded; a search takes milliseconds.
            **kwargs: `k`, how many results at most (5).

        Raises:
            UsageError: the query is no text, `k` is not positive, or there is another argument.
        """
        limit = _limit(kwargs)
        found = await self.shelf.search(_text(query) if isinstance(query, MemoryContent) else query, limit)
        return MemoryQueryResult(results=[_content(each) for each in found])

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        """Remember a text or a JSON object; adding the same again changes nothing.

        `source` and `heading` in the metadata become the passage's own; the rest comes back with it. The first
        metadata of a passage stands.

        Raises:
            UsageError: the content is neither text nor JSON, or blank; nothing was added.
        """
        metadata = dict(content.metadata or {})
        passage = Passage(
            text=_text(content),
            scope=self.shelf.scope,
            source=str(metadata.pop("source", "")),
            heading=str(metadata.pop("heading", "")),
            mime_type=_mime_type(content),
            metadata={key: value for key, value in metadata.items() if key not in _OWN_METADATA},
        )
        await self.shelf.add([passage])

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        """Ask for what the last message is about, and put what was found into the context as a system message."""
        messages = await model_context.get_messages()
        if not messages:
            return UpdateContextResult(memories=MemoryQueryResult(results=[]))
        last = messages[-1].content
        found = await self.shelf.search(last if isinstance(last, str) else str(last), DEFAULT_RESULTS)
        if found:
            lines = [f"{number}. {each.passage.searchable}" for number, each in enumerate(found, start=1)]
            await model_context.add_message(SystemMessage(content="Relevant memory:\n" + "\n".join(lines)))
        return UpdateContextResult(memories=MemoryQueryResult(results=[_content(each) for each in found]))

    async def clear(self) -> None:
        """Forget everything of this traveller or collection; others keep theirs."""
        await self.shelf.clear()

    async def close(self) -> None:
        """Nothing to let go of: tables are opened for each call, and models are shared by the process."""


def _limit(arguments: dict[str, Any]) -> int:
    limit = arguments.pop("k", DEFAULT_RESULTS)
    if arguments:
        raise UsageError(f"a memory query takes k only, found {', '.join(sorted(arguments))}")
    if not isinstance(limit, int) or limit < 1:
        raise UsageError(f"found k={limit!r}, expected how many results are wanted: 1 or more")
    return limit


def _text(content: MemoryContent) -> str:
    if isinstance(content.content, dict):
        return canonical(cast("dict[str, Json]", content.content)).decode()
    if isinstance(content.content, str) and _mime_type(content) != _JSON:
        return content.content
    raise UsageError(f"found {content.content!r} as {_mime_type(content)}, expected text, or a JSON object as a dict")


def _mime_type(content: MemoryContent) -> str:
    if isinstance(content.content, dict):
        return _JSON
    return content.mime_type.value if isinstance(content.mime_type, MemoryMimeType) else content.mime_type


def _content(found: Found) -> MemoryContent:
    passage = found.passage
    is_json = passage.mime_type == _JSON
    return MemoryContent(
        content=cast("dict[str, Any]", parse(passage.text.encode())) if is_json else passage.text,
        mime_type=_MIME_TYPES.get(passage.mime_type, passage.mime_type),
        metadata={
            **passage.metadata,
            "id": passage.id,
            "source": passage.source,
            "heading": passage.heading,
            "score": found.score,
            "added_at": found.added_at,
        },
    )
