"""The links of an agent's prompts that were made before, so that a growing prompt costs its new messages only.

A prompt of a thousand messages is asked a thousand times with one more each time; without this, all of them would be
written out and hashed again for each. It changes nothing of what is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from runtime.blobs import Payload
from runtime.codec import Json
from runtime.events import Digest

M = TypeVar("M")

MAX_LINKS = 20_000
"""How many links are kept; then all are forgotten and made again as they come."""


class LinkBook:
    """Links by the link before and a key of the message; see `runtime/prompt_chain.py` for what a link is."""

    def __init__(self) -> None:
        self._links: dict[tuple[Digest | None, Hashable], Payload] = {}

    def chain(
        self, messages: Sequence[M], key: Callable[[M], Hashable | None], plain: Callable[[M], Json]
    ) -> tuple[Digest, dict[Digest, bytes]]:
        """As `prompt_chain.chain` does it; messages with equal keys are equal, one without a key is always written.

        Raises:
            UsageError: a message is no JSON.
        """
        head = Payload.of(None)
        blobs = {head.digest: head.data}
        after: Digest | None = None
        for message in messages:
            head = self._link(after, message, key(message), plain)
            blobs[head.digest] = head.data
            after = head.digest
        return head.digest, blobs

    def _link(self, after: Digest | None, message: M, key: Hashable | None, plain: Callable[[M], Json]) -> Payload:
        known = None if key is None else self._links.get((after, key))
        if known is not None:
            return known
        made = Payload.of({"after": after, "message": plain(message)})
        if key is not None:
            if len(self._links) >= MAX_LINKS:
                self._links.clear()
            self._links[after, key] = made
        return made
