"""How values and events become bytes and come back: the one format of every journal.

Values are *canonical* JSON: UTF-8, keys sorted, no blanks, so that equal values are equal bytes and have one hash.
Events are JSON objects told apart by `event`; the format version of a run stands in its first event and is passed in
when the others are read, so that older runs are upgraded and newer ones refused. Journals, blobs and steps call this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, TypeAlias, get_args

import msgspec

from runtime.errors import CorruptEvent, UsageError
from runtime.events import FORMAT_VERSION, AnyEvent, RunStarted
from runtime.upgrades import JsonObject, check_version, upgraded

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""What JSON can hold. What is decoded consists of dict, list, str, int, float, bool and None only."""

_encoder = msgspec.json.Encoder(order="deterministic")
_value_decoder: msgspec.json.Decoder[Json] = msgspec.json.Decoder()
_event_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_CLASSES = {cls.__struct_config__.tag: cls for cls in get_args(AnyEvent)}


def canonical(value: Json) -> bytes:
    """The bytes of a value: the same for equal values, whatever the order of their keys.

    Integers keep every digit and floats the shortest form that reads back equal; 1 and 1.0 stay different.

    Raises:
        UsageError: what cannot come back as it was (NaN, infinities, bytes, keys that are no strings, lone surrogates,
            instances of classes); the message names its place.
    """
    try:
        if _is_json(value):
            return _encoder.encode(value)
    except (UnicodeEncodeError, RecursionError) as error:
        raise UsageError(f"a value cannot be written as JSON: {error}") from error
    raise UsageError(
        f"a value cannot be written as JSON: {_fault(value, '$')}; use only dict, list, str, int, float, bool"
    )


def parse(data: bytes) -> Json:
    """The value of canonical (or any other) JSON bytes.

    Raises:
        CorruptEvent: the bytes are no JSON.
    """
    try:
        return _value_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptEvent(f"a stored value is no JSON ({error}); restore the journal from a copy") from error


def encode_event(event: AnyEvent) -> bytes:
    """An event's bytes; the first event of a run always states its format, whatever its class's default is."""
    if isinstance(event, RunStarted):
        fields: JsonObject = msgspec.to_builtins(event)
        return _encoder.encode({**fields, "format": event.format})
    return _encoder.encode(event)


def decode_event(data: bytes | JsonObject, *, run: str, seq: int, version: int = FORMAT_VERSION) -> AnyEvent:
    """The event of these bytes, or of the object that they hold, upgraded from `version` (the format of its run) to the
    present one.

    Raises:
        CorruptEvent: no event of that version, not the one of this `seq`, or of a version newer than this program.
    """
    if seq == 1 and isinstance(data, bytes) and b'"run_started"' in data and b'"format":' not in data:
        raise CorruptEvent(f"run {run}: its first event states no format; restore the journal from a copy", run, seq)
    check_version(version, run, seq)
    try:
        event = _decoded(data, version)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError) as error:
        raise CorruptEvent(
            f"run {run}: event {seq} cannot be read ({error}); it was written by another program or is damaged: "
            "restore the journal from a copy, or start the run again",
            run,
            seq,
        ) from error
    if event.seq != seq:
        raise CorruptEvent(
            f"run {run}: event {seq} says that it is event {event.seq}; restore the journal from a copy", run, seq
        )
    return event


class _Head(msgspec.Struct):
    """The part of a first event that every version shares."""

    format: int = 1


def format_of(first_event: bytes) -> int:
    """The format version that a run's first event states; 1 where it states none or cannot be read."""
    try:
        return msgspec.json.decode(first_event, type=_Head).format
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 1


def _decoded(data: bytes | JsonObject, version: int) -> AnyEvent:
    if version == FORMAT_VERSION and isinstance(data, bytes):
        return _event_decoder.decode(data)
    fields: JsonObject = msgspec.json.decode(data, type=dict[str, Any]) if isinstance(data, bytes) else data
    fields = upgraded(fields, version)
    event: AnyEvent = msgspec.convert(
        fields, _CLASSES[str(fields["event"])]
    )  # to convert to one of many takes far longer
    return event


def _is_json(value: Json) -> bool:
    """Whether every part is of an exact JSON type, so that decoding gives an equal value."""
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return True
    if isinstance(value, dict):
        return {*map(type, value)} <= {str} and all(map(_is_json, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return kind is float and isinstance(value, float) and isfinite(value)


def _fault(value: Json, place: str) -> str:
    """Where the first part stands that is no JSON, and what it is."""
    if isinstance(value, dict):
        for key, item in value.items():
            if type(key) is not str:
                return f"{place} has the key {key!r}, which is no string"
            if not _is_json(item):
                return _fault(item, f"{place}.{key}")
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if not _is_json(item):
                return _fault(item, f"{place}[{index}]")
    return f"{place} is {value!r} ({type(value).__qualname__})"
