"""What is written comes back as it was, to the byte, and what could not is refused."""

from __future__ import annotations

import json
from typing import cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.codec import Json, canonical, decode_event, encode_event, format_of, parse
from runtime.errors import CorruptEvent, UsageError
from runtime.events import FORMAT_VERSION, AnyEvent
from tests.runtime.journal_samples import HASH, delivery, one_of_each, question, started

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
simple = st.none() | st.booleans() | numbers | st.text(max_size=20)
values: st.SearchStrategy[Json] = st.recursive(
    simple,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(values)
def test_a_value_comes_back_as_it_was(value: Json) -> None:
    data = canonical(value)
    back = parse(data)
    assert back == value
    assert repr(back) == repr(json.loads(data))
    assert canonical(back) == data


@given(st.dictionaries(st.text(max_size=5), simple, max_size=6))
def test_the_order_of_keys_makes_no_difference(value: dict[str, Json]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)


def test_canonical_bytes_are_sorted_and_dense_and_keep_chinese_as_it_is() -> None:
    value: Json = {"b": [1, 1.0, -0.0, True, None], "a": "故宫\n"}
    assert canonical(value) == '{"a":"故宫\\n","b":[1,1.0,-0.0,true,null]}'.encode()


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"days": [1, {"price": float("nan")}]}, r"\$\.days\[1\]\.price is nan \(float\)"),
        ([float("-inf")], r"\$\[0\] is -inf"),
        ({"raw": b"x"}, r"\$\.raw is b'x' \(bytes\)"),
        ({"a": {1: 2}}, r"\$\.a has the key 1, which is no string"),
        ({1, 2}, r"\$ is \{1, 2\} \(set\)"),
        ({"name": "\ud800"}, "surrogates"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(value: object, place: str) -> None:
    with pytest.raises(UsageError, match=place):
        canonical(cast("Json", value))


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[Json] = []
    value.append(value)
    with pytest.raises(UsageError, match="recursion"):
        canonical(value)


def test_bytes_that_are_no_json_are_corrupt() -> None:
    with pytest.raises(CorruptEvent, match="no JSON"):
        parse(b'{"a":')


@pytest.mark.parametrize("event", one_of_each(), ids=lambda event: type(event).__name__)
def test_every_event_comes_back_as_it_was(event: AnyEvent) -> None:
    data = encode_event(event)
    assert decode_event(data, run="r", seq=event.seq) == event
    assert encode_event(decode_event(data, run="r", seq=event.seq)) == data


def test_the_samples_hold_every_class_of_events() -> None:
    assert {type(event) for event in one_of_each()} == set(get_args(AnyEvent))


def test_an_event_is_written_as_it_was_first_written() -> None:
    assert encode_event(question(3)) == (
        b'{"event":"step_started","step":"q","delivery":"d","kind":"question","name":"person","request":"'
        + HASH.encode()
        + b'","seq":3,"at":103.0}'
    )


def test_the_first_event_states_the_format_even_when_it_is_the_default() -> None:
    assert format_of(encode_event(started())) == FORMAT_VERSION
    assert f'"format":{FORMAT_VERSION}'.encode() in encode_event(started())
    assert format_of(b"no event") == 1


@pytest.mark.parametrize(
    "data",
    [
        b'{"event":"agent_teleported","seq":2}',
        b'{"event":"delivery_started","seq":2}',
        b'{"seq":2}',
        b'{"event":"delivery_started",',
        b"\xff\xfe",
    ],
)
def test_bytes_that_are_no_event_are_corrupt_and_say_where(data: bytes) -> None:
    with pytest.raises(CorruptEvent, match=r"run r7: event 2 .*restore the journal") as caught:
        decode_event(data, run="r7", seq=2)
    assert (caught.value.run, caught.value.seq) == ("r7", 2)


def test_an_event_in_the_wrong_place_is_corrupt() -> None:
    with pytest.raises(CorruptEvent, match="event 5 says that it is event 4"):
        decode_event(encode_event(delivery(4)), run="r", seq=5)


@pytest.mark.parametrize("version", [0, 99])
def test_a_format_that_is_not_known_is_refused_with_what_to_do(version: int) -> None:
    with pytest.raises(CorruptEvent, match=rf"have format {version}, this program reads 1 to .*newer version"):
        decode_event(encode_event(delivery(2)), run="r", seq=2, version=version)
