"""Prompts as chains of links, so that a conversation that grows costs its new messages and not all of it again.

A link is the canonical JSON `{"after": <digest of the link before, or null>, "message": <digest of the message>}`; a
prompt is named by the digest of its last link. Prompts with equal beginnings share those links and messages, whoever
sent them. The prompt without messages is the blob `null`. The recorder of model calls writes chains, viewers read them.
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
    message: Digest


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
        payload = Payload.of(message)
        head = Payload.of({"after": after, "message": payload.digest})
        blobs[payload.digest] = payload.data
        blobs[head.digest] = head.data
        after = head.digest
    return head.digest, {digest: data for digest, data in blobs.items() if digest not in known}


def unchain(head: Digest, get_blob: Callable[[Digest], bytes]) -> list[Json]:
    """The messages of the chain with this head, in order; `get_blob` gives the bytes of a digest.

    Raises:
        CorruptEvent: a blob on the way is no link.
    """
    messages: list[Digest] = []
    link = _link(head, get_blob(head))
    while link is not None:
        messages.append(link.message)
        link = None if link.after is None else _link(link.after, get_blob(link.after))
    return [parse(get_blob(message)) for message in reversed(messages)]


async def read_chain(journal: Journal, head: Digest) -> list[Json]:
    """The messages of the chain with this head, out of a journal.

    Raises:
        CorruptEvent: a part of it is not there, damaged or no link.
    """
    blobs: dict[Digest, bytes] = {}
    messages: list[Digest] = []
    after: Digest | None = head
    while after is not None:
        blobs[after] = await journal.blob(after)
        link = _link(after, blobs[after])
        messages.extend([] if link is None else [link.message])
        after = None if link is None else link.after
    blobs |= await journal.blobs(messages)
    return unchain(head, blobs.__getitem__)


def _link(digest: Digest, data: bytes) -> _Link | None:
    try:
        return msgspec.json.decode(data, type=_Link | None)
    except msgspec.DecodeError as error:
        raise CorruptEvent(
            f"blob {digest} is no link of a prompt ({error}); restore the journal from a copy, or start the run again"
        ) from error
