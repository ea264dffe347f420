"""What the ledger says: tickets are never issued twice, rooms of an aborted run are released, whatever dies when."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from agents.messages import Request
from repertory.chaos import bookings
from runtime.codec import Json
from runtime.errors import RunAborted, StepFailed, WaitingForPerson
from runtime.events import AgentName, RunCompleted, RunFailed, StepAsked, Verdict
from runtime.journal import MemoryJournal
from runtime.killing.chaos_local import LocalChaos
from runtime.letters import Letters
from runtime.local import LocalEngine
from runtime.people import Decision, abort, decide
from runtime.performance import Performance, recorded_performance
from runtime.replay import replay
from scenarios import equipment
from scenarios.load import load_scenario
from scenarios.team_config import TeamConfig
from scenarios.travel.booking import BookingTravelDomain
from scenarios.travel.itinerary import TripResult
from serving.source import ModelSource
from tests.agents.team import PolicyModel
from tests.runtime.test_resume import FailingJournal, PowerCut
from tests.scenarios.test_travel_domain import FAMILY, decides, thoughtful
from tools.travel.booking import Ledger

TRAVEL = Path(__file__).parents[2] / "scenarios" / "travel"

BOOKER = """\
name: booker
domain: scenarios.travel.domain:TravelDomain
request: {request}
agents:
  planner: {{kind: "tests.scenarios.booker:Booker"}}
tools: [hold_hotel_room, release_hotel_room, issue_tickets]
data: "scenarios.travel:data/beijing"
memory: {{remember: false}}
"""


def performance(directory: Path, file: Path) -> Performance:
    """A run of a scenario file whose ledger lies in a directory."""
    scenario = load_scenario(file).scenario
    config = TeamConfig(
        scenario=scenario,
        folder=str(file.parent),
        model=ModelSource(kind="scripted", name="script"),
        memory=None,
        state=str(directory / "state"),
    )
    letters = Letters()
    letters.add_type(Request)
    payload = letters.encode(Request(text=scenario.request.strip()))
    return Performance("run", config.spec(), AgentName("planner"), payload, quiet_s=0.02)


def booker(directory: Path, request: str = "go") -> Performance:
    directory.mkdir(exist_ok=True)
    (directory / "booker.yaml").write_text(BOOKER.format(request=request), encoding="utf-8")
    return performance(directory, directory / "booker.yaml")


def states(directory: Path) -> Counter[tuple[str, str]]:
    return Counter((row["kind"], row["state"]) for row in Ledger(directory / "state").rows())


async def resumed(journal: MemoryJournal) -> Json:
    return await LocalEngine(journal).perform(replace(await recorded_performance(journal, "run"), quiet_s=0.02))


async def waiting(directory: Path) -> MemoryJournal:
    journal = MemoryJournal()
    with pytest.raises(WaitingForPerson, match="issue_tickets"):
        await LocalEngine(journal).perform(booker(directory))
    return journal


async def test_tickets_are_issued_when_a_person_has_approved(tmp_path: Path) -> None:
    journal = await waiting(tmp_path)
    assert states(tmp_path) == {("room", "held"): 2}
    await decide(journal, "run", "", Decision("approve"))
    await resumed(journal)
    assert states(tmp_path) == {("room", "held"): 2, ("tickets", "issued"): 1}
    await replay(journal, "run")


async def test_denied_tickets_are_told_to_the_agent_as_an_outcome(tmp_path: Path) -> None:
    journal = await waiting(tmp_path)
    await decide(journal, "run", "", Decision("deny", note="we have museum passes"))
    answer = cast(Any, await resumed(journal))["result"]
    assert answer["tickets"]["status"] == "failed"
    assert answer["tickets"]["error"]["code"] == "denied"
    assert "museum passes" in answer["tickets"]["error"]["message"]
    assert states(tmp_path) == {("room", "held"): 2}


async def test_an_aborted_run_releases_its_rooms(tmp_path: Path) -> None:
    journal = await waiting(tmp_path)
    await abort(journal, "run", "wang", "")
    with pytest.raises(RunAborted):
        await resumed(journal)
    assert states(tmp_path) == {("room", "released"): 2}
    await replay(journal, "run")


async def test_two_runs_of_one_scenario_have_bookings_of_their_own(tmp_path: Path) -> None:
    first, second = MemoryJournal(), MemoryJournal()
    for journal, run in ((first, "monday"), (second, "tuesday")):
        with pytest.raises(WaitingForPerson):
            await LocalEngine(journal).perform(replace(booker(tmp_path), run=run))
    assert states(tmp_path) == {("room", "held"): 4}
    await abort(second, "tuesday", "wang", "")
    with pytest.raises(RunAborted):
        await LocalEngine(second).perform(await recorded_performance(second, "tuesday"))
    held = [row["reference"] for row in Ledger(tmp_path / "state").rows() if row["state"] == "held"]
    assert len(held) == 2 and all(reference.startswith("monday") for reference in held)


async def settle(journal: FailingJournal, verdict: Verdict, tickets: int) -> None:
    """Goes on with a run as often as it takes, deciding whatever it asks with a look into the ledger."""
    for _ in range(8):
        events = await journal.events("run")
        if isinstance(events[-1], RunFailed | RunCompleted):
            return
        try:
            await resumed(journal)
        except WaitingForPerson:
            asked = [event for event in await journal.events("run") if isinstance(event, StepAsked)][-1]
            said = verdict if asked.why == "approval" else "done" if tickets else "retry"
            await decide(journal, "run", asked.step, Decision(said))
        except StepFailed:
            continue


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before the append", "after the append"])
async def test_whatever_dies_tickets_are_issued_once_and_rooms_are_held_once(tmp_path: Path, after: bool) -> None:
    for survived in range(2, 12):
        place = tmp_path / f"{survived}"
        journal = FailingJournal(survived, after=after)
        for _ in range(2):  # the cut may come before or after the run first waits
            try:
                is_new = not await journal.events("run")
                await (LocalEngine(journal).perform(booker(place)) if is_new else resumed(journal))
            except WaitingForPerson:
                break
            except PowerCut:
                journal.is_repaired = True
        journal.is_repaired = True
        await settle(journal, "approve", states(place)["tickets", "issued"])
        assert states(place) == {("room", "held"): 2, ("tickets", "issued"): 1}, f"cut at append {survived}"


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before the append", "after the append"])
async def test_whatever_dies_a_failed_run_leaves_no_room_held(tmp_path: Path, after: bool) -> None:
    for survived in range(2, 18):
        place = tmp_path / f"{survived}"
        journal = FailingJournal(survived, after=after)
        with pytest.raises((StepFailed, PowerCut)):
            await LocalEngine(journal).perform(booker(place, "fail"))
        journal.is_repaired = True
        await settle(journal, "approve", 0)
        assert states(place) == {("room", "released"): 2}, f"cut at append {survived}"


async def test_agents_that_tell_the_keys_of_their_effects_do_the_same_in_every_performance(tmp_path: Path) -> None:
    chaos = LocalChaos(booker, tmp_path, bookings)
    undisturbed, points = await chaos.undisturbed()
    assert "run-s" in str(undisturbed.result)
    found = await chaos.trials(undisturbed, points)
    assert [trial.findings.faults for trial in found if trial.verdict == "failed"] == []
    assert sum(trial.verdict == "survived" for trial in found) >= len(points) - 2


@pytest.mark.slow
async def test_a_whole_trip_is_booked_after_its_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def policy(prompt: str, schema: Any) -> Any:
        if "hold_room" in decides(schema):
            return {"hold_room": True, "tickets": ["故宫博物院"]}
        return thoughtful(prompt, schema)

    def model(_source: ModelSource, _secrets: object) -> PolicyModel:
        return PolicyModel(policy)

    monkeypatch.setattr(equipment, "open_model", model)
    order = performance(tmp_path, TRAVEL / "beijing_booking.yaml")
    letters = Letters()
    letters.add_type(Request)
    journal = MemoryJournal()
    with pytest.raises(WaitingForPerson, match="故宫博物院"):
        await LocalEngine(journal).perform(replace(order, payload=letters.encode(Request(text=FAMILY))))
    assert states(tmp_path) == {("room", "held"): 1}
    await decide(journal, "run", "", Decision("approve"))
    result = cast(Any, await resumed(journal))["result"]
    page = BookingTravelDomain().pages(result, {})["plan.md"]
    assert "## 预订" in page and "门票：故宫博物院" in page
    assert [booking["status"] for booking in result.pop("bookings")] == ["booked", "booked"]
    assert [check.name for check in TripResult.model_validate(result).checks if not check.passed] == []
    assert states(tmp_path) == {("room", "held"): 1, ("tickets", "issued"): 1}
