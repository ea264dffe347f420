"""Content-addressed bytes: what events name by hash, the journal stores once.

A payload is the canonical JSON of a message, a request, a result or a state together with its digest. Equal payloads
have equal digests on every machine and in every replay, so a digest stands for the value wherever values are compared.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from runtime.codec import Json, canonical, parse
from runtime.errors import CorruptEvent
from runtime.events import Digest

DIGEST_BYTES = 16
"""The length of a digest in bytes; it is written as twice as many hexadecimal digits."""


def digest(data: bytes) -> Digest:
    """The content hash of bytes: BLAKE2b of 16 bytes, as 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes with their content hash."""

    digest: Digest
    data: bytes

    @classmethod
    def of(cls, value: Json) -> Payload:
        """The payload of a JSON value.

        Raises:
            UsageError: the value is no JSON (`codec.canonical` says what is).
        """
        data = canonical(value)
        return cls(digest(data), data)

    @property
    def value(self) -> Json:
        """The JSON value again."""
        return parse(self.data)


def verified(expected: Digest, data: bytes) -> bytes:
    """The same bytes, when they have the expected hash.

    Raises:
        CorruptEvent: they have another one.
    """
    found = digest(data)
    if found != expected:
        raise CorruptEvent(
            f"blob {expected} is damaged: its bytes have the hash {found}; restore the journal from a copy, "
            "or start the run again"
        )
    return data
