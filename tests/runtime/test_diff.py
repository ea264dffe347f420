"""Two runs side by side: where they part, why, and what of the rest is the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.blobs import digest
from runtime.codec import canonical
from runtime.diff import matched
from runtime.events import AnyEvent, StepCompleted, StepStarted
from runtime.journal import MemoryJournal
from runtime.reading.causes import RunCause
from runtime.reading.run_comparison import Comparison, compare
from runtime.reading.run_tree import StepNode
from tests.runtime.changing import other, recorded
from tests.runtime.test_local import perform


async def both(one: MemoryJournal, two: MemoryJournal) -> MemoryJournal:
    """A journal with the runs `a` and `b`."""
    journal = MemoryJournal()
    for name, source in (("a", one), ("b", two)):
        blobs = source._blobs  # pyright: ignore[reportPrivateUsage]
        await journal.append(name, await journal.claim(name), await source.events("run"), blobs)
    return journal


async def compared_with(**changes: Any) -> Comparison:
    one = await recorded()
    with other(**changes):
        two = await recorded()
    return await compare(await both(one, two), "a", "b")


async def test_two_runs_of_the_same_team_are_the_same() -> None:
    found = await compared_with()
    assert found.is_same
    assert {row.status for row in found.alignment.rows} == {"same"}
    assert len(found.alignment.rows) == 14
    assert found.a.counts["tool calls"] == found.b.counts["tool calls"] == 4


@pytest.mark.parametrize(
    ("cause", "changes", "line"),
    [
        ("prompt", {"prompt": "You plan nothing."}, "+ You plan nothing."),
        ("model settings", {"temperature": 0.7}, "+ 0.7"),
        ("model settings", {"model": "another"}, "+ another"),
        ("tool arguments", {"city": "Xi'an"}, "+ Xi'an"),
        ("tool schema", {"tool_doc": "What a day costs."}, "+ What a day costs."),
        ("retrieval query", {"query": "solo trips"}, "+ solo trips"),
        ("message", {"saying": "stop"}, "+ stop"),
        ("missing step", {"is_look_done": False}, "map"),
        ("extra step", {"is_extra_done": True}, "extra"),
    ],
)
async def test_the_first_difference_has_its_cause(cause: RunCause, changes: dict[str, Any], line: str) -> None:
    found = await compared_with(**changes)
    assert found.first is not None
    assert found.first.cause == cause
    assert any(line in shown for shown in found.first.lines), found.first.lines


async def test_what_comes_after_an_added_step_is_still_the_same() -> None:
    found = await compared_with(is_extra_done=True)
    counts = {status: found.alignment.count(status) for status in ("same", "changed", "only in A", "only in B")}
    assert counts == {"same": 14, "changed": 0, "only in A": 0, "only in B": 1}


async def test_a_message_that_is_left_out_leaves_the_others_aligned() -> None:
    one, two = await perform("boss", {"workers": 3}), await perform("boss", {"workers": 2})
    found = await compare(await both(one[1], two[1]), "a", "b")
    alone = [row for row in found.alignment.rows if row.status == "only in A"]
    assert [row.node.label for row in alone] == ["to worker/2", "tool square 2", "answer of worker/2"]
    assert found.first is not None
    assert found.first.cause == "input"


async def test_the_result_says_what_it_did_to_the_outcome() -> None:
    found = await compared_with(answer="done")
    assert found.first is not None
    assert found.first.cause == "message"
    assert any("+ done:" in line for line in found.result)


async def changed(journal: MemoryJournal, event: AnyEvent, **fields: Any) -> MemoryJournal:
    copy = MemoryJournal()
    events = [msgspec.structs.replace(e, **fields) if e == event else e for e in await journal.events("run")]
    blobs = {**journal._blobs, digest(canonical("other")): canonical("other")}  # pyright: ignore[reportPrivateUsage]
    await copy.append("run", await copy.claim("run"), events, blobs)
    return copy


@pytest.mark.parametrize(
    ("kind", "cause"),
    [("model", "model output"), ("tool", "tool result"), ("retrieval", "retrieval result"), ("question", "answer")],
)
async def test_what_came_from_outside_is_told_from_what_was_asked(kind: str, cause: RunCause) -> None:
    one = await recorded()
    events = await one.events("run")
    asked = next(e for e in events if isinstance(e, StepStarted) and e.kind == kind)
    ended = next(e for e in events if isinstance(e, StepCompleted) and e.step == asked.step)
    two = await changed(one, ended, result=digest(canonical("other")))
    found = await compare(await both(one, two), "a", "b")
    assert found.first is not None
    assert (found.first.cause, found.first.row.position) == (cause, ended.seq)


async def test_another_order_is_named_before_what_follows_from_it() -> None:
    _, one = await perform("boss", {"workers": 1})
    two = await swapped(one, ("alpha", "beta"))
    found = await compare(await both(one, two), "a", "b")
    assert found.first is not None
    names = {e.step: e.name for e in await one.events("run") if isinstance(e, StepStarted)}
    ended = [e for e in await one.events("run") if isinstance(e, StepCompleted) and names[e.step] in ("alpha", "beta")]
    assert (found.first.cause, found.first.row.position) == ("order", ended[0].seq)


async def test_the_other_way_round_says_the_same_with_the_sides_exchanged() -> None:
    one = await recorded()
    with other(is_extra_done=True, city="Xi'an"):
        two = await recorded()
    journal = await both(one, two)
    there, back = await compare(journal, "a", "b"), await compare(journal, "b", "a")
    assert there.alignment.count("only in B") == back.alignment.count("only in A") == 1
    assert there.alignment.count("changed") == back.alignment.count("changed")
    assert there.first is not None and back.first is not None
    assert (there.first.cause, back.first.cause) == ("extra step", "missing step")


def steps_of(asked: list[tuple[str, str]]) -> list[StepNode]:
    return [
        StepNode(StepStarted(seq=n + 1, step=f"s{n}", delivery="d", kind="tool", name=name, request=request))
        for n, (name, request) in enumerate(asked)
    ]


asked = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=8)


@given(asked, asked)
def test_whatever_two_deliveries_did_each_thing_stands_in_one_row(
    one: list[tuple[str, str]], two: list[tuple[str, str]]
) -> None:
    a, b = steps_of(one), steps_of(two)
    pairs = list(matched(a, b))
    assert [mine for mine, _ in pairs if mine is not None] == a, "in the order of the first"
    assert sorted(theirs.seq for _, theirs in pairs if theirs is not None) == [node.seq for node in b]
    equal = Counter(node.content for node in a) & Counter(node.content for node in b)
    found = Counter(mine.content for mine, theirs in pairs if mine and theirs and mine.content == theirs.content)
    assert found == equal, "whatever is equal is matched"


async def swapped(one: MemoryJournal, names: tuple[str, str]) -> MemoryJournal:
    """The run with the completions of two of its steps in each other's places."""
    events = await one.events("run")
    steps = {e.step: e.name for e in events if isinstance(e, StepStarted)}
    first, second = [e for e in events if isinstance(e, StepCompleted) and steps[e.step] in names]
    places: dict[int, AnyEvent] = {first.seq: second, second.seq: first}
    two = MemoryJournal()
    changed_events = [msgspec.structs.replace(places.get(e.seq, e), seq=e.seq) for e in events]
    await two.append("run", await two.claim("run"), changed_events, one._blobs)  # pyright: ignore[reportPrivateUsage]
    return two


async def test_an_order_that_made_no_difference_is_a_note_beside_what_did() -> None:
    _, one = await perform("boss", {"workers": 1})
    two = await swapped(one, ("alpha", "beta"))
    square = next(e for e in await two.events("run") if isinstance(e, StepStarted) and e.name.startswith("square"))
    ended = next(e for e in await two.events("run") if isinstance(e, StepCompleted) and e.step == square.step)
    three = await changed(two, ended, result=digest(canonical("other")))
    found = await compare(await both(one, three), "a", "b")
    assert found.first is not None
    assert (found.first.cause, found.first.row.node.label) == ("tool result", f"tool {square.name}")
    assert any(note.startswith("boss/default got messages or answers in another order") for note in found.notes)


async def test_an_order_alone_is_said_to_be_all() -> None:
    _, one = await perform("boss", {"workers": 1})
    found = await compare(await both(one, await swapped(one, ("alpha", "beta"))), "a", "b")
    assert found.first is not None
    assert (found.first.cause, found.notes) == ("order", ("nothing else differs",))
