"""Agents that are put to sleep and woken: nothing of a run differs for it, and less is done again after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from autogen_core import AgentId, MessageContext, RoutedAgent, message_handler

from runtime.autogen import TeamBuilder
from runtime.blobs import Payload
from runtime.codec import Json, canonical, parse
from runtime.errors import WaitingForPerson
from runtime.events import AgentName, AgentSlept, AnyEvent, DeliveryCompleted, DeliveryStarted, RunCompleted, StepAsked
from runtime.fork import ForkOrder, Point, fork
from runtime.journal import MemoryJournal
from runtime.local import LocalEngine
from runtime.people import Decision, decide
from runtime.performance import Performance, recorded_performance
from runtime.reading.run_comparison import compare
from runtime.replay import Manner, replay, replay_to
from runtime.team import Resources, Rest, Team, TeamSpec
from tests.runtime import teams
from tests.runtime.changing import Word, recorded
from tests.runtime.teams import performance
from tests.runtime.test_failover import Yard, at, folder_of
from tests.runtime.test_replay_causes import diverged
from tests.runtime.test_resume import FailingJournal, PowerCut, without_times

AT_ONCE: Mapping[str, Json] = {"deliveries": 1}


async def performed(recipient: str, data: Mapping[str, Json] = {}, **rest: Json) -> tuple[Json, MemoryJournal]:
    journal = MemoryJournal()
    return await LocalEngine(journal).perform(performance("run", recipient, data, rest=rest)), journal


def naps(events: list[AnyEvent], kind: str = "") -> list[AgentSlept]:
    return [event for event in events if isinstance(event, AgentSlept) and kind in ("", event.agent.type)]


@pytest.mark.parametrize("recipient", ["boss", "both", "ping", "crowd", "steady", "careful", "talker"])
async def test_a_run_whose_agents_sleep_after_each_delivery_answers_as_one_in_which_none_does(recipient: str) -> None:
    expected, _ = await performed(recipient)
    answer, journal = await performed(recipient, deliveries=1)
    assert without_times(answer) == without_times(expected)
    events = await journal.events("run")
    assert naps(events) or recipient == "careful", "somebody has slept"
    assert (await replay(journal, "run")).events == len(events)


async def test_an_agent_wakes_with_what_it_saved_and_the_record_says_so() -> None:
    answer, journal = await performed("steady", {"times": 3}, deliveries=1)
    assert [each["seen"] for each in answer] == [[0], [0, 1], [0, 1, 2]]  # type: ignore[union-attr,index,call-overload]
    events = await journal.events("run")
    slept = naps(events, "worker")
    woken = [event.state for event in events if isinstance(event, DeliveryStarted) and event.agent.type == "worker"]
    assert woken == [None, slept[0].state, slept[1].state]
    assert parse(await journal.blob(slept[1].state)) == {"seen": [0, 1]}


async def test_an_agent_that_is_told_nothing_for_a_while_sleeps() -> None:
    journal = MemoryJournal()
    slept = asyncio.Event()
    order = performance("run", "shop", rest={"idle_s": 0.0})

    def on_event(event: AnyEvent) -> None:
        if isinstance(event, AgentSlept):
            slept.set()

    order = Performance(order.run, order.spec, order.recipient, order.payload, on_event=on_event, quiet_s=0.3)
    with pytest.raises(WaitingForPerson):
        await LocalEngine(journal).perform(order)
    assert slept.is_set(), "the spender rests while the purchasers wait for a person"
    assert {event.agent.type for event in naps(await journal.events("run"))} == {"spender"}


async def test_an_agent_that_waits_for_a_person_is_not_put_to_sleep() -> None:
    journal = MemoryJournal()
    with pytest.raises(WaitingForPerson):
        await LocalEngine(journal).perform(performance("run", "purchaser", rest={"idle_s": 0.0, "deliveries": 1}))
    assert naps(await journal.events("run")) == []
    [asked] = [event for event in await journal.events("run") if isinstance(event, StepAsked)]
    await decide(journal, "run", asked.step, Decision("approve"))
    await LocalEngine(journal).perform(await recorded_performance(journal, "run"))
    assert isinstance((await journal.events("run"))[-1], RunCompleted)


@pytest.mark.parametrize("after", [False, True], ids=["before the append", "after the append"])
async def test_a_run_of_sleepers_that_dies_at_any_append_ends_as_the_undisturbed_one(after: bool) -> None:
    whole = FailingJournal(10_000, after=False)
    expected = await LocalEngine(whole).perform(performance("run", "steady", rest=AT_ONCE))
    survived = 2
    while True:
        survived += 1
        journal = FailingJournal(survived, after=after)
        try:
            await LocalEngine(journal).perform(performance("run", "steady", rest=AT_ONCE))
            break
        except PowerCut:
            journal.is_repaired = True
        if not isinstance((await journal.events("run"))[-1], RunCompleted):
            answer = await LocalEngine(journal).perform(await recorded_performance(journal, "run"))
            assert answer == expected
        assert (await replay(journal, "run")).is_whole
    assert survived > 10


async def test_what_was_done_before_an_agent_slept_is_not_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    handled: list[Json] = []

    async def worker(self: teams.Scripted, data: dict[str, Json]) -> Json:
        handled.append(data["n"])
        return await teams.worker(self, data)

    monkeypatch.setitem(teams.HANDLERS, "worker", worker)
    journal = FailingJournal(60, after=True)
    order = performance("run", "steady", {"times": 30}, rest={"deliveries": 5})
    with pytest.raises(PowerCut):
        await LocalEngine(journal).perform(order)
    journal.is_repaired = True
    before = len(naps(await journal.events("run"), "worker")) * 5
    assert before >= 10
    handled.clear()
    await LocalEngine(journal).perform(await recorded_performance(journal, "run"))
    assert handled == list(range(before, 30))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["host-1", "host-2", "sequencer"])
async def test_sleepers_survive_the_end_of_any_process_at_any_event(tmp_path: Path, name: str) -> None:
    data: dict[str, Json] = {"rounds": 4, "kind": "idempotent"}
    whole = Yard(folder_of(tmp_path, "undisturbed"), "lead", data, 1)
    expected = await whole.perform()
    events = await whole.checked_events()
    assert len(naps(events, "clerk")) >= 6
    for number in range(1, len(events), 5):
        yard = Yard(folder_of(tmp_path, str(number)), "lead", data, 1)
        yard.when = at(number, name)
        assert await yard.perform() == expected, f"{name} killed at {number}"
        await yard.checked_events()
        assert dict(yard.ledger.counts()) == dict(whole.ledger.counts())


async def test_a_fork_of_sleepers_at_any_place_ends_as_its_parent() -> None:
    expected, journal = await performed("steady", deliveries=1)
    events = await journal.events("run")
    for shared in range(2, len(events)):
        run = f"fork {shared}"
        await fork(journal, run, ForkOrder(parent="run", point=Point(shared)), events)
        assert await LocalEngine(journal).perform(await recorded_performance(journal, run)) == expected
        assert (await replay(journal, run)).is_whole


async def restyled(rest: Mapping[str, Json]) -> Json:
    """The answer of a fork with another style, made after the stylist's first answer."""
    journal = MemoryJournal()
    await LocalEngine(journal).perform(performance("run", "salon", rest=rest))
    events = await journal.events("run")
    first = next(e for e in events if isinstance(e, DeliveryCompleted) and e.agent.type == "stylist")
    point = Point(first.seq + 1 if rest else first.seq)
    spec = Payload.of({"local": [], "budget": {}, "rest": dict(rest), "style": "grand"})
    await fork(journal, "fork", ForkOrder(parent="run", point=point, spec=spec), events)
    answer = await LocalEngine(journal).perform(await recorded_performance(journal, "fork"))
    assert (await replay(journal, "fork")).is_whole
    return answer


async def test_an_agent_of_a_fork_wakes_with_what_it_saves_itself_not_with_what_its_parent_saved() -> None:
    expected = [["plain"], ["grand", "grand"], ["grand", "grand", "grand"]]
    assert await restyled({}) == expected
    assert await restyled(AT_ONCE) == expected


async def test_runs_that_differ_only_in_who_slept_are_the_same_run() -> None:
    journal = MemoryJournal()
    await LocalEngine(journal).perform(performance("awake", "steady"))
    await LocalEngine(journal).perform(performance("asleep", "steady", rest=AT_ONCE))
    compared = await compare(journal, "awake", "asleep")
    assert compared.first is None and compared.result == ()


async def test_a_replay_stops_where_an_agent_has_kept_something_else() -> None:
    journal = await recorded(naps=1)
    first = naps(await journal.events("run"), "clerk")[0]
    divergence = await diverged(journal, is_forgetful=True)
    assert (divergence.cause, divergence.seq, divergence.agent) == ("state", first.seq, first.agent)
    assert "- go" in "\n".join(divergence.difference)
    assert (await replay(journal, "run", Manner(is_strict=True))).is_whole


async def test_a_replay_shows_what_a_sleeping_agent_has_saved() -> None:
    journal = await recorded(naps=1)
    first = naps(await journal.events("run"), "clerk")[0]
    seen = await replay_to(journal, "run", first.seq)
    [clerk] = [agent for agent in seen.agents if agent.agent == str(first.agent)]
    assert (clerk.kind, clerk.saved) == ("", {"notes": ["go"]})


class Unsaved(RoutedAgent):
    """Counts, and says nothing of it."""

    def __init__(self) -> None:
        super().__init__("counts")
        self.count = 0

    @message_handler
    async def on_word(self, message: Word, ctx: MessageContext) -> Word:
        self.count += 1
        return Word(text=str(self.count))


class Unsavable(Unsaved):
    """Saves what is no JSON."""

    async def save_state(self) -> Mapping[str, Any]:
        return {"self": self}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        raise AssertionError("nothing was saved")


class Saved(Unsaved):
    """Saves its count."""

    async def save_state(self) -> Mapping[str, Any]:
        return {"count": self.count}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.count = int(state["count"])


class Asker(RoutedAgent):
    """Has another one count to three."""

    def __init__(self) -> None:
        super().__init__("asks")

    @message_handler
    async def on_word(self, message: Word, ctx: MessageContext) -> Word:

        said = [await self.send_message(message, AgentId("counter", "default")) for _ in range(3)]
        return Word(text=" ".join(word.text for word in said))


COUNTERS: Mapping[str, type[Unsaved]] = {"unsaved": Unsaved, "unsavable": Unsavable, "saved": Saved}


def build(config: Mapping[str, Json], resources: Resources) -> Team:
    """An asker and a counter, which is to sleep after each message."""
    builder = TeamBuilder()
    builder.add("asker", Asker, Asker)
    cls = COUNTERS[str(config["counter"])]
    builder.add("counter", cls, cls)
    team = builder.team()
    return Team(team.agents, team.subscriptions, rest=Rest(deliveries=1))


@pytest.mark.parametrize(("counter", "times"), [("unsaved", 0), ("unsavable", 0), ("saved", 3)])
async def test_only_an_agent_that_says_what_it_keeps_is_put_to_sleep(counter: str, times: int) -> None:
    journal = MemoryJournal()
    spec = TeamSpec("counting", f"{__name__}:build", {"counter": counter})
    payload = canonical({"type": "Word", "data": {"text": "go"}})
    answer = await LocalEngine(journal).perform(Performance("run", spec, AgentName("asker"), payload))
    assert answer == {"text": "1 2 3"}
    slept = naps(await journal.events("run"))
    assert len(slept) == times
    assert {event.agent.type for event in slept} <= {"counter"}
