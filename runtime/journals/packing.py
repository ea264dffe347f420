"""Events as short rows: their fields by place, hashes and ids as bytes, words as numbers, in MessagePack.

The events of which a run has many have a layout here; the others, and rows that would be long, are squeezed JSON
(`compression.py`). The first byte tells them apart. Packing takes a fifth of the time of deflating and is about as
small, since most of an event are hashes. What is unpacked is the JSON object that was packed, no more and no less.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import msgspec

from runtime.codec import encode_event
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    MessagePublished,
    MessageSent,
    RunCompleted,
    StepCompleted,
    StepStarted,
    Topic,
)
from runtime.journals.compression import expand, squeeze
from runtime.upgrades import JsonObject

PACKED = 4
"""The first byte of a packed row, beside the methods of `compression.py`."""

_FIRST = bytes([PACKED])

_LONG_BYTES = 160
"""Above this length a row is squeezed where that makes it smaller."""

Kept: TypeAlias = "bool | int | float | str | bytes | list[Kept] | dict[str, Kept] | None"
"""What a packed row consists of."""

_LATELY = 2048
"""How many hashes are packed without looking at them again: a run names each of its deliveries and steps repeatedly."""

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Kept] = msgspec.msgpack.Decoder()


class _Field(NamedTuple):
    """How the values of a field are packed; a value that is not of the usual form is packed as it is."""

    pack: Callable[[Any], Kept]
    unpack: Callable[[Kept], Kept]


def _hash(prefix: str = "") -> _Field:
    """A digest, or an id with its first letter: as bytes."""
    start = len(prefix)

    def pack(text: str | None) -> Kept:
        if text is None:
            return None
        try:
            packed = bytes.fromhex(text[start:])
        except ValueError:
            return text
        return packed if prefix + packed.hex() == text else text

    def unpack(kept: Kept) -> Kept:
        return prefix + kept.hex() if isinstance(kept, bytes) else kept

    return _Field(lru_cache(_LATELY)(pack), unpack)


class _Numbers(dict[str, Kept]):
    """Words and their numbers; a word without one stays as it is."""

    def __missing__(self, word: str) -> Kept:
        return word


def _word(*words: str) -> _Field:
    """One of few words: as its number."""
    numbers = _Numbers((word, number) for number, word in enumerate(words))

    def unpack(kept: Kept) -> Kept:
        match kept:
            case int(number) if 0 <= number < len(words):
                return words[number]
            case _:
                return kept

    return _Field(numbers.__getitem__, unpack)


def _address(second: str) -> _Field:
    """An agent or a topic: as its type alone where the rest is the default."""

    def pack(address: AgentName | Topic | None) -> Kept:
        if address is None:
            return None
        first, rest = msgspec.structs.astuple(address)
        return first if rest == "default" else [first, rest]

    def unpack(kept: Kept) -> Kept:
        match kept:
            case str():
                return {"type": kept, second: "default"}
            case [first, rest]:
                return {"type": first, second: rest}
            case _:
                return kept

    return _Field(pack, unpack)


def _all(field: _Field) -> _Field:
    """Many of them."""

    def pack(values: Iterable[object]) -> Kept:
        return [field.pack(value) for value in values]

    def unpack(kept: Kept) -> Kept:
        return [field.unpack(value) for value in kept] if isinstance(kept, list) else kept

    return _Field(pack, unpack)


_TRACE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")


def _pack_headers(headers: Mapping[str, str]) -> Kept:
    """Headers with nothing but the usual trace context: as its bytes."""
    trace = _TRACE.fullmatch(headers.get("traceparent", "")) if len(headers) == 1 else None
    return dict(headers) if trace is None else bytes.fromhex(trace[1] + trace[2])


def _unpack_headers(kept: Kept) -> Kept:
    return {"traceparent": f"00-{kept[:16].hex()}-{kept[16:].hex()}-01"} if isinstance(kept, bytes) else kept


_TOKENS = ("input_tokens", "output_tokens")


def _pack_usage(usage: Mapping[str, int]) -> Kept:
    is_usual = len(usage) == len(_TOKENS) and all(name in usage for name in _TOKENS)
    return [usage[name] for name in _TOKENS] if is_usual else dict(usage)


def _unpack_usage(kept: Kept) -> Kept:
    return dict(zip(_TOKENS, kept, strict=False)) if isinstance(kept, list) else kept


def _is_no_time(value: Kept) -> bool:
    """Whether it is what a time is where none was given, which JSON leaves out too."""
    return type(value) is float and value == 0.0


_DIGEST, _STEP, _DELIVERY, _MESSAGE = _hash(), _hash("s"), _hash("d"), _hash("m")
_AGENT, _TOPIC = _address("key"), _address("source")
_HEADERS, _USAGE = _Field(_pack_headers, _unpack_headers), _Field(_pack_usage, _unpack_usage)
_KIND = _word("model", "tool", "retrieval", "memory", "question", "clock", "timer", "random")
_EFFECT = _word("read", "idempotent", "compensable", "irreversible")
_ORIGIN = _word("live", "reused", "simulated", "set")


class _Layout:
    """The fields of a kind of event, in their order, each with how it is packed; None for what stays as it is.

    Rows depend on it for ever: where the class changes, a layout with a new number is added and this one stays to read.
    """

    def __init__(self, number: int, cls: type[AnyEvent], **fields: _Field | None) -> None:
        self.number = number
        self.cls = cls
        self.tag = cls.__struct_config__.tag
        self.names = tuple(fields)
        self._packed = [(place, field) for place, field in enumerate(fields.values()) if field is not None]

    def pack(self, event: AnyEvent) -> bytes:
        values: list[Kept] = list(msgspec.structs.astuple(event))
        for place, field in self._packed:
            values[place] = field.pack(values[place])
        values.append(self.number)
        return _FIRST + _encoder.encode(values)

    def unpack(self, values: list[Kept]) -> JsonObject:
        if len(values) != len(self.names):
            raise ValueError(f"{len(values)} packed fields where a {self.tag} has {len(self.names)}")
        for place, field in self._packed:
            values[place] = field.unpack(values[place])
        found = {name: value for name, value in zip(self.names, values, strict=True) if not _is_no_time(value)}
        return {"event": self.tag, **found}


_COMMON: dict[str, _Field | None] = {"seq": None, "at": None}
_SENT = {"message": _MESSAGE, "sender": _AGENT, "cause": _DELIVERY}
_ASKED = {"kind": _KIND, "name": None, "request": _DIGEST, "occurrence": None, "effect": _EFFECT}
_DONE = {"result": _DIGEST, "failure": None, "attempts": None, "started_at": None, "ended_at": None}

LAYOUTS = (
    _Layout(0, MessageSent, **_SENT, recipient=_AGENT, payload=_DIGEST, headers=_HEADERS, **_COMMON),
    _Layout(
        1,
        MessagePublished,
        **_SENT,
        topic=_TOPIC,
        recipients=_all(_AGENT),
        payload=_DIGEST,
        headers=_HEADERS,
        **_COMMON,
    ),
    _Layout(2, DeliveryStarted, delivery=_DELIVERY, message=_MESSAGE, agent=_AGENT, state=_DIGEST, **_COMMON),
    _Layout(3, StepStarted, step=_STEP, delivery=_DELIVERY, **_ASKED, is_metered=None, tokens=None, **_COMMON),
    _Layout(4, StepCompleted, step=_STEP, delivery=_DELIVERY, **_DONE, usage=_USAGE, origin=_ORIGIN, **_COMMON),
    _Layout(
        5,
        DeliveryCompleted,
        delivery=_DELIVERY,
        message=_MESSAGE,
        agent=_AGENT,
        response=_DIGEST,
        failure=None,
        **_COMMON,
    ),
    _Layout(6, RunCompleted, result=_DIGEST, **_COMMON),
)
"""By their numbers."""

_BY_CLASS: dict[type[AnyEvent], _Layout] = {layout.cls: layout for layout in LAYOUTS}


def pack(event: AnyEvent) -> bytes:
    """An event as it is kept."""
    layout = _BY_CLASS.get(type(event))
    if layout is not None:
        try:
            row = layout.pack(event)
        except OverflowError:  # an integer that MessagePack does not have
            row = b""
        if 0 < len(row) <= _LONG_BYTES:
            return row
    return squeeze(encode_event(event))


def unpack(kept: bytes) -> bytes | JsonObject:
    """An event's JSON, or its object, as `codec.decode_event` takes it.

    Raises:
        ValueError: these are not bytes that `pack` has made.
    """
    if kept[:1] != _FIRST:
        return expand(kept)
    try:
        values = _decoder.decode(kept[1:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(values, list) or not values:
        raise ValueError("no fields")
    match values.pop():
        case int(number) if 0 <= number < len(LAYOUTS):
            return LAYOUTS[number].unpack(values)
        case unknown:
            raise ValueError(f"unknown layout {unknown!r}")
