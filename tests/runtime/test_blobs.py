"""A payload's digest stands for its value."""

from __future__ import annotations

import pytest

from runtime.blobs import Payload, digest, verified
from runtime.errors import CorruptEvent, UsageError


def test_a_digest_is_blake2b_of_16_bytes_in_hexadecimal() -> None:
    assert digest(b"") == "cae66941d9efbd404e4d88758ea67670"


def test_equal_values_have_one_payload_and_unequal_ones_do_not() -> None:
    assert Payload.of({"a": 1, "b": 2}) == Payload.of({"b": 2, "a": 1})
    assert Payload.of({"a": 1}).digest != Payload.of({"a": 1.0}).digest


def test_a_payload_gives_its_value_back() -> None:
    assert Payload.of({"名": ["故宫", None]}).value == {"名": ["故宫", None]}


def test_what_is_no_json_has_no_payload() -> None:
    with pytest.raises(UsageError):
        Payload.of(float("nan"))


def test_bytes_are_verified_against_their_digest() -> None:
    assert verified(digest(b"abc"), b"abc") == b"abc"
    with pytest.raises(CorruptEvent, match="is damaged"):
        verified(digest(b"abc"), b"abd")
