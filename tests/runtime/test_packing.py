"""An event that is packed unpacks to itself, now and in years, and what was not packed is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import ids
from runtime.codec import decode_event, encode_event
from runtime.errors import CorruptEvent
from runtime.events import AgentName, AnyEvent, MessagePublished, MessageSent, StepCompleted, StepStarted, Topic
from runtime.journals.compression import squeeze
from runtime.journals.packing import LAYOUTS, PACKED, pack, unpack
from tests.runtime.journal_samples import HASH, one_of_each

MESSAGE = ids.message_id(ids.ROOT, 0)
DELIVERY = ids.delivery_id(MESSAGE, AgentName("planner"))
STEP = ids.step_id(DELIVERY, "model", HASH, 0)
ASKED = StepStarted(seq=3, at=1732574000.25, step=STEP, delivery=DELIVERY, kind="model", name="qwen", request=HASH)
DONE = StepCompleted(
    seq=4,
    at=1732574001.5,
    step=STEP,
    delivery=DELIVERY,
    result=HASH,
    started_at=1732574000.25,
    ended_at=1732574001.25,
    usage={"input_tokens": 1200, "output_tokens": 80},
)
SENT = MessageSent(
    seq=2,
    at=1732574000.0,
    message=MESSAGE,
    sender=None,
    cause=ids.ROOT,
    recipient=AgentName("planner"),
    payload=HASH,
    headers={"traceparent": f"00-{HASH}-{HASH[:16]}-01"},
)

names = st.text(max_size=9) | st.text("0123456789abcdefABCDEF dms", max_size=34) | st.sampled_from([STEP, HASH, ""])
agents = st.builds(AgentName, names, names | st.just("default"))
headers = st.dictionaries(st.just("traceparent") | names, st.just(SENT.headers["traceparent"]) | names, max_size=2)
numbers = st.integers(-(2**70), 2**70)
events: st.SearchStrategy[AnyEvent] = st.one_of(
    st.builds(
        MessageSent,
        message=names,
        sender=st.none() | agents,
        cause=names,
        recipient=agents,
        payload=names,
        headers=headers,
    ),
    st.builds(
        MessagePublished,
        message=names,
        sender=agents,
        cause=names,
        topic=st.builds(Topic, names, names),
        recipients=st.lists(agents, max_size=3).map(tuple),
        payload=names,
    ),
    st.builds(
        StepStarted,
        step=names,
        delivery=names,
        kind=st.sampled_from(["model", "tool", "random"]),
        name=names,
        request=names,
        occurrence=numbers,
        effect=st.sampled_from(["read", "irreversible"]),
        is_metered=st.booleans(),
    ),
    st.builds(
        StepCompleted,
        step=names,
        delivery=names,
        result=st.none() | names,
        ended_at=st.floats(min_value=0.0, allow_infinity=False),
        usage=st.dictionaries(st.sampled_from(["input_tokens", "output_tokens", "more"]), numbers),
        origin=st.sampled_from(["live", "set"]),
    ),
)


def read(kept: bytes, seq: int = 0) -> AnyEvent:
    return decode_event(unpack(kept), run="r", seq=seq)


@given(events)
def test_an_event_comes_back_as_it_was_whatever_its_ids_and_words(event: AnyEvent) -> None:
    back = read(pack(event))
    assert (back, type(back)) == (event, type(event))
    assert pack(back) == pack(event)


@pytest.mark.parametrize("event", [*one_of_each(), ASKED, DONE, SENT], ids=lambda event: type(event).__name__)
def test_every_class_of_events_comes_back_to_the_byte(event: AnyEvent) -> None:
    assert encode_event(read(pack(event), event.seq)) == encode_event(event)


@pytest.mark.parametrize(("event", "size_bytes"), [(ASKED, 69), (DONE, 85), (SENT, 85)])
def test_a_row_is_little_more_than_its_hashes_and_times(event: AnyEvent, size_bytes: int) -> None:
    assert len(pack(event)) <= size_bytes


def test_rows_of_older_programs_still_read() -> None:
    assert read(squeeze(encode_event(DONE)), 4) == DONE


def test_rows_of_the_first_program_that_packed_still_read() -> None:
    kept = bytes.fromhex(
        "049cc40c001bd9d3c8c3947acf5328d5c40c5aff67eb7c779b491a8654e3c4100123456789abcdef0123456789abcdefc001"
        "cb41d9d13ecc100000cb41d9d13ecc50000092cd04b0500004cb41d9d13ecc60000004"
    )
    assert read(kept, 4) == DONE


def test_layouts_have_the_fields_of_their_classes() -> None:
    for number, layout in enumerate(LAYOUTS):
        assert layout.number == number
        assert layout.names == layout.cls.__struct_fields__, "a class that changed needs a layout of its own"


def is_refused(kept: bytes) -> bool:
    try:
        read(kept)
    except (ValueError, CorruptEvent):
        return True
    return False


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats()
    | st.text(max_size=4)
    | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.binary(max_size=3), inner),
    max_leaves=6,
)


@given(st.binary(max_size=60))
def test_bytes_that_were_not_packed_are_refused(data: bytes) -> None:
    assert is_refused(bytes([PACKED]) + data)


@pytest.mark.slow
@given(st.data())
def test_fields_that_were_not_packed_are_refused_or_read_as_an_event(data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from(LAYOUTS))
    values = [data.draw(plain) for _ in layout.names]
    number = data.draw(st.just(layout.number) | plain)
    kept = bytes([PACKED]) + msgspec.msgpack.encode([*values, number])
    assert is_refused(kept) or read(kept)


def test_a_cut_row_is_refused() -> None:
    kept = pack(DONE)
    assert all(is_refused(kept[:length]) for length in range(len(kept)))
    assert is_refused(kept + b"\x00")
