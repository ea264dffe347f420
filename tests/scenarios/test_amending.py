from __future__ import annotations

from datetime import date

import pytest
from pydantic import JsonValue

from agents.messages import Amendment, Fact, Failure, JsonObject, Scene, Subtask
from scenarios.travel.amending import amendments, replacing
from scenarios.travel.faults import Fault, FaultKind
from scenarios.travel.view import View
from tests.scenarios.trip import (
    ATTRACTIONS,
    DUCK,
    HOTELS,
    INN,
    LODGE,
    NOODLES,
    PALACE,
    PARK,
    RESTAURANTS,
    SATURDAY,
    SCIENCE,
    SUNDAY,
    TASK,
    ZOO,
)

CHOICES: JsonObject = {
    "hotel": {"hotel": INN},
    "day:2026-12-05": {"visits": [PALACE, ZOO]},
    "day:2026-12-06": {"visits": [SCIENCE, PARK]},
    "meals": {"2026-12-05": {"lunch": DUCK, "dinner": NOODLES}, "2026-12-06": {"lunch": NOODLES}},
}


def fact(tool: str, value: JsonValue) -> Fact:
    return Fact(tool=tool, arguments={}, value=value, evidence="step1")


def view(*failures: Failure, **changes: object) -> View:
    facts = [fact("attraction_lookup", row) for row in ATTRACTIONS]
    facts += [fact("hotel_search", {"hotels": [*HOTELS]}), fact("restaurant_search", {"restaurants": [*RESTAURANTS]})]
    scene = Scene(task=TASK.model_dump(mode="json"), facts=tuple(facts), choices=CHOICES, failures=failures)
    return View(scene.model_copy(update=changes))


def fault(kind: FaultKind, name: str | None = None, day: date | None = None, *, is_fixable: bool = True) -> Fault:
    return Fault(check="c", kind=kind, name=name, date=day, detail="d", instruction="i", is_fixable=is_fixable)


def made(seen: View, *faults: Fault) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.decision, one.exclude) for one in amendments(seen, faults)]


def test_a_hotel_that_is_too_dear_gives_way_to_a_cheaper_one() -> None:
    assert made(view(), fault("over_budget", INN)) == [("hotel", (INN,))]


def test_a_hotel_elsewhere_or_without_a_family_room_is_excluded() -> None:
    assert made(view(), fault("hotel_district", LODGE)) == [("hotel", (LODGE,))]
    assert made(view(), fault("hotel_family_room", LODGE)) == [("hotel", (LODGE,))]


def test_without_another_hotel_more_are_sought() -> None:
    excluded = Amendment(decision="hotel", text="", exclude=(LODGE,))
    found = amendments(view(amendments=(excluded,)), (fault("over_budget", INN),))
    assert [(one.decision, one.require) for one in found] == [("subtasks", ("hotel_search",)), ("hotel", ())]


def test_a_dear_restaurant_gives_way_to_cheaper_ones() -> None:
    (decision, exclude), *_ = made(view(), fault("over_budget", DUCK, SATURDAY))
    assert decision == "meals"
    assert DUCK in exclude


def test_a_forgotten_must_visit_gets_a_day() -> None:
    assert made(view(), fault("missing_visit", PALACE, SATURDAY)) == [(f"place:{PALACE}", ())]


def refusal(day: date) -> Failure:
    asked: JsonObject = {"name": PALACE, "date": day.isoformat()}
    return Failure(tool="ticket_availability", arguments=asked, code="sold_out", message="", evidence="step9")


def test_an_impossible_must_visit_gives_way_to_the_planned_alternative() -> None:
    planned = Subtask(id="s1", goal="g", about=PALACE, tool="ticket_availability", success="s", alternative=PARK)
    without: JsonObject = {**CHOICES, "day:2026-12-06": {"visits": [SCIENCE]}}
    gone = fault("missing_visit", PALACE, is_fixable=False)
    refused = (refusal(SATURDAY), refusal(SUNDAY))
    assert made(view(*refused, subtasks=(planned,), choices=without), gone) == [(f"place:{PARK}", ())]
    assert made(view(*refused, subtasks=(planned,)), gone) == []
    assert made(view(*refused), gone) == []


def test_a_must_visit_without_a_ticket_is_moved_and_anything_else_is_left_out() -> None:
    assert made(view(), fault("no_ticket", PALACE, SATURDAY)) == [
        ("day:2026-12-05", (PALACE,)),
        (f"place:{PALACE}", ()),
    ]
    assert made(view(), fault("closed", ZOO, SATURDAY)) == [("day:2026-12-05", (ZOO,))]


def test_a_full_day_loses_what_was_not_asked_for_and_what_takes_as_long() -> None:
    ((decision, exclude),) = made(view(), fault("too_full", PALACE, SATURDAY))
    assert decision == "day:2026-12-05"
    assert exclude[0] == ZOO
    assert PALACE not in exclude and SCIENCE in exclude


def test_a_day_of_one_asked_for_visit_cannot_be_lightened() -> None:
    alone: JsonObject = {**CHOICES, "day:2026-12-05": {"visits": [PALACE]}}
    assert made(view(choices=alone), fault("too_full", PALACE, SATURDAY)) == []


def test_what_was_asked_for_stays_although_it_is_far_or_for_older_children() -> None:
    assert made(view(), fault("too_far", PALACE, SATURDAY)) == []
    assert made(view(), fault("unsuitable_age", ZOO, SATURDAY)) == [("day:2026-12-05", (ZOO,))]


def test_a_repeated_restaurant_and_a_missing_meal_reopen_the_meals() -> None:
    assert made(view(), fault("repeated", NOODLES, SUNDAY)) == [("meals", (NOODLES,))]
    assert made(view(), fault("missing_meal", None, SUNDAY)) == [("meals", ())]


def test_an_empty_day_is_chosen_again() -> None:
    assert made(view(), fault("wrong_days", None, SUNDAY)) == [
        ("day:2026-12-06", ()),
        ("subtasks", ()),
    ]


@pytest.mark.parametrize("kind", ["no_transfer"])
def test_what_no_choice_can_help_is_not_amended(kind: FaultKind) -> None:
    assert made(view(), fault(kind, PALACE, SATURDAY)) == []


def test_the_same_amendment_is_made_once() -> None:
    twice = (fault("closed", ZOO, SATURDAY), fault("closed", ZOO, SATURDAY))
    assert made(view(), *twice) == [("day:2026-12-05", (ZOO,))]


def test_whatever_was_chosen_can_be_replaced() -> None:
    assert [one.decision for one in replacing(view(), INN, "t")] == ["hotel"]
    assert [one.decision for one in replacing(view(), ZOO, "t")] == ["day:2026-12-05"]
    assert [one.decision for one in replacing(view(), NOODLES, "t")] == ["meals"]


def test_a_refused_ticket_is_known_to_the_view_and_an_unproven_one_is_not() -> None:
    assert not view(refusal(SATURDAY)).can_visit(PALACE, SATURDAY)
    assert view(refusal(SATURDAY)).can_visit(PALACE, SUNDAY)
    assert view(refusal(SATURDAY).model_copy(update={"evidence": ""})).can_visit(PALACE, SATURDAY)
