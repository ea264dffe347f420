"""The core with a person in it: what is asked waits, what is decided goes on once, a run given up only undoes."""

from __future__ import annotations

import pytest

from runtime import ids
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Failure,
    MessageSent,
    RunAborting,
    RunFailed,
    StepAsked,
    StepBegun,
    StepCompleted,
    StepDecided,
    StepStarted,
    Verdict,
)
from runtime.routing import AgentPolicy, Routes
from runtime.sequencer import UNDO, Outgoing, Sequencer

AGENT, UNDOER = AgentName("agent"), AgentName(UNDO)
ROUTES = Routes({"agent": AgentPolicy(), UNDO: AgentPolicy()})
FAILURE = Failure(type="runtime.errors:RunAborted", message="no")


def sent(number: int, to: AgentName) -> MessageSent:
    return MessageSent(message=ids.message_id(ids.ROOT, number), sender=None, cause=ids.ROOT, recipient=to, payload="p")


def with_asked_step() -> tuple[Sequencer, str, list[AnyEvent]]:
    """A core with one step that a person is asked about, its delivery, and its events."""
    core = Sequencer(ROUTES)
    out = core.take(sent(0, AGENT), at=1)
    delivery = next(found.event.delivery for found in out if isinstance(found.event, DeliveryStarted))
    out += core.take(StepStarted(step="s", delivery=delivery, kind="tool", name="t", request="q"), at=2)
    out += core.take(StepAsked(step="s", delivery=delivery, why="approval", question="may it?"), at=2)
    return core, delivery, [found.event for found in out]


def decide(core: Sequencer, delivery: str, verdict: Verdict) -> list[Outgoing]:
    return core.take(StepDecided(step="s", delivery=delivery, verdict=verdict, note="why", result="r"), at=3)


def test_what_is_asked_is_shown_to_the_driver_and_stays_open() -> None:
    core, _, _ = with_asked_step()
    [asked] = core.steps.asked()
    assert asked.question == "may it?"
    assert [step.state for step in core.steps.open()] == ["asked"]


def test_what_is_let_through_begins_once_and_only_where_hosts_are() -> None:
    core, delivery, _ = with_asked_step()
    assert [type(found.event) for found in decide(core, delivery, "approve")] == [StepDecided]
    [begun] = core.begin(at=4)
    assert begun.event == StepBegun(seq=begun.event.seq, at=4, step="s", delivery=delivery)
    assert begun.to == AGENT
    assert core.begin(at=5) == []


@pytest.mark.parametrize(("verdict", "code", "result"), [("deny", "denied", None), ("done", None, "r")])
def test_what_is_settled_completes_with_the_decision(verdict: Verdict, code: str | None, result: str | None) -> None:
    core, delivery, _ = with_asked_step()
    _, completed = decide(core, delivery, verdict)
    assert isinstance(completed.event, StepCompleted)
    assert (completed.to, completed.is_given, completed.event.result) == (AGENT, True, result)
    assert (completed.event.failure.code if completed.event.failure else None) == code


def test_a_second_decision_changes_nothing() -> None:
    core, delivery, _ = with_asked_step()
    decide(core, delivery, "approve")
    assert decide(core, delivery, "deny") == []
    core.begin(at=4)
    assert decide(core, delivery, "deny") == []


def test_what_has_begun_may_be_asked_about_again() -> None:
    core, delivery, _ = with_asked_step()
    again = StepAsked(step="s", delivery=delivery, why="uncertain", question="did it?")
    assert core.take(again, at=3) == [], "it is asked already"
    decide(core, delivery, "approve")
    assert core.take(again, at=3) == [], "it has not begun"
    core.begin(at=4)
    assert [found.event.seq for found in core.take(again, at=5)] == [core.seq]


def test_a_run_that_is_given_up_takes_only_what_undoes_it() -> None:
    core, delivery, _ = with_asked_step()
    _, aborting = decide(core, delivery, "abort")
    assert isinstance(aborting.event, RunAborting) and aborting.to_driver
    late = DeliveryCompleted(delivery=delivery, message=ids.message_id(ids.ROOT, 0), agent=AGENT, response="r")
    assert core.take(late, at=4) == []
    assert core.take(sent(1, AGENT), at=4) == []
    assert core.take(StepStarted(step="z", delivery=delivery, kind="tool", name="t", request="q"), at=4) == []
    started = core.take(sent(2, UNDOER), at=4)
    assert [type(found.event) for found in started] == [MessageSent, DeliveryStarted]
    assert core.take(RunFailed(failure=FAILURE), at=5)
    assert core.has_ended


@pytest.mark.parametrize("verdict", ["approve", "deny", "done", "retry", "abort"])
def test_a_restored_core_goes_on_as_the_first_would(verdict: Verdict) -> None:
    core, delivery, events = with_asked_step()
    events += [found.event for found in decide(core, delivery, verdict)]
    restored = Sequencer(ROUTES)
    addressed = [restored.apply(event) for event in events]
    assert [found.event for found in addressed] == events
    assert restored.resume(at=9) == core.resume(at=9)
    assert (restored.seq, restored.aborting, restored.steps.asked()) == (core.seq, core.aborting, core.steps.asked())
