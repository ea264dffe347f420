"""A replay stops where a person wants it: at an event, with the agents' states, or in a debugger inside a handler."""

from __future__ import annotations

import io
import sys

import pytest

from runtime.errors import UsageError
from runtime.events import StepStarted
from runtime.reading.debugger import breakpoint_at
from runtime.reading.replayer import Stopped
from runtime.replay import Manner, perform_again, replay, replay_to
from tests.runtime.changing import recorded


async def seq_of(journal: object, name: str) -> int:
    from runtime.journal import MemoryJournal

    assert isinstance(journal, MemoryJournal)
    return next(e.seq for e in await journal.events("run") if isinstance(e, StepStarted) and e.name == name)


async def test_to_an_event_shows_the_agents_as_they_were_there() -> None:
    journal = await recorded()
    seq = await seq_of(journal, "map")
    seen = await replay_to(journal, "run", seq)
    assert (seen.replayed.events, seen.replayed.is_whole) == (seq, False)
    [lead] = seen.agents
    assert (lead.agent, lead.kind) == ("lead/default", "Lead")
    assert lead.attributes["heard"] == ["a plan"]
    places = [standing.place for standing in lead.at_work]
    assert "in on_word" in places[0] and "in look" in places[-1]
    assert lead.at_work[-1].variables["name"] == "map"


async def test_at_the_end_the_agents_rest_and_show_what_they_save() -> None:
    journal = await recorded()
    seen = await replay_to(journal, "run", len(await journal.events("run")))
    clerk = next(state for state in seen.agents if state.agent == "clerk/first")
    assert clerk.saved == {"notes": ["go"]}
    assert not clerk.at_work


@pytest.mark.parametrize("seq", [0, 10_000])
async def test_to_an_event_that_is_not_there_names_those_that_are(seq: int) -> None:
    journal = await recorded()
    with pytest.raises(UsageError, match=f"--to {seq}: found no such event, expected one from 1 to"):
        await replay_to(journal, "run", seq)


class Session:
    """A person at pdb: what is typed, and what is shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *typed: str) -> None:
        self.shown = io.StringIO()
        monkeypatch.delenv("PYTHONBREAKPOINT", raising=False)
        monkeypatch.setattr(sys, "breakpointhook", sys.__breakpointhook__)
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in typed)))
        monkeypatch.setattr(sys, "stdout", self.shown)

    async def replay(self, place: str) -> str:
        journal = await recorded()
        where = breakpoint_at(place, await journal.events("run"))
        trace = sys.gettrace()
        try:
            await replay(journal, "run", Manner(stop=where))
        finally:
            sys.settrace(trace)
        return self.shown.getvalue()


async def test_break_at_an_agent_stops_in_its_handler_and_steps_through_it(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(monkeypatch, "step", "step", "p 'told', message.text", "p self.notes", "n", "p self.notes", "c")
    shown = await session.replay("clerk/first")
    assert "changing.py" in shown and "on_word" in shown
    assert "('told', 'go')" in shown
    assert "['go']" in shown


async def test_break_at_a_step_stops_where_the_handler_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = await recorded()
    step = next(e.step for e in await journal.events("run") if isinstance(e, StepStarted) and e.name == "map")
    session = Session(monkeypatch, "p name", "up", "p self.heard", "c")
    shown = await session.replay(step[:12])
    assert "in look" in shown or "look()" in shown
    assert "'map'" in shown
    assert "['a plan']" in shown


async def test_quitting_the_debugger_ends_the_replay_without_a_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("lead", "sextra"):
        if place == "sextra":
            journal = await recorded()
            place = next(e.step for e in await journal.events("run") if isinstance(e, StepStarted))
        session = Session(monkeypatch, "q")
        with pytest.raises(Stopped):
            await session.replay(place)


async def test_break_honours_what_breakpoint_is(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: called.append("here"))
    journal = await recorded()
    where = breakpoint_at("clerk", await journal.events("run"))
    seen = await perform_again(journal, "run", Manner(stop=where))
    assert seen.replayed.is_whole
    assert len(called) == 2


async def test_break_at_what_is_not_there_names_the_agents() -> None:
    journal = await recorded()
    with pytest.raises(UsageError, match=r"no such agent and no such step, expected an agent \(clerk, lead\)"):
        breakpoint_at("nobody", await journal.events("run"))
