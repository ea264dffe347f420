"""The file that one run travels in: its bytes, and how bytes of unknown origin are read.

    repertory-run 1 <64 hexadecimal digits>\\n    the version, and BLAKE2b-256 over all that follows the line end
    <zlib stream>                                of records: one byte for the kind, four for the length (big-endian),
                                                 then so many bytes

The records: one `H`, the head, JSON: run (its id), events, blobs (how many follow), redacted (how many events and
blobs held a secret), versions. Then an `E` for each event, in the order of seq, as `runtime/codec.py` writes it. Then
a `B` for each blob, in the order of their digests: bytes, whose digest is computed when they are read. There is no
code in it and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import msgspec

from runtime.blobs import digest
from runtime.codec import decode_event, encode_event, format_of
from runtime.errors import CorruptEvent, UsageError
from runtime.events import FORMAT_VERSION, AnyEvent, Digest

FILE_VERSION = 1
"""The version of the file; that of the events in it stands in the first of them."""

MAX_FILE_BYTES = 1 << 30
"""The largest file that is read."""
MAX_UNPACKED_BYTES = 2 << 30
"""How much all records may hold together."""
MAX_RECORD_BYTES = 64 << 20
"""How much one record may hold."""
MAX_RECORDS = 5_000_000
"""How many events and blobs a file may have."""

_MAGIC = b"repertory-run "
_SUM_BYTES = 32
_CHUNK_BYTES = 1 << 20


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the file says of itself."""

    run: str
    events: int
    blobs: int
    redacted: int = 0
    versions: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Exported:
    """A run as it travels."""

    run: str
    events: list[AnyEvent]
    blobs: dict[Digest, bytes]
    redacted: int = 0
    """How many events and blobs held a secret, which was taken out."""
    versions: dict[str, str] = field(default_factory=dict[str, str])
    """The versions of what wrote it."""


def packed(exported: Exported) -> bytes:
    """The file; equal runs make equal files."""
    head = Head(exported.run, len(exported.events), len(exported.blobs), exported.redacted, exported.versions)
    deflate = zlib.compressobj(9)
    parts = [deflate.compress(record) for record in _records(head, exported)]
    body = b"".join([*parts, deflate.flush()])
    return b"%s%d %s\n" % (_MAGIC, FILE_VERSION, _sum(body)) + body


def unpacked(data: bytes, name: str) -> Exported:
    """The run of a file; `name` is what messages call it. The parts are checked, not yet how they fit together.

    Raises:
        UsageError: it is no export, of a newer version, damaged, too large, or not what its head says.
    """
    records = _unrecorded(_inflated(_body(data, name), name), name)
    kind, first = next(records, ("", b""))
    if kind != "H":
        raise _bad(name, f"a record {kind!r} at its beginning", "the head")
    head = _head(first, name)
    events: list[AnyEvent] = []
    blobs: dict[Digest, bytes] = {}
    version = FORMAT_VERSION
    for kind, record in records:
        if kind == "E" and not blobs:
            version = version if events else format_of(record)
            events.append(_event(record, head.run, len(events) + 1, version, name))
        elif kind == "B":
            blobs[digest(record)] = record
        else:
            raise _bad(name, f"a record {kind!r} after {len(events)} events and {len(blobs)} blobs", "E, then B")
        if len(events) > head.events or len(blobs) > head.blobs:
            break
    if (len(events), len(blobs)) != (head.events, head.blobs):
        raise _bad(
            name, f"{len(events)} events and {len(blobs)} blobs", f"{head.events} and {head.blobs}, as its head says"
        )
    return Exported(head.run, events, blobs, head.redacted, head.versions)


def _records(head: Head, exported: Exported) -> Iterator[bytes]:
    yield _record("H", msgspec.json.encode(head, order="deterministic"))
    yield from (_record("E", encode_event(event)) for event in exported.events)
    yield from (_record("B", exported.blobs[name]) for name in sorted(exported.blobs))


def _record(kind: str, data: bytes) -> bytes:
    return kind.encode() + len(data).to_bytes(4, "big") + data


def _body(data: bytes, name: str) -> bytes:
    line, _, body = data[:200].partition(b"\n")
    if not line.startswith(_MAGIC):
        raise _bad(name, "another kind of file", "one that `repertory runs export` wrote")
    version, _, said = line.removeprefix(_MAGIC).partition(b" ")
    if not version.isdigit() or int(version) > FILE_VERSION:
        raise UsageError(
            f"{name}: found version {version.decode(errors='replace')} of the file, expected at most {FILE_VERSION}; "
            "read it with the newer version of Repertory that wrote it"
        )
    body = data[len(line) + 1 :]
    if _sum(body) != said:
        raise _bad(name, "bytes that do not fit its checksum", "the file as it was written; fetch it again")
    return body


def _inflated(body: bytes, name: str) -> Generator[bytes]:
    """The stream in pieces, never more of it at once than is asked for, whatever the file would unpack to."""
    inflate, rest, total = zlib.decompressobj(), body, 0
    try:
        while not inflate.eof:
            piece = inflate.decompress(rest, _CHUNK_BYTES)
            rest = inflate.unconsumed_tail
            total += len(piece)
            if total > MAX_UNPACKED_BYTES:
                raise _bad(name, f"more than {MAX_UNPACKED_BYTES} bytes in it", "a run of at most that")
            if not piece and not rest and not inflate.eof:
                raise _bad(name, "a stream that breaks off", "all of it")
            yield piece
    except zlib.error as error:
        raise _bad(name, f"what cannot be unpacked ({error})", "a zlib stream") from None
    if inflate.unused_data:
        raise _bad(name, "bytes after its end", "none")


def _unrecorded(pieces: Iterator[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    """The records of a stream."""
    kept, count = bytearray(), 0
    for piece in pieces:
        kept += piece
        at = 0
        while len(kept) - at >= 5:
            size = int.from_bytes(kept[at + 1 : at + 5], "big")
            if size > MAX_RECORD_BYTES or count > MAX_RECORDS:
                raise _bad(name, f"record {count} of {size} bytes", f"at most {MAX_RECORDS} of {MAX_RECORD_BYTES}")
            if len(kept) - at < 5 + size:
                break
            yield chr(kept[at]), bytes(kept[at + 5 : at + 5 + size])
            at, count = at + 5 + size, count + 1
        del kept[:at]
    if kept:
        raise _bad(name, "half a record at its end", "whole ones")


def _head(data: bytes, name: str) -> Head:
    try:
        return msgspec.json.decode(data, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad(name, f"a head that cannot be read ({error})", "run, events, blobs") from None


def _event(data: bytes, run: str, seq: int, version: int, name: str) -> AnyEvent:
    try:
        return decode_event(data, run=run, seq=seq, version=version)
    except CorruptEvent as error:
        raise UsageError(f"{name}: {error}") from None


def _sum(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_SUM_BYTES).hexdigest().encode()


def _bad(name: str, found: str, expected: str) -> UsageError:
    return UsageError(f"{name}: found {found}, expected {expected}; nothing was imported")
