"""Prompts as chains of links, so that a conversation that grows costs its new messages and not all of it again.

A link is the canonical JSON `{"after": <digest of the link before, or null>, "message": <the message>}`; a prompt is
named by the digest of its last link. Prompts with equal beginnings share those links, whoever sent them. The prompt
without messages is the blob `null`. The recorder of model calls writes chains, viewers read them.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

import msgspec

from runtime.blobs import Payload
from runtime.codec import Json, parse
from runtime.errors import CorruptEvent
from runtime.events import Digest
from runtime.journal import Journal


class _Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    after: Digest | None
    message: msgspec.Raw


def chain(messages: Sequence[Json], known: Container[Digest] = frozenset()) -> tuple[Digest, dict[Digest, bytes]]:
    """The head of the messages' chain, and the blobs to store for it.

    Blobs whose digests are in `known` are left out: give what is stored already and a growing prompt brings its new
    part only.

    Raises:
        UsageError: a message is no JSON.
    """
    head = Payload.of(None)
    blobs = {head.digest: head.data}
    after: Digest | None = None
    for message in messages:
        head = Payload.of({"after": after, "message": message})
        blobs[head.digest] = head.data
        after = head.digest
    return head.digest, {digest: data for digest, data in blobs.items() if digest not in known}


def unchain(head: Digest, get_blob: Callable[[Digest], bytes]) -> list[Json]:
    """The messages of the chain with this head, in order; `get_blob` gives the bytes of a digest.

    Raises:
        CorruptEvent: a blob on the way is no link.
    """
    messages: list[Json] = []
    after: Digest | None = head
    while after is not None:
        after = _follow(after, get_blob(after), messages)
    return messages[::-1]


async def read_chain(journal: Journal, head: Digest) -> list[Json]:
    """The messages of the chain with this head, out of a journal.

    Raises:
        CorruptEvent: a part of it is not there, damaged or no link.
    """
    messages: list[Json] = []
    after: Digest | None = head
    while after is not None:
        after = _follow(after, await journal.blob(after), messages)
    return messages[::-1]


def _follow(digest: Digest, data: bytes, messages: list[Json]) -> Digest | None:
    """Adds the link's message; the digest of the link before it."""
    try:
        link = msgspec.json.decode(data, type=_Link | None)
    except msgspec.DecodeError as error:
        raise CorruptEvent(
            f"blob {digest} is no link of a prompt ({error}); restore the journal from a copy, or start the run again"
        ) from error
    if link is None:
        return None
    messages.append(parse(bytes(link.message)))
    return link.after
