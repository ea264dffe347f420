"""What a blackboard holds, as canonical bytes under a content hash.

JSON values have the canonical form of the journal (`runtime/codec.py`); bytes and numpy arrays follow a line that names
them and that no JSON begins with. The digest of a value is that of these bytes, so the journal can store `dump(value)`
as a blob under the very digest that the blackboard answered, and `load` gives the value back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from runtime.blobs import DIGEST_BYTES
from runtime.codec import Json, canonical, parse
from runtime.errors import UsageError
from runtime.events import Digest

Array = NDArray[Any]
Value: TypeAlias = "Json | bytes | Array"
"""JSON, bytes, or an array of numbers, booleans or fixed-width text."""

_BYTES, _ARRAY = b"\0bytes\n", b"\0array\n"


def digest_of(value: Value) -> Digest:
    """The content hash of a value: BLAKE2b over `dump(value)`, 32 hexadecimal digits; an array is not copied for it.

    Raises:
        UsageError: the value is neither JSON, bytes nor an array of plain numbers.
    """
    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for piece in _pieces(value):
        hashed.update(piece)
    return hashed.hexdigest()


def dump(value: Value) -> bytes:
    """The canonical bytes of a value; equal values have equal bytes.

    Raises:
        UsageError: as `digest_of`.
    """
    return b"".join(_pieces(value))


def load(dumped: bytes) -> Value:
    """The value whose canonical bytes these are; arrays come back read-only.

    Raises:
        CorruptEvent: the bytes are not what `dump` writes.
    """
    if dumped.startswith(_BYTES):
        return dumped.removeprefix(_BYTES)
    if dumped.startswith(_ARRAY):
        header, _, data = dumped.removeprefix(_ARRAY).partition(b"\n")
        shape = json.loads(header)
        return np.frombuffer(data, dtype=np.dtype(shape["dtype"])).reshape(shape["shape"])
    return parse(dumped)


def _pieces(value: Value) -> Iterator[bytes | memoryview]:
    if isinstance(value, bytes):
        yield from (_BYTES, value)
    elif isinstance(value, np.ndarray):
        yield from _array_pieces(value)
    else:
        yield canonical(value)


def _array_pieces(array: Array) -> Iterator[bytes | memoryview]:
    if array.dtype.hasobject or array.dtype.fields is not None:
        raise UsageError(f"found an array of {array.dtype}, expected plain numbers, booleans or fixed-width text")
    yield _ARRAY
    yield json.dumps({"dtype": array.dtype.str, "shape": array.shape}, separators=(",", ":")).encode() + b"\n"
    if array.size:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
