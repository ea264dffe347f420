"""From choices and facts to times, costs and a budget."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from scenarios.travel.choices import Choices, DayChoice
from scenarios.travel.compose import compose
from scenarios.travel.facts import Facts
from scenarios.travel.itinerary import Day, Party, minutes_of
from scenarios.travel.learn import learn
from scenarios.travel.schedule import needed_transfers, schedule
from tests.scenarios.trip import (
    ATTRACTIONS,
    CHOICES,
    DUCK,
    DUMPLINGS,
    HOTPOT,
    INN,
    NOODLES,
    PALACE,
    PARK,
    SATURDAY,
    SCIENCE,
    SUNDAY,
    TASK,
    ZOO,
    attraction,
    facts,
    transfer,
)

FACTS = facts()


def times(day: Day) -> list[tuple[str, str, str]]:
    return [(item.start, item.end, item.name) for item in day.items]


def visits(day: Day) -> list[str]:
    return [item.name for item in day.items if item.kind == "visit"]


def only(*names: str, lunch: str | None = DUCK, dinner: str | None = NOODLES) -> Choices:
    return Choices(days=(DayChoice(date=SATURDAY, visits=names, lunch=lunch, dinner=dinner),), hotel=INN)


def test_a_day_runs_from_opening_over_the_meals_back_to_the_hotel() -> None:
    first, _ = schedule(TASK, CHOICES, FACTS)
    assert times(first) == [
        ("08:05", "08:30", f"地铁：{INN} → {PALACE}"),
        ("08:30", "11:30", PALACE),
        ("11:30", "11:55", f"地铁：{PALACE} → {DUCK}"),
        ("11:55", "12:55", DUCK),
        ("12:55", "13:40", "午休"),
        ("13:40", "14:05", f"地铁：{DUCK} → {ZOO}"),
        ("14:05", "16:05", ZOO),
        ("16:05", "16:35", "休息与自由活动"),
        ("16:35", "17:00", f"地铁：{ZOO} → {NOODLES}"),
        ("17:00", "18:00", NOODLES),
        ("18:00", "18:25", f"地铁：{NOODLES} → {INN}"),
    ]


def test_the_last_day_does_not_lead_back_to_the_hotel() -> None:
    assert schedule(TASK, CHOICES, FACTS)[-1].items[-1].name == HOTPOT


def test_a_visit_waits_for_the_opening() -> None:
    _, second = schedule(TASK, CHOICES, FACTS)
    assert times(second)[:2] == [("09:05", "09:30", f"地铁：{INN} → {SCIENCE}"), ("09:30", "12:00", SCIENCE)]


def test_another_order_gives_another_day() -> None:
    (day,) = schedule(TASK, only(ZOO, PALACE), FACTS)
    assert visits(day) == [ZOO, PALACE]


def test_only_a_small_child_takes_a_nap() -> None:
    older = TASK.model_copy(update={"party": Party(adults=2, children=(9,))})
    first, _ = schedule(older, CHOICES, FACTS)
    assert "午休" not in [item.name for item in first.items]


def test_no_nap_where_it_would_push_a_visit_past_closing() -> None:
    known = facts((attraction(PALACE, visit_min=200), attraction(ZOO, hours_winter="08:30-16:00", visit_min=120)))
    (day,) = schedule(TASK, only(PALACE, ZOO), known)
    assert "午休" not in [item.name for item in day.items]
    assert next(item.end for item in day.items if item.name == ZOO) <= "16:00"


def test_what_does_not_fit_runs_over_instead_of_being_dropped() -> None:
    (day,) = schedule(TASK, only(PALACE, ZOO, SCIENCE, PARK, dinner=None), FACTS)
    assert visits(day) == [PALACE, ZOO, SCIENCE, PARK]
    assert day.items[-1].end > "20:00"


def test_a_day_that_never_ends_is_still_told() -> None:
    known = facts(tuple(attraction(f"景点{number}", visit_min=300) for number in range(6)))
    (day,) = schedule(TASK, only(*(f"景点{number}" for number in range(6))), known)
    assert minutes_of(day.items[-1].end) > 24 * 60


def test_what_nobody_has_told_is_not_printed_but_noted() -> None:
    plan = compose(TASK, only(PALACE, "水立方嬉水乐园", lunch="某家餐厅"), FACTS)
    assert visits(plan.days[0]) == [PALACE]
    assert plan.notes == (
        "第1天的“水立方嬉水乐园”没有查到依据，未写入行程。",
        "第1天的“某家餐厅”没有查到依据，未写入行程。",
    )


def test_a_fact_without_evidence_is_as_good_as_none() -> None:
    bare = FACTS.attractions[PALACE].model_copy(update={"evidence": ()})
    known = FACTS.model_copy(update={"attractions": FACTS.attractions | {PALACE: bare}})
    (day,) = schedule(TASK, only(PALACE, ZOO), known)
    assert visits(day) == [ZOO]


def test_a_way_that_nobody_has_told_is_left_out() -> None:
    (day,) = schedule(TASK, only(PALACE), FACTS.model_copy(update={"transfers": {}}))
    assert [item.kind for item in day.items] == ["visit", "meal", "rest", "meal"]


def test_the_needed_transfers_are_those_that_the_days_show() -> None:
    nothing = FACTS.model_copy(update={"transfers": {}})
    needed = needed_transfers(TASK, CHOICES, nothing)
    known = nothing
    for origin, destination in needed:
        known = transfer(known, origin, destination, 200)
    assert needed_transfers(TASK, CHOICES, known) == ()
    shown = {item.name for day in schedule(TASK, CHOICES, known) for item in day.items if item.kind == "transfer"}
    assert shown == {f"地铁：{origin} → {destination}" for origin, destination in needed}
    assert (INN, PALACE) in needed
    assert (NOODLES, INN) in needed


def test_costs_are_for_the_whole_party_and_say_where_they_come_from() -> None:
    plan = compose(TASK, CHOICES, FACTS)
    palace = next(item for item in plan.days[0].items if item.name == PALACE)
    assert palace.cost_cny == 80
    assert palace.evidence == ("look0", f"ticket-{PALACE}-{SATURDAY}")
    assert [(line.name, line.amount_cny) for line in plan.budget.lines] == [
        ("门票", 220),
        ("住宿", 500),
        ("餐饮", 600),
        ("交通", 72),
    ]
    assert plan.budget.total_cny == 1392
    assert all(line.evidence for line in plan.budget.lines)


def test_the_ticket_office_is_believed_before_the_price_list_but_only_for_this_party() -> None:
    asked: dict[str, JsonValue] = {"name": PALACE, "date": str(SATURDAY), "adults": 2, "child_ages": [5]}
    told = learn(FACTS, "ticket_availability", asked, {"available": True, "total_cny": 77}, "office")
    assert compose(TASK, only(PALACE), told).budget.lines[0].amount_cny == 77
    other = learn(FACTS, "ticket_availability", asked | {"adults": 1}, {"available": True, "total_cny": 77}, "office")
    assert compose(TASK, only(PALACE), other).budget.lines[0].amount_cny == 80


@pytest.mark.parametrize(("mode", "fares"), [("地铁", 2), ("打车", 1), ("步行", 2)])
def test_public_transport_costs_by_the_head_and_a_car_by_the_car(mode: str, fares: int) -> None:
    value: JsonValue = {"minutes": 20, "mode": mode, "cost_cny": 6}
    known = learn(FACTS, "transfer_estimate", {"origin": INN, "destination": PALACE}, value, "ride")
    (day,) = schedule(TASK, only(PALACE), known)
    assert day.items[0].cost_cny == 6 * fares


def test_a_large_party_needs_more_rooms_and_is_told_so() -> None:
    family = TASK.model_copy(update={"party": Party(adults=4, children=(5,))})
    plan = compose(family, CHOICES, FACTS)
    assert plan.hotel is not None
    assert plan.hotel.price_per_night_cny == 1000
    assert "住宿按2间房计价。" in plan.notes


def test_a_trip_of_one_day_needs_no_hotel() -> None:
    plan = compose(TASK.model_copy(update={"days": 1}), only(PALACE), FACTS)
    assert plan.hotel is None
    assert plan.days[0].items[0].name == PALACE


@pytest.mark.parametrize("asked", ["故宫", " 故宫博物院 ", "紫禁城"])
def test_a_place_is_known_by_all_its_names(asked: str) -> None:
    assert FACTS.canonical(asked) == PALACE


def test_facts_survive_the_way_through_a_message() -> None:
    assert Facts.model_validate_json(FACTS.model_dump_json()) == FACTS


NAMES = [str(row["name"]) for row in ATTRACTIONS]
KNOWN = {minutes: facts(transfer_min=minutes) for minutes in (0, 7, 45, 130)}
MEALS = [None, DUCK, NOODLES, DUMPLINGS, HOTPOT]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.sampled_from(NAMES), max_size=4, unique=True),
    st.sampled_from(MEALS),
    st.sampled_from(MEALS),
    st.sampled_from(sorted(KNOWN)),
)
def test_whatever_is_chosen_is_kept_in_order_and_never_overlaps(
    chosen: list[str], lunch: str | None, dinner: str | None, minutes: int
) -> None:
    choices = Choices(
        days=(
            DayChoice(date=SATURDAY, visits=tuple(chosen), lunch=lunch, dinner=dinner),
            DayChoice(date=SUNDAY, visits=tuple(chosen[::-1]), lunch=dinner, dinner=lunch),
        ),
        hotel=INN,
    )
    first, second = schedule(TASK, choices, KNOWN[minutes])
    assert visits(first) == chosen
    assert visits(second) == chosen[::-1]
    assert {item.name for item in first.items if item.kind == "meal"} == {lunch, dinner} - {None}
    for day in (first, second):
        assert all(earlier.end <= later.start for earlier, later in pairwise(day.items))
