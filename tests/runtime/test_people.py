"""People decide: what they let through happens once, what they do not never, and a run waits for them as a record."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import pytest

from runtime.codec import Json
from runtime.errors import StepFailed, UsageError, WaitingForPerson
from runtime.events import AnyEvent, RunCompleted, RunFailed, RunInterrupted, StepAsked, StepBegun, StepDecided, Verdict
from runtime.journal import MemoryJournal
from runtime.local import LocalEngine
from runtime.people import Decision, abort, decide
from runtime.performance import Performance, recorded_performance
from runtime.replay import replay
from runtime.undo import undos
from tests.runtime.teams import EFFECTS, FAILING_UNDO, performance
from tests.runtime.test_resume import FailingJournal, PowerCut

E = TypeVar("E", bound=AnyEvent)


async def resumed(journal: MemoryJournal) -> Performance:
    return replace(await recorded_performance(journal, "run"), quiet_s=0.02)


async def waiting(recipient: str = "purchaser") -> MemoryJournal:
    """A journal with a run that waits for a person."""
    EFFECTS.clear()
    journal = MemoryJournal()
    with pytest.raises(WaitingForPerson):
        await LocalEngine(journal).perform(performance("run", recipient))
    return journal


async def go_on(journal: MemoryJournal) -> Json:
    answer = await LocalEngine(journal).perform(await resumed(journal))
    await replay(journal, "run")
    return answer


def of_type(events: Sequence[AnyEvent], kind: type[E]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]


async def test_what_needs_approval_waits_without_a_process_and_happens_once_it_is_given() -> None:
    journal = await waiting()
    assert EFFECTS == ["look"]
    [summary] = await journal.runs()
    assert summary.status == "waiting"
    asked = await decide(journal, "run", "", Decision("approve", by="wang"))
    assert (asked.why, asked.question) == ("approval", "pay 100?")
    assert await go_on(journal) == ["look", "pay", "note"]
    assert EFFECTS == ["look", "pay", "note"]


async def test_what_is_denied_never_happens_and_the_agent_reads_why() -> None:
    journal = await waiting()
    await decide(journal, "run", "", Decision("deny", note="too dear"))
    assert await go_on(journal) == ["look", "denied: a person has denied this: too dear", "note"]
    assert EFFECTS == ["look", "note"]


async def test_a_run_waits_only_when_nothing_else_moves() -> None:
    journal = await waiting("shop")
    assert sorted(EFFECTS) == ["book", "look", "look", "look", "write"]
    events = await journal.events("run")
    assert len(of_type(events, StepAsked)) == 2
    first, second = of_type(events, StepAsked)
    with pytest.raises(UsageError, match="2 steps wait"):
        await decide(journal, "run", "", Decision("approve"))
    await decide(journal, "run", first.step, Decision("approve"))
    with pytest.raises(WaitingForPerson):
        await LocalEngine(journal).perform(await resumed(journal))
    assert EFFECTS.count("pay") == 1
    await decide(journal, "run", second.step[:12], Decision("deny"))
    await go_on(journal)
    assert EFFECTS.count("pay") == 1


async def test_a_person_at_the_terminal_is_asked_directly() -> None:
    asked: list[str] = []

    async def ask(question: str) -> str | None:
        asked.append(question)
        return "yes"

    EFFECTS.clear()
    journal = MemoryJournal()
    answer = await LocalEngine(journal).perform(replace(performance("run", "purchaser"), ask=ask, by="li"))
    assert answer == ["look", "pay", "note"]
    assert len(asked) == 1 and asked[0].startswith("pay 100?")
    [decided] = of_type(await journal.events("run"), StepDecided)
    assert (decided.verdict, decided.by) == ("approve", "li")
    await replay(journal, "run")


async def test_a_person_who_does_not_say_is_waited_for() -> None:
    async def ask(_: str) -> str | None:
        return None

    with pytest.raises(WaitingForPerson):
        await LocalEngine(MemoryJournal()).perform(replace(performance("run", "purchaser"), ask=ask))


@pytest.mark.parametrize("verdict", ["approve", "deny"])
@pytest.mark.parametrize("after", [False, True], ids=["before the append", "after the append"])
async def test_whatever_dies_around_an_approval_the_effect_happens_at_most_once(verdict: Verdict, after: bool) -> None:
    """Cut before, at or after any append; a person answers whatever is asked, until the run is done."""
    for survived in range(2, 16):
        EFFECTS.clear()
        journal = FailingJournal(survived, after=after)
        for _ in range(12):
            events = await journal.events("run")
            if events and isinstance(events[-1], RunCompleted):
                break
            try:
                await LocalEngine(journal).perform(
                    await resumed(journal) if events else performance("run", "purchaser")
                )
                break
            except WaitingForPerson:
                await answer_all(journal, verdict)
            except PowerCut:
                journal.is_repaired = True
        else:
            raise AssertionError("the run came to no end")
        happened = 1 if verdict == "approve" else 0
        assert EFFECTS.count("pay") == happened, f"cut at append {survived}"
        await replay(journal, "run")


async def answer_all(journal: MemoryJournal, verdict: Verdict) -> None:
    """Says `verdict` to approvals; looks into the world where it is not certain that an effect has happened."""
    asked = of_type(await journal.events("run"), StepAsked)[-1]
    said = verdict if asked.why == "approval" else "done" if "pay" in EFFECTS else "retry"
    try:
        await decide(journal, "run", asked.step, Decision(said, result="pay"))
    except PowerCut:
        journal.is_repaired = True  # type: ignore[attr-defined]  # only a failing journal raises it


async def test_a_decision_that_was_recorded_and_not_begun_is_no_uncertainty() -> None:
    journal = await waiting()
    await decide(journal, "run", "", Decision("approve"))
    await go_on(journal)
    events = await journal.events("run")
    assert len(of_type(events, StepAsked)) == len(of_type(events, StepBegun)) == 1


@pytest.mark.parametrize(
    ("verdict", "result", "answer", "paid"),
    [("done", "receipt 7", ["look", "receipt 7", "note"], 1), ("retry", None, ["look", "pay", "note"], 2)],
)
async def test_what_may_have_happened_is_left_to_a_person(
    verdict: Verdict, result: Json, answer: Json, paid: int
) -> None:
    EFFECTS.clear()
    journal = await cut_in_payment()
    with pytest.raises(WaitingForPerson, match="Did it happen"):
        await LocalEngine(journal).perform(await resumed(journal))
    assert EFFECTS.count("pay") == 1
    await decide(journal, "run", "", Decision(verdict, result=result))
    assert await go_on(journal) == answer
    assert EFFECTS.count("pay") == paid


async def cut_in_payment() -> MemoryJournal:
    """A run whose process died when the payment had begun and was not recorded."""
    whole = MemoryJournal()
    await LocalEngine(whole).perform(performance("run", "payer"))
    events = await whole.events("run")
    start = next(event.seq for event in events if getattr(event, "name", "") == "pay")
    cut = MemoryJournal()
    await cut.append("run", await cut.claim("run"), events[:start], whole._blobs)  # pyright: ignore[reportPrivateUsage]
    return cut


async def test_a_question_is_answered_from_elsewhere() -> None:
    journal = await waiting("curious")
    asked = await decide(journal, "run", "", Decision("done", result="北京"))
    assert asked.question == "which city?"
    assert await go_on(journal) == "北京"


async def test_a_question_that_is_still_open_is_put_at_the_terminal_of_who_resumes() -> None:
    async def ask(question: str) -> str | None:
        assert question == "which city?"
        return "Shanghai"

    journal = await waiting("curious")
    answer = await LocalEngine(journal).perform(replace(await resumed(journal), ask=ask))
    assert answer == "Shanghai"
    await replay(journal, "run")


async def test_of_two_who_decide_at_once_one_is_told() -> None:
    journal = await waiting()
    both = await asyncio.gather(
        decide(journal, "run", "", Decision("approve", by="wang")),
        decide(journal, "run", "", Decision("deny", by="li")),
        return_exceptions=True,
    )
    [refused] = [found for found in both if isinstance(found, UsageError)]
    assert len(of_type(await journal.events("run"), StepDecided)) == 1
    assert "waits for nobody" in str(refused) or "decided already" in str(refused)


async def test_decisions_that_make_no_sense_change_nothing() -> None:
    journal = await waiting()
    [asked] = of_type(await journal.events("run"), StepAsked)
    before = await journal.events("run")
    cases: list[tuple[str, str, Verdict, str]] = [
        ("run", "nosuch", "approve", "found no asked step 'nosuch'"),
        ("run", asked.step, "done", "expected approve or deny"),
        ("other", "", "approve", "there is no run"),
    ]
    for run, step, verdict, words in cases:
        with pytest.raises(UsageError, match=words):
            await decide(journal, run, step, Decision(verdict))
    assert await journal.events("run") == before
    await decide(journal, "run", "", Decision("approve", by="wang"))
    with pytest.raises(UsageError, match="decided already by wang: approve"):
        await decide(journal, "run", asked.step, Decision("deny"))
    await go_on(journal)
    with pytest.raises(UsageError, match="is done"):
        await decide(journal, "run", asked.step, Decision("approve"))


# Undo


async def fails(journal: MemoryJournal, *, is_resumed: bool = False) -> str:
    """How a run that is to fail ends: by its own failure, by the power, or not at all."""
    try:
        order = await resumed(journal) if is_resumed else performance("run", "holder", {"fail": True})
        await LocalEngine(journal).perform(order)
        return "done"
    except PowerCut:
        return "cut"
    except StepFailed as error:
        assert error.code == "sold_out"
        return "failed"


async def test_a_run_that_fails_for_good_undoes_what_it_did_the_last_first() -> None:
    EFFECTS.clear()
    journal = MemoryJournal()
    assert await fails(journal) == "failed"
    holds, undone = EFFECTS[:3], EFFECTS[3:]
    assert undone == [f"un{hold}" for hold in reversed(holds)]
    events = await journal.events("run")
    assert isinstance(events[-1], RunFailed)
    assert [undo.state for undo in undos(events)] == ["undone"] * 3
    await replay(journal, "run")


@pytest.mark.parametrize("after", [False, True], ids=["before the append", "after the append"])
async def test_undoing_survives_a_death_at_any_append(after: bool) -> None:
    for survived in range(2, 25):
        EFFECTS.clear()
        journal = FailingJournal(survived, after=after)
        await fails(journal)
        journal.is_repaired = True
        if not isinstance((await journal.events("run"))[-1], RunFailed):
            assert await fails(journal, is_resumed=True) == "failed"
        for hold in ("hold 1", "hold 2", "hold 3"):
            marks = [mark for mark in EFFECTS if mark.endswith(hold)]
            assert marks[-1] == f"un{hold}", f"cut at append {survived}: {EFFECTS}"
        assert [undo.state for undo in undos(await journal.events("run"))] == ["undone"] * 3
        await replay(journal, "run")


async def test_an_undo_that_fails_is_reported_and_stops_no_other() -> None:
    EFFECTS.clear()
    journal = MemoryJournal()
    FAILING_UNDO[:] = ["hold 2"]
    try:
        assert await fails(journal) == "failed"
    finally:
        FAILING_UNDO.clear()
    report = {undo.tool: undo for undo in undos(await journal.events("run"))}
    assert {name: undo.state for name, undo in report.items()} == {
        "hold 1": "undone",
        "hold 2": "failed",
        "hold 3": "undone",
    }
    assert "does not answer" in report["hold 2"].why


async def test_a_waiting_run_that_is_given_up_is_undone_and_ends() -> None:
    journal = await waiting("holder")
    await abort(journal, "run", "wang", "no holiday after all")
    with pytest.raises(Exception, match="wang gave the run up: no holiday after all"):
        await LocalEngine(journal).perform(await resumed(journal))
    assert EFFECTS[-3:] == [f"un{hold}" for hold in reversed(EFFECTS[:3])]
    assert "pay" not in EFFECTS
    with pytest.raises(UsageError, match="has failed"):
        await abort(journal, "run", "li", "")
    await replay(journal, "run")


async def test_a_compensable_step_that_may_have_happened_is_undone_before_it_is_done_again() -> None:
    EFFECTS.clear()
    whole = MemoryJournal()
    with pytest.raises(WaitingForPerson):
        await LocalEngine(whole).perform(performance("run", "holder"))
    events = await whole.events("run")
    start = next(event.seq for event in events if getattr(event, "name", "") == "hold 1")
    journal = MemoryJournal()
    await journal.append("run", await journal.claim("run"), events[:start], whole._blobs)  # pyright: ignore[reportPrivateUsage]
    EFFECTS.clear()
    with pytest.raises(WaitingForPerson):
        await LocalEngine(journal).perform(await resumed(journal))
    assert EFFECTS[:2] == ["unhold 1", "hold 1"]


async def test_a_run_that_has_done_nothing_that_can_be_undone_just_ends() -> None:
    journal = await waiting("purchaser")
    await abort(journal, "run", "wang", "")
    with pytest.raises(Exception, match="wang gave the run up"):
        await LocalEngine(journal).perform(await resumed(journal))
    assert isinstance((await journal.events("run"))[-1], RunFailed)


async def test_leaving_is_on_record() -> None:
    journal = await waiting()
    last = (await journal.events("run"))[-1]
    assert isinstance(last, RunInterrupted) and last.why == "person"
    assert "pay 100?" in last.reason
