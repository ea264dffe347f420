"""Long texts inside of payloads, kept once: what a model answers comes again in the message that carries the answer and
in the next prompt, each time in another wrapping.

Before a payload is stored, every long JSON string in it is replaced by the hash of its bytes and stored beside it. This
is between the journal and its disk: digests, and what the journal's callers see, are those of the whole payload.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from runtime.blobs import DIGEST_BYTES, digest
from runtime.events import Digest

LONG_BYTES = 160
"""From this length on a text is kept by itself; a shorter one is smaller than what that costs."""

_MARK = b"\x00"
"""Begins a reference. It is in no JSON: control characters are escaped there."""

_STRING = re.compile(rb'"((?:[^"\\]+|\\.)*+)"', re.DOTALL)
_REFERENCE = re.compile(rb"\x00([0-9a-f]{%d})" % (2 * DIGEST_BYTES))


def take_out(data: bytes) -> tuple[bytes, dict[Digest, bytes]]:
    """The data with references in place of its long texts, and the texts; bytes that are no JSON stay as they are."""
    texts: dict[Digest, bytes] = {}

    def refer(match: re.Match[bytes]) -> bytes:
        text = match[1]
        if len(text) < LONG_BYTES:
            return match[0]
        name = digest(text)
        texts[name] = text
        return b'"' + _MARK + name.encode() + b'"'

    if len(data) < LONG_BYTES or data[:1] not in (b"{", b"[", b'"') or _MARK in data:
        return data, {}
    return _STRING.sub(refer, data), texts


def references(data: bytes) -> list[Digest]:
    """The digests of the texts that were taken out."""
    return [found.decode() for found in _REFERENCE.findall(data)]


def put_back(data: bytes, texts: Mapping[Digest, bytes]) -> bytes:
    """The data as it was before `take_out`.

    Raises:
        KeyError: a text is not among `texts`.
    """
    return _REFERENCE.sub(lambda match: texts[match[1].decode()], data)
