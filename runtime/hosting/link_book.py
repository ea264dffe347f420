"""The links of an agent's prompts that were made before, so that a growing prompt costs its new messages only.

A prompt of a thousand messages is asked a thousand times with one more each time; without this, all of them would be
written out, hashed and handed to the journal again for each. It changes nothing of what is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TypeVar

from runtime.blobs import Payload
from runtime.codec import Json
from runtime.events import Digest

M = TypeVar("M")

MAX_LINKS = 20_000
"""How many links are kept; then all are forgotten and made again as they come."""

_NOTHING = Payload.of(None)
"""The prompt without messages: it stands before the first link of every chain."""


@dataclass(frozen=True, slots=True)
class Chained:
    """A prompt as a step names it."""

    head: Digest
    unsent: Mapping[Digest, bytes]
    """The links that have not been handed on yet: new ones of this prompt, and of others that were never asked."""
    size_bytes: int
    """The bytes of all links of the prompt."""


@dataclass(slots=True)
class _Prompt:
    """The beginning of a prompt, with copies of its messages' fields: whoever made them may change them."""

    kinds: list[type] = field(default_factory=list[type])
    fields: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    head: Payload = _NOTHING
    size_bytes: int = len(_NOTHING.data)

    def is_beginning_of(self, messages: Sequence[object]) -> bool:
        """Whether these messages begin as it does, which is compared without a line of Python for each of them."""
        first = messages[: len(self.kinds)]
        return list(map(type, first)) == self.kinds and list(map(vars, first)) == self.fields

    def grow(self, message: object, link: Payload) -> None:
        """Adds the next message."""
        self.kinds.append(type(message))
        self.fields.append(
            {name: value if type(value) is str else deepcopy(value) for name, value in vars(message).items()}
        )
        self.head = link
        self.size_bytes += len(link.data)


class LinkBook:
    """Links by the link before and a key of the message; see `runtime/prompt_chain.py` for what a link is."""

    def __init__(self) -> None:
        self._links: dict[tuple[Digest | None, Hashable], Payload] = {}
        self._unsent = {_NOTHING.digest: _NOTHING.data}
        self._last = _Prompt()
        """That of the last prompt, up to the first message that has no key."""

    def chain(self, messages: Sequence[M], key: Callable[[M], Hashable | None], plain: Callable[[M], Json]) -> Chained:
        """As `prompt_chain.chain` does it; messages with equal keys are equal, one without a key is always written.

        Raises:
            UsageError: a message is no JSON.
        """
        known = self._last = self._last if self._last.is_beginning_of(messages) else _Prompt()
        head, size_bytes = known.head, known.size_bytes
        for message in messages[len(known.kinds) :]:
            before, its_key = head, key(message)
            head = self._link(None if before is _NOTHING else before.digest, message, its_key, plain)
            size_bytes += len(head.data)
            if its_key is not None and known.head is before:
                known.grow(message, head)
        return Chained(head.digest, dict(self._unsent), size_bytes)

    def sent(self, links: Iterable[Digest]) -> None:
        """These were handed on, in an event that is recorded with them before any that comes later."""
        for name in links:
            self._unsent.pop(name, None)

    def _link(self, after: Digest | None, message: M, key: Hashable | None, plain: Callable[[M], Json]) -> Payload:
        known = None if key is None else self._links.get((after, key))
        if known is not None:
            return known
        made = Payload.of({"after": after, "message": plain(message)})
        self._unsent[made.digest] = made.data
        if key is not None:
            if len(self._links) >= MAX_LINKS:
                self._links.clear()
            self._links[after, key] = made
        return made
