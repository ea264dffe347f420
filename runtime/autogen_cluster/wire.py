"""What goes between the driver and a host, in both directions: calls, and what came of them, many in one parcel."""

from __future__ import annotations

import msgspec


class Call(msgspec.Struct, frozen=True, tag="c", array_like=True):
    """Something to be done at the other end."""

    number: int
    verb: str
    body: bytes


class Answer(msgspec.Struct, frozen=True, tag="a", array_like=True):
    """What a call returned."""

    number: int
    body: bytes


class Failed(msgspec.Struct, frozen=True, tag="f", array_like=True):
    """What a call raised."""

    number: int
    body: bytes


class Withdrawn(msgspec.Struct, frozen=True, tag="w", array_like=True):
    """The caller waits no more, or its cancellation token was cancelled."""

    number: int
    by_token: bool
    """Whether the token alone was cancelled: what runs goes on unless it is linked to it."""


Frame = Call | Answer | Failed | Withdrawn

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Frame])


def encode(frames: list[Frame]) -> bytes:
    """Frames in their order, as one parcel."""
    return _encoder.encode(frames)


def decode(parcel: bytes) -> list[Frame]:
    """The frames of a parcel."""
    return _decoder.decode(parcel)
