"""What is squeezed expands to itself, now and in years."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.codec import encode_event
from runtime.journals.compression import expand, squeeze
from tests.runtime.journal_samples import HASH, one_of_each, question


@given(st.binary(max_size=200) | st.binary(max_size=20).map(lambda data: data * 999))
def test_data_expands_to_itself(data: bytes) -> None:
    assert expand(squeeze(data)) == data
    assert len(squeeze(data)) <= len(data) + 1


def test_events_shrink_to_less_than_half() -> None:
    events = [encode_event(event) for event in one_of_each()]
    assert sum(map(len, map(squeeze, events))) < sum(map(len, events)) / 2


def test_bytes_of_the_first_program_still_expand() -> None:
    kept = bytes.fromhex("1123142a85684e438402bcfa820704b0822806f391828351d935bd73f5d9f7301a163cc650171818eb19d40200")
    assert expand(kept) == encode_event(question(3))
    assert HASH.encode() in expand(kept)


CUT, LENGTHENED = squeeze(b"abc" * 99)[:-1], squeeze(b"abc" * 99) + b"x"


@pytest.mark.parametrize("kept", [b"", b"\x09abc", b"\x01\xff\xff", CUT, LENGTHENED])
def test_bytes_that_were_not_squeezed_are_refused(kept: bytes) -> None:
    with pytest.raises(ValueError, match=r"unknown compression|Error|end at the wrong place"):
        expand(kept)
