"""Runs that share another's beginning: what they answer from it, what they do anew, and what they never do again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from autogen_core import MessageContext, RoutedAgent, message_handler
from autogen_core.models import LLMMessage, SystemMessage, UserMessage
from autogen_ext.models.replay import ReplayChatCompletionClient

from runtime.autogen import TeamBuilder
from runtime.blobs import Payload
from runtime.budget import Budget, Meter
from runtime.codec import Json, canonical, parse
from runtime.errors import EffectWithheld, StepFailed, UsageError, WaitingForPerson
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryStarted,
    MessageSent,
    RunCompleted,
    RunForked,
    StepCompleted,
    StepOrigin,
    StepStarted,
)
from runtime.exchange.fleet import WINDOW
from runtime.export import export_bytes, import_bytes
from runtime.fork import ForkOrder, Point, at_delivery, at_message, at_result, fork, start
from runtime.journal import Journal, MemoryJournal
from runtime.journaled import JournaledModel
from runtime.journals.sql_journal import SqliteJournal
from runtime.local import LocalEngine
from runtime.people import Decision, decide
from runtime.performance import Performance, recorded_performance
from runtime.prompt_chain import read_chain
from runtime.reading.fork_bill import bill
from runtime.replay import replay
from runtime.team import Resources, Team, TeamSpec
from runtime.undo import undos
from runtime.versions import versions
from tests.runtime.teams import EFFECTS, performance


@pytest.fixture(params=["memory", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    opened: Journal = MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "journal.db")
    yield opened
    await opened.close()


async def perform(journal: Journal, recipient: str, data: Mapping[str, Json] = {}) -> Json:
    EFFECTS.clear()
    return await LocalEngine(journal).perform(performance("run", recipient, data))


async def forked(
    journal: Journal,
    point: Point,
    *,
    content: Json = None,
    spec: Json = None,
    live: Sequence[str] = (),
    allow: Sequence[str] = (),
    parent: str = "run",
    run: str = "fork",
) -> Json:
    """Forks, performs the fork, and replays it."""
    EFFECTS.clear()
    order = ForkOrder(
        parent=parent,
        point=point,
        content=None if content is None else Payload.of(content),
        spec=None if spec is None else Payload.of(spec),
        live=live,
        allow=allow,
        versions=versions(),
    )
    await fork(journal, run, order, await journal.events(parent))
    answer = await LocalEngine(journal).perform(await recorded_performance(journal, run))
    events = await journal.events(run)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert (await replay(journal, run)).events == len(events)
    return answer


def steps(events: Sequence[AnyEvent], name: str) -> list[StepCompleted]:
    ids = {event.step for event in events if isinstance(event, StepStarted) and event.name == name}
    return [event for event in events if isinstance(event, StepCompleted) and event.step in ids]


async def test_a_fork_at_any_event_ends_as_its_parent_and_performs_nothing(journal: Journal) -> None:
    expected = await perform(journal, "spender")
    events = await journal.events("run")
    for seq in range(1, len(events) + 1):
        point = at_delivery(events, seq)
        assert await forked(journal, point, run=f"fork {seq}") == expected
        assert EFFECTS == []
        own = await journal.events(f"fork {seq}")
        assert own[: point.shared] == events[: point.shared]
        assert {event.step for event in own if isinstance(event, StepStarted)} == {
            event.step for event in events if isinstance(event, StepStarted)
        }


@pytest.mark.parametrize("recipient", ["boss", "both", "ping"])
async def test_a_fork_at_any_place_even_between_an_event_and_what_follows_from_it_goes_on(recipient: str) -> None:
    journal = MemoryJournal()
    expected = await perform(journal, recipient)
    events = await journal.events("run")
    for shared in range(2, len(events)):
        answer = await forked(journal, Point(shared), run=f"fork {shared}")
        if isinstance(answer, Mapping) and isinstance(expected, Mapping):
            assert {**answer, "time": 0} == {**expected, "time": 0}
        else:
            assert answer == expected
        assert bill(await journal.events(f"fork {shared}")).spent.tool_calls == 0


async def test_a_result_that_is_set_is_what_the_agent_sees_and_only_what_it_changes_is_paid_for(
    journal: Journal,
) -> None:
    await perform(journal, "chain")
    events = await journal.events("run")
    second = steps(events, "second of FIRST")[0]
    answer = await forked(journal, at_result(events, second.seq), content="OTHER")
    assert answer == ["FIRST", "OTHER", "third of OTHER".upper(), "LAST"]
    own = await journal.events("fork")
    assert [event.origin for event in own if isinstance(event, StepCompleted)] == ["live", "set", "live", "reused"]
    counted = bill(own)
    assert (counted.shared.tool_calls, counted.reused.tool_calls, counted.spent.tool_calls) == (1, 2, 1)


async def test_a_message_that_is_set_is_what_the_agent_gets(journal: Journal) -> None:
    await perform(journal, "boss")
    events = await journal.events("run")
    sent = [event for event in events if isinstance(event, MessageSent) and event.recipient.type == "worker"]
    content: Json = {"type": "json", "data": {"n": 7}}
    answer = await forked(journal, at_message(events, sent[1].seq), content=content)
    assert isinstance(answer, Mapping)
    assert answer["answers"] == [
        {"square": 0, "seen": [0]},
        {"square": 49, "seen": [7]},
        {"square": 4, "seen": [2]},
    ]
    assert [event.origin for event in steps(await journal.events("fork"), "square 7")] == ["live"]


async def test_a_fork_of_a_fork_answers_from_its_parent(journal: Journal) -> None:
    await perform(journal, "chain")
    events = await journal.events("run")
    await forked(journal, at_result(events, steps(events, "second of FIRST")[0].seq), content="OTHER")
    child = await journal.events("fork")
    answer = await forked(journal, start(child), parent="fork", run="again")
    assert answer == ["FIRST", "OTHER", "THIRD OF OTHER", "LAST"]
    third = steps(child, "third of OTHER")[0]
    answer = await forked(journal, at_result(child, third.seq), parent="fork", run="other", content="X")
    assert answer == ["FIRST", "OTHER", "X", "LAST"]
    assert bill(await journal.events("other")).spent.tool_calls == 0


async def test_an_irreversible_effect_is_simulated_and_never_fired_again(journal: Journal) -> None:
    expected = await perform(journal, "payer")
    assert EFFECTS == ["look", "pay", "note"]
    events = await journal.events("run")
    assert await forked(journal, start(events)) == expected
    assert EFFECTS == []
    assert [event.origin for event in steps(await journal.events("fork"), "pay")] == ["simulated"]
    assert await forked(journal, start(events), allow=["pay"], live=["note"], run="again") == expected
    assert EFFECTS == ["pay", "note"]


async def test_an_irreversible_effect_that_the_parent_never_had_is_withheld(journal: Journal) -> None:
    await perform(journal, "buyer")
    events = await journal.events("run")
    chosen = steps(events, "choose")[0]
    with pytest.raises(EffectWithheld, match="--allow buy"):
        await forked(journal, at_result(events, chosen.seq), content="other")
    assert EFFECTS == []
    await replay(journal, "fork")
    assert await forked(journal, at_result(events, chosen.seq), content="other", allow=["buy"], run="bold") == "other"
    assert EFFECTS == ["buy other"]


async def test_after_a_change_of_settings_the_past_stands_and_the_rest_is_asked_anew(journal: Journal) -> None:
    await perform(journal, "talker")
    events = await journal.events("run")
    began = [event for event in events if isinstance(event, DeliveryStarted) and event.agent.type == "speaker"]
    spec: Json = {"local": [], "style": "loud"}
    answer = await forked(journal, at_delivery(events, began[1].seq + 1), spec=spec)
    assert answer == ["plain one", "loud two", "loud three"]
    own = await journal.events("fork")
    assert [event.name for event in own if isinstance(event, StepStarted)] == ["say one", "say two", "say three"]
    assert bill(own).spent.tool_calls == 2
    assert await forked(journal, start(events), spec=spec, run="rerun") == ["loud one", "loud two", "loud three"]


CALLS = WINDOW + 2
"""More than what is handed to an agent of a fork at once, before anything that it does is taken."""


@dataclass
class Text:
    """What is said."""

    text: str


class Chatter(RoutedAgent):
    """Asks a model again and again, each time with all that was said before."""

    def __init__(self, style: str) -> None:
        super().__init__("chats")
        self._model = JournaledModel(ReplayChatCompletionClient(["answer"] * CALLS), "scripted")
        self._prompt: list[LLMMessage] = [SystemMessage(content=style)]

    @message_handler
    async def on_text(self, message: Text, ctx: MessageContext) -> Text:
        for number in range(CALLS):
            self._prompt.append(UserMessage(content=f"{message.text} {number}", source="user"))
            await self._model.create(self._prompt)
        return message


def chatters(config: Mapping[str, Json], resources: Resources) -> Team:
    builder = TeamBuilder()
    builder.add("chatter", Chatter, lambda: Chatter(str(config["style"])))
    return builder.team()


async def test_the_prompts_of_a_fork_with_other_settings_are_stored_from_their_first_message(journal: Journal) -> None:
    spec = TeamSpec("chat", f"{__name__}:chatters", {"style": "plain"})
    payload = canonical({"type": "Text", "data": {"text": "hello"}})
    await LocalEngine(journal).perform(Performance("run", spec, AgentName("chatter"), payload))
    events = await journal.events("run")
    last = [event for event in events if isinstance(event, StepStarted)][-1]
    await forked(journal, Point(last.seq - 1), spec={"style": "loud"})
    asked = [event for event in await journal.events("fork") if isinstance(event, StepStarted)][-1]
    request = parse(await journal.blob(asked.request))
    assert isinstance(request, Mapping)
    prompt = await read_chain(journal, str(request["prompt"]))
    said = [message["content"] for message in prompt if isinstance(message, Mapping)]
    assert said == ["loud", *(f"hello {number}" for number in range(CALLS))]


async def test_an_exported_fork_needs_no_parent() -> None:
    journal = MemoryJournal()
    await perform(journal, "chain")
    events = await journal.events("run")
    await forked(journal, at_result(events, steps(events, "second of FIRST")[0].seq), content="OTHER")
    _, data = await export_bytes(journal, "fork", versions={})
    other = MemoryJournal()
    await import_bytes(other, data, "file")
    assert await other.events("fork") == await journal.events("fork")
    await replay(other, "fork")
    child = await other.events("fork")
    answer = await forked(other, start(child), parent="fork", run="again")
    assert answer == ["FIRST", "OTHER", "THIRD OF OTHER", "LAST"]


async def test_a_fork_that_dies_is_taken_up_again(journal: Journal) -> None:
    expected = await perform(journal, "payer")
    events = await journal.events("run")
    await forked(journal, start(events))
    own = await journal.events("fork")
    for kept in range(3, len(own)):
        if isinstance(own[kept - 1], RunCompleted):
            continue
        run = f"cut {kept}"
        await journal.append(run, await journal.claim(run), own[1:kept])
        EFFECTS.clear()
        assert await LocalEngine(journal).perform(await recorded_performance(journal, run)) == expected
        assert EFFECTS == []
        await replay(journal, run)


async def test_a_point_that_is_not_there_is_refused_with_the_nearest(journal: Journal) -> None:
    await perform(journal, "chain")
    events = await journal.events("run")
    with pytest.raises(UsageError, match=f"expected one from 1 to {len(events)}"):
        at_delivery(events, len(events) + 1)
    with pytest.raises(UsageError, match="found RunStarted, expected a message; the nearest are events 2"):
        at_message(events, 1)
    with pytest.raises(UsageError, match="expected a step with a result; the nearest are events"):
        at_result(events, 2)
    inside = at_delivery(events, 5)
    assert (inside.shared, inside.note) == (
        2,
        "event 5 is inside of a delivery to chain/default, which began with event 3; the fork begins there",
    )


def test_a_budget_counts_only_what_a_fork_performs() -> None:
    meter = Meter(Budget(tool_calls=2))
    asked = [
        StepStarted(step=f"s{n}", delivery="d", kind="tool", name="t", request="r", is_metered=True) for n in "abc"
    ]
    meter.apply(asked[0])
    meter.apply(StepCompleted(step="sa", delivery="d", result=None))
    meter.apply(RunForked(parent="run", name="n", spec="s", routes="r", edits="e", versions={}))
    assert meter.used["tool_calls"] == 0
    origins: tuple[StepOrigin, ...] = ("reused", "live")
    for started, origin in zip(asked[1:], origins, strict=True):
        meter.apply(started)
        meter.apply(StepCompleted(step=started.step, delivery="d", result=None, origin=origin))
    assert meter.used["tool_calls"] == 1


async def test_a_fork_that_fails_undoes_nothing_that_it_has_not_done_itself(journal: Journal) -> None:
    with pytest.raises(StepFailed, match="nothing goes"):
        await perform(journal, "holder", {"fail": True})
    assert sorted(EFFECTS) == ["hold 1", "hold 2", "hold 3", "unhold 1", "unhold 2", "unhold 3"]
    events = await journal.events("run")
    with pytest.raises(StepFailed, match="nothing goes"):
        await forked(journal, start(events))
    assert EFFECTS == []
    assert undos(await journal.events("fork")) == []
    with pytest.raises(StepFailed, match="nothing goes"):
        await forked(journal, start(events), allow=["hold 2"], run="bold")
    assert EFFECTS == ["hold 2", "unhold 2"]
    for run in ("fork", "bold"):
        await replay(journal, run)


async def test_nobody_is_asked_to_approve_what_a_fork_does_not_fire(journal: Journal) -> None:
    with pytest.raises(WaitingForPerson):
        await perform(journal, "purchaser")
    await decide(journal, "run", "", Decision("approve"))
    await LocalEngine(journal).perform(await recorded_performance(journal, "run"))
    assert EFFECTS == ["look", "pay", "note"]
    events = await journal.events("run")
    for seq in range(2, len(events)):
        assert await forked(journal, Point(seq), run=f"fork {seq}") == ["look", "pay", "note"]
        assert EFFECTS == []
    with pytest.raises(WaitingForPerson):
        await forked(journal, start(events), allow=["pay"], run="bold")
    assert EFFECTS == []
