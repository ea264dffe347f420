"""A replay stops at the first difference and names its cause: each cause once, and just there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runtime.events import AnyEvent, DeliveryStarted, MessageSent, RunStarted, StepStarted
from runtime.journal import MemoryJournal
from runtime.reading.causes import Cause
from runtime.reading.divergence import Divergence
from runtime.replay import Diverged, Manner, replay
from tests.runtime.changing import other, recorded
from tests.runtime.test_local import copied, perform


async def diverged(journal: MemoryJournal, manner: Manner | None = None, **changes: Any) -> Divergence:
    with other(**changes), pytest.raises(Diverged) as caught:
        await replay(journal, "run", manner)
    return caught.value.divergence


async def test_the_unchanged_team_replays() -> None:
    journal = await recorded()
    replayed = await replay(journal, "run", Manner(is_strict=True))
    assert (replayed.model_calls, replayed.tool_calls, replayed.end) == (1, 4, "done")


@pytest.mark.parametrize(
    ("cause", "changes", "lines"),
    [
        ("prompt", {"prompt": "You plan nothing."}, ("- You plan trips.", "+ You plan nothing.")),
        ("model settings", {"temperature": 0.7}, ("- 0.0", "+ 0.7")),
        ("model settings", {"model": "another"}, ("- scripted", "+ another")),
        ("tool arguments", {"city": "Xi'an"}, ("- Beijing", "+ Xi'an")),
        ("tool schema", {"tool_doc": "What a day costs."}, ("- What a night costs.", "+ What a day costs.")),
        ("retrieval query", {"query": "solo trips"}, ("- family trips", "+ solo trips")),
        ("message", {"question": "Which week?"}, ("- Which day?", "+ Which week?")),
        ("message", {"saying": "stop"}, ("- go", "+ stop")),
        ("message", {"recipient": "third"}, ("- clerk/first", "+ clerk/third")),
        ("message", {"answer": "done"}, ()),
        ("missing step", {"is_look_done": False}, ("- the tool step 'map'",)),
        ("extra step", {"is_extra_done": True}, ("+ the tool step 'extra'",)),
        ("order", {"is_reversed": True}, ("- a message to clerk/first", "+ a message to clerk/second")),
        ("code", {"error": "a new fault"}, ("a new fault",)),
    ],
)
async def test_each_change_has_its_cause(cause: Cause, changes: dict[str, Any], lines: tuple[str, ...]) -> None:
    divergence = await diverged(await recorded(), **changes)
    assert divergence.cause == cause, str(divergence)
    assert str(divergence.agent) == "lead/default"
    shown = "\n".join(divergence.difference)
    for line in lines:
        assert line in shown


async def test_a_changed_prompt_stops_exactly_at_its_model_call() -> None:
    journal = await recorded()
    [asked] = [e for e in await journal.events("run") if isinstance(e, StepStarted) and e.kind == "model"]
    divergence = await diverged(journal, prompt="You plan nothing.")
    assert (divergence.cause, divergence.seq, divergence.step) == ("prompt", asked.seq, asked.step)
    assert [str(hop.agent) for hop in divergence.path] == ["lead/default"]
    assert any("changing.py" in note and "in on_word" in note for note in divergence.notes)


async def test_the_path_leads_from_the_driver_through_every_agent() -> None:
    journal = await recorded()
    with other(saying="stop"):
        other_journal = await recorded()
    events = await journal.events("run")
    assert len(events) == len(await other_journal.events("run"))
    note = next(e for e in events if isinstance(e, StepStarted) and e.name == "note 1")
    ghost = msgspec.structs.replace(note, step="sghost", name="note 0")
    changed = [ghost if event is note else event for event in events]
    divergence = await diverged(await copied(journal, changed))
    assert [str(hop.agent) for hop in divergence.path] == ["lead/default", str(divergence.agent)]
    assert divergence.path[0].sender is None


def swapped(events: list[AnyEvent], first: AnyEvent, second: AnyEvent) -> list[AnyEvent]:
    """The events with two of them in each other's places."""
    places = {first.seq: second, second.seq: first}
    return [msgspec.structs.replace(places.get(e.seq, e), seq=e.seq, at=e.at) for e in events]


async def test_two_deliveries_that_were_swapped_in_the_journal_are_out_of_order() -> None:
    _, journal = await perform("crowd")
    events = await journal.events("run")
    starts = [e for e in events if isinstance(e, DeliveryStarted) and e.agent.type == "worker"]
    divergence = await diverged(await copied(journal, swapped(events, starts[0], starts[1])))
    assert divergence.cause == "order"
    assert divergence.seq == starts[0].seq


async def test_two_messages_that_are_sent_the_other_way_round_are_out_of_order() -> None:
    _, journal = await perform("boss", {"workers": 2})
    events = await journal.events("run")
    asked = [e for e in events if isinstance(e, MessageSent) and e.recipient.type == "worker"]
    divergence = await diverged(await copied(journal, swapped(events, asked[0], asked[1])))
    assert divergence.cause == "order"


async def test_code_that_depends_on_more_than_its_messages_is_told_so() -> None:
    with other(is_careless=True):
        journal = await recorded()
        divergence = await diverged(journal)
    assert divergence.cause == "message"
    assert "something here depends on more than messages and steps" in divergence.notes[-1]


async def with_versions(journal: MemoryJournal, **versions: str) -> MemoryJournal:
    first, *others = await journal.events("run")
    assert isinstance(first, RunStarted)
    changed = msgspec.structs.replace(first, versions={**first.versions, **versions})
    return await copied(journal, [changed, *others])


async def test_equal_code_with_another_library_is_the_librarys_doing() -> None:
    journal = await with_versions(await recorded(), pydantic="1.0")
    assert (await replay(journal, "run")).end == "done", "another version alone is tolerated"
    divergence = await diverged(journal, error="raised deep within")
    assert divergence.cause == "library version"
    assert any("pydantic 1.0 → " in note for note in divergence.notes)


async def test_a_strict_replay_compares_versions_too() -> None:
    journal = await with_versions(await recorded(), pydantic="1.0")
    divergence = await diverged(journal, Manner(is_strict=True))
    assert (divergence.cause, divergence.seq) == ("library version", 1)
    assert "- pydantic 1.0" in divergence.difference


async def test_a_strict_replay_compares_headers_and_the_words_of_failures() -> None:
    journal = await recorded()
    events = await journal.events("run")
    sent = next(e for e in events if isinstance(e, MessageSent) and e.sender is not None)
    traced = msgspec.structs.replace(sent, headers={**sent.headers, "baggage": "a=1"})
    changed = await copied(journal, [traced if event is sent else event for event in events])
    assert (await replay(changed, "run")).end == "done"
    assert (await diverged(changed, Manner(is_strict=True))).seq == sent.seq


async def test_a_divergence_as_json_has_the_same_facts() -> None:
    divergence = await diverged(await recorded(), city="Xi'an")
    told = divergence.as_json()
    assert (told["cause"], told["agent"]) == ("tool arguments", "lead/default")
    assert told["path"][0]["message"] == "Word"
