"""Every check finds its fault, names it, and passes where there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import JsonValue

from scenarios.travel.checks import RULES, Verdict, criticise
from scenarios.travel.choices import Choices, DayChoice
from scenarios.travel.compose import compose
from scenarios.travel.facts import Facts
from scenarios.travel.faults import FaultKind
from scenarios.travel.itinerary import Day, Party, TripPlan, TripTask
from scenarios.travel.learn import learn
from tests.scenarios.trip import (
    ATTRACTIONS,
    CHOICES,
    DUCK,
    INN,
    LODGE,
    NOODLES,
    PALACE,
    PARK,
    SATURDAY,
    SCIENCE,
    SUNDAY,
    TASK,
    ZOO,
    facts,
    ticket,
    transfer,
)

FACTS = facts()


@dataclass(frozen=True)
class Trip:
    """A plan and everything that led to it."""

    task: TripTask = TASK
    choices: Choices = CHOICES
    facts: Facts = FACTS
    plan: TripPlan | None = None

    def verdict(self) -> Verdict:
        plan = self.plan or compose(self.task, self.choices, self.facts)
        return criticise(self.task, self.choices, self.facts, plan)


GOOD = Trip()


def with_task(**fields: Any) -> Trip:
    return replace(GOOD, task=GOOD.task.model_copy(update=fields))


def with_day(number: int, **fields: Any) -> Trip:
    days = list(CHOICES.days)
    days[number] = days[number].model_copy(update=fields)
    return replace(GOOD, choices=CHOICES.model_copy(update={"days": tuple(days)}))


def with_hotel(name: str | None) -> Trip:
    return replace(GOOD, choices=CHOICES.model_copy(update={"hotel": name}))


def with_attraction(name: str, **columns: Any) -> Trip:
    rows = {str(row["name"]): row for row in ATTRACTIONS}
    rows[name] = rows[name] | columns
    return replace(GOOD, facts=facts(tuple(rows.values())))


def with_facts(change: Callable[[Facts], Facts]) -> Trip:
    return replace(GOOD, facts=change(FACTS))


def with_plan(change: Callable[[TripPlan], TripPlan]) -> Trip:
    return replace(GOOD, plan=change(compose(TASK, CHOICES, FACTS)))


def calendar(known: Facts, name: str, day: date, *, is_open: bool, hours: str | None = None) -> Facts:
    told: JsonValue = {"date": str(day), "open": is_open, "hours": hours, "reason": None if is_open else "内部维护"}
    return learn(known, "opening_calendar", {"name": name}, {"name": name, "days": [told]}, "calendar")


def shift_second_item(plan: TripPlan) -> TripPlan:
    first = plan.days[0]
    items = list(first.items)
    items[1] = items[1].model_copy(update={"end": "12:30"})
    return plan.model_copy(update={"days": (first.model_copy(update={"items": tuple(items)}), *plan.days[1:])})


def shorten_first_way(plan: TripPlan) -> TripPlan:
    first = plan.days[0]
    items = (first.items[0].model_copy(update={"start": "08:20"}), *first.items[1:])
    return plan.model_copy(update={"days": (first.model_copy(update={"items": items}), *plan.days[1:])})


def without_evidence(plan: TripPlan) -> TripPlan:
    first = plan.days[0]
    items = tuple(item.model_copy(update={"evidence": ()}) if item.name == ZOO else item for item in first.items)
    return plan.model_copy(update={"days": (first.model_copy(update={"items": items}), *plan.days[1:])})


def reversed_days(plan: TripPlan) -> TripPlan:
    return plan.model_copy(update={"days": tuple(reversed(plan.days))})


def unpriced(known: Facts, name: str) -> Facts:
    bare = known.restaurants[name].model_copy(update={"price_per_person_cny": None})
    return known.model_copy(update={"restaurants": known.restaurants | {name: bare}})


def cheap_meals(known: Facts) -> Facts:
    cheap = {name: fact.model_copy(update={"price_per_person_cny": 10}) for name, fact in known.restaurants.items()}
    return known.model_copy(update={"restaurants": cheap})


def without_tickets(known: Facts) -> Facts:
    return known.model_copy(update={"tickets": {}})


def far_away(known: Facts) -> Facts:
    return transfer(known, PALACE, DUCK, 130)


def asked_for_one(known: Facts) -> Facts:
    asked: dict[str, JsonValue] = {"name": PALACE, "date": str(SATURDAY), "adults": 1, "child_ages": []}
    return learn(known, "ticket_availability", asked, {"available": True, "total_cny": 40}, "office")


BAD: Mapping[str, tuple[str, FaultKind, str | None, date | None, Trip]] = {
    "too dear: the hotel is the largest line": (
        "within_budget",
        "over_budget",
        INN,
        None,
        replace(with_task(budget_cny=700), facts=cheap_meals(FACTS)),
    ),
    "too dear: a meal is the dearest": ("within_budget", "over_budget", DUCK, SATURDAY, with_task(budget_cny=1000)),
    "a day is missing": ("days_match", "wrong_days", None, date(2026, 12, 7), with_task(days=3)),
    "a day too many": ("days_match", "wrong_days", None, SUNDAY, with_task(days=1)),
    "a day without a visit": ("days_match", "wrong_days", None, SUNDAY, with_day(1, visits=())),
    "days in the wrong order": ("days_match", "wrong_days", None, None, with_plan(reversed_days)),
    "a must-visit is missing": (
        "must_visits_present",
        "missing_visit",
        SCIENCE,
        SATURDAY,
        with_day(1, visits=(PARK,)),
    ),
    "closed on that weekday": (
        "open_when_visited",
        "closed",
        ZOO,
        SATURDAY,
        with_attraction(ZOO, closed_weekdays="6"),
    ),
    "closed by the calendar": (
        "open_when_visited",
        "closed",
        ZOO,
        SATURDAY,
        with_facts(lambda known: calendar(known, ZOO, SATURDAY, is_open=False)),
    ),
    "past closing": ("open_when_visited", "too_full", ZOO, SATURDAY, with_attraction(ZOO, hours_winter="08:00-13:00")),
    "after the last entry": (
        "open_when_visited",
        "too_full",
        ZOO,
        SATURDAY,
        with_attraction(ZOO, hours_winter="08:00-16:30", last_entry_min=300),
    ),
    "hours unknown": (
        "open_when_visited",
        "no_evidence",
        ZOO,
        SATURDAY,
        with_attraction(ZOO, hours_winter="", hours_summer="", closed_weekdays=""),
    ),
    "sold out": (
        "open_when_visited",
        "no_ticket",
        ZOO,
        SATURDAY,
        with_facts(lambda known: ticket(known, ZOO, SATURDAY, available=False)),
    ),
    "no ticket asked for": ("open_when_visited", "no_ticket", PALACE, SATURDAY, with_facts(without_tickets)),
    "ticket for another party": ("open_when_visited", "no_ticket", PALACE, SATURDAY, with_facts(asked_for_one)),
    "two things at once": (
        "no_overlap",
        "overlap",
        f"地铁：{PALACE} → {DUCK}",
        SATURDAY,
        with_plan(shift_second_item),
    ),
    "longer than a day": (
        "no_overlap",
        "too_full",
        PARK,
        SUNDAY,
        with_attraction(PARK, visit_min=700),
    ),
    "way unknown": (
        "plausible_transfers",
        "no_transfer",
        PALACE,
        SATURDAY,
        with_facts(lambda known: known.model_copy(update={"transfers": {}})),
    ),
    "way too short": ("plausible_transfers", "no_transfer", PALACE, SATURDAY, with_plan(shorten_first_way)),
    "way too long": ("plausible_transfers", "too_far", DUCK, SATURDAY, with_facts(far_away)),
    "too much on the way": (
        "plausible_transfers",
        "too_far",
        ZOO,
        SATURDAY,
        replace(GOOD, facts=facts(transfer_min=60)),
    ),
    "no hotel": ("hotel_in_district", "missing_hotel", None, None, with_hotel(None)),
    "hotel elsewhere": ("hotel_in_district", "hotel_district", LODGE, None, with_hotel(LODGE)),
    "child too young": ("child_friendly", "unsuitable_age", ZOO, SATURDAY, with_attraction(ZOO, min_age=8)),
    "no family room": ("child_friendly", "hotel_family_room", LODGE, None, with_hotel(LODGE)),
    "day ends late": ("child_friendly", "late_day", PARK, SUNDAY, with_attraction(PARK, visit_min=310)),
    "day too long": (
        "child_friendly",
        "too_full",
        PARK,
        SUNDAY,
        with_attraction(PARK, visit_min=400),
    ),
    "nothing made for children": (
        "child_friendly",
        "unsuitable_age",
        SCIENCE,
        SUNDAY,
        replace(
            with_attraction(SCIENCE, category="museum", family_facilities=""),
            choices=with_day(1, visits=(SCIENCE,)).choices,
        ),
    ),
    "no lunch": ("meals_present", "missing_meal", None, SATURDAY, with_day(0, lunch=None)),
    "no dinner": ("meals_present", "missing_meal", None, SATURDAY, with_day(0, dinner=None)),
    "late lunch": ("meals_present", "too_full", PALACE, SATURDAY, with_attraction(PALACE, visit_min=360)),
    "same sight twice": ("no_repeats", "repeated", PALACE, SUNDAY, with_day(1, visits=(SCIENCE, PALACE))),
    "same restaurant again and again": (
        "no_repeats",
        "repeated",
        DUCK,
        SUNDAY,
        replace(
            GOOD,
            choices=Choices(
                days=tuple(day.model_copy(update={"lunch": DUCK, "dinner": DUCK}) for day in CHOICES.days), hotel=INN
            ),
        ),
    ),
    "invented sight": (
        "evidence_complete",
        "no_evidence",
        "水下宫殿",
        SATURDAY,
        with_day(0, visits=(PALACE, "水下宫殿")),
    ),
    "invented hotel": ("evidence_complete", "no_evidence", "云上酒店", None, with_hotel("云上酒店")),
    "item without evidence": ("evidence_complete", "no_evidence", ZOO, SATURDAY, with_plan(without_evidence)),
    "meal without a price": (
        "evidence_complete",
        "no_evidence",
        NOODLES,
        SATURDAY,
        with_facts(lambda known: unpriced(known, NOODLES)),
    ),
}


def test_a_good_trip_passes_every_check() -> None:
    verdict = GOOD.verdict()
    assert verdict.has_passed
    assert [check.name for check in verdict.checks] == list(RULES)
    assert all(check.passed and check.detail for check in verdict.checks)


@pytest.mark.parametrize(("check", "kind", "name", "day", "trip"), BAD.values(), ids=BAD)
def test_a_bad_trip_fails_with_the_fault_that_names_the_cause(
    check: str, kind: FaultKind, name: str | None, day: date | None, trip: Trip
) -> None:
    verdict = trip.verdict()
    assert not next(found for found in verdict.checks if found.name == check).passed
    found = {(fault.check, fault.kind, fault.name, fault.date) for fault in verdict.faults}
    assert (check, kind, name, day) in found


def test_every_check_has_a_failing_trip() -> None:
    assert {check for check, *_ in BAD.values()} == set(RULES)


def test_a_failed_check_tells_the_figures_and_what_to_do() -> None:
    verdict = with_task(budget_cny=1000).verdict()
    (failed,) = (check for check in verdict.checks if not check.passed)
    assert failed.detail == "总费用1392元，超出预算1000元共392元"
    (fault,) = verdict.faults
    assert fault.amount_cny == 392
    assert fault.instruction == f"总费用要减少至少392元：把花费最多的“{DUCK}”换成更便宜的选择。"


def test_a_fault_says_on_which_other_day_a_closed_place_is_open() -> None:
    verdict = with_attraction(ZOO, closed_weekdays="6").verdict()
    (fault,) = (fault for fault in verdict.faults if fault.kind == "closed")
    assert fault.instruction == f"“{ZOO}”在12月5日（周六）不开放：改到12月6日（周日），或换成别的。"


def test_a_must_visit_that_is_closed_throughout_cannot_be_fixed() -> None:
    closed = replace(with_attraction(SCIENCE, closed_weekdays="6;7"), choices=with_day(1, visits=(PARK,)).choices)
    (fault,) = (fault for fault in closed.verdict().faults if fault.kind == "missing_visit")
    assert not fault.is_fixable
    assert fault.date is None
    assert fault.detail == f"行程中没有“{SCIENCE}”（行程期间不开放或没有门票）"


def test_a_long_visit_with_a_restaurant_needs_no_lunch_elsewhere() -> None:
    long = with_attraction(SCIENCE, visit_min=240, family_facilities="restaurant")
    inside = replace(long, choices=with_day(1, visits=(SCIENCE,), lunch=None).choices)
    assert inside.verdict().has_passed
    meals = next(check for check in inside.verdict().checks if check.name == "meals_present")
    assert meals.detail == "午餐和晚餐都按时安排，12月6日（周日）的午餐在景点内吃。"


def test_the_last_day_may_end_before_dinner() -> None:
    assert with_day(1, dinner=None).verdict().has_passed


def test_grown_ups_may_stay_out_late_and_go_anywhere() -> None:
    adults = TASK.model_copy(update={"party": Party(adults=2)})
    known = with_attraction(ZOO, min_age=16, visit_min=300).facts
    trip = Trip(adults, CHOICES, known)
    children = next(check for check in trip.verdict().checks if check.name == "child_friendly")
    assert children.passed
    assert children.detail == "没有儿童同行。"


def test_an_empty_plan_fails_openly_instead_of_passing_for_lack_of_items() -> None:
    trip = Trip(choices=Choices(days=tuple(DayChoice(date=SATURDAY + timedelta(days=n)) for n in range(2))))
    failed = {check.name for check in trip.verdict().checks if not check.passed}
    assert failed == {"days_match", "must_visits_present", "hotel_in_district", "meals_present"}
    assert trip.verdict() == trip.verdict()
    assert compose(trip.task, trip.choices, trip.facts).days == (Day(date=SATURDAY), Day(date=SUNDAY))
