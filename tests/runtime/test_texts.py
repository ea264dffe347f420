"""Long texts leave a payload and return to it, whatever its bytes are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.blobs import digest
from runtime.codec import canonical
from runtime.journals.texts import LONG_BYTES, put_back, references, take_out

LONG = 'a "quoted" \\ line\n' * 20
texts = st.text(max_size=20) | st.just(LONG) | st.text(min_size=LONG_BYTES, max_size=LONG_BYTES + 20)
payloads = st.builds(canonical, st.lists(texts, max_size=5) | st.dictionaries(texts, texts, max_size=5))


@pytest.mark.slow
@given(payloads | st.binary() | st.binary(max_size=20).map(lambda data: b"{" + data * 50))
def test_data_comes_back_as_it_was(data: bytes) -> None:
    rest, taken = take_out(data)
    assert all(digest(text) == name for name, text in taken.items())
    if taken:
        assert set(references(rest)) == taken.keys()
        assert put_back(rest, taken) == data
    else:
        assert rest == data


def test_a_long_text_is_the_same_in_every_wrapping() -> None:
    _, answer = take_out(canonical({"content": LONG, "usage": {"tokens": 7}}))
    _, message = take_out(canonical({"source": "x", "type": "AssistantMessage", "content": LONG}))
    _, both = take_out(canonical([LONG, "short", LONG]))
    assert list(answer) == list(message) == list(both)


def test_numbers_between_two_strings_are_no_text() -> None:
    data = canonical({"a": "x", "b": list(range(1000)), "c": "y"})
    assert take_out(data) == (data, {})
