"""Opening days by season, weekday and public holiday, and what tickets cost on them."""

from __future__ import annotations

from datetime import date

import pytest

from tools.travel.catalogue import Catalogue
from tools.travel.opening import announced_years, calendar_note, day_type, next_open, opening
from tools.travel.places import Attraction
from tools.travel.tickets import TicketOffer, ticket_offer

TODAY = date(2026, 11, 20)
SUMMER, WINTER = date(2026, 7, 4), date(2026, 12, 5)


@pytest.fixture
def palace(catalogue: Catalogue) -> Attraction:
    return catalogue.attraction("故宫博物院")


@pytest.fixture
def park(catalogue: Catalogue) -> Attraction:
    return catalogue.attraction("天坛公园")


@pytest.fixture
def science(catalogue: Catalogue) -> Attraction:
    return catalogue.attraction("中国科学技术馆")


@pytest.mark.parametrize(
    ("day", "kind", "holiday"),
    [
        (date(2026, 12, 3), "workday", None),
        (date(2026, 12, 5), "weekend", None),
        (date(2026, 10, 5), "holiday", "国庆节"),
        (date(2026, 10, 10), "makeup_workday", "国庆节"),
        (date(2026, 2, 17), "holiday", "春节"),
    ],
)
def test_days_are_of_the_kind_that_the_public_calendar_says(day: date, kind: str, holiday: str | None) -> None:
    assert (day_type(day).kind, day_type(day).holiday) == (kind, holiday)


def test_beyond_the_announced_years_the_weekday_decides_and_a_note_says_so() -> None:
    beyond = date(announced_years()[-1] + 1, 1, 1)
    assert not day_type(beyond).is_announced and day_type(beyond).kind in ("workday", "weekend")
    note = calendar_note(date(2026, 12, 30), beyond)
    assert note is not None and str(beyond.year) in note and "2026" not in note
    assert calendar_note(WINTER, WINTER) is None


def test_hours_follow_the_season(palace: Attraction, science: Attraction) -> None:
    assert (opening(palace, SUMMER).hours, opening(palace, WINTER).hours) == ("08:30-17:00", "08:30-16:30")
    assert opening(palace, WINTER).last_entry == "15:30"
    assert opening(science, WINTER).hours == "09:30-17:00"


def test_a_weekday_of_closing_is_closed(palace: Attraction) -> None:
    monday = opening(palace, date(2026, 12, 7))
    assert (monday.open, monday.hours, monday.reason, monday.weekday) == (False, None, "每周一闭馆", "周一")
    assert next_open(palace, date(2026, 12, 7)) == date(2026, 12, 8)


def test_a_holiday_on_a_weekday_of_closing_depends_on_the_place(palace: Attraction, science: Attraction) -> None:
    monday = date(2026, 10, 5)
    assert opening(palace, monday).open and opening(palace, monday).reason == "国庆节假期，周一照常开放"
    assert opening(science, monday).reason == "每周一闭馆，节假日也不开放"
    unsure = palace.model_copy(update={"open_on_holidays": None})
    assert opening(unsure, monday).reason == "每周一闭馆，国庆节是否开放不详"


def test_a_make_up_workday_is_named(park: Attraction) -> None:
    assert opening(park, date(2026, 10, 10)).reason == "国庆节调休上班日"


def test_unknown_hours_are_said_to_be_unknown(park: Attraction) -> None:
    unknown = park.model_copy(update={"hours_summer": None, "hours_winter": None})
    assert (opening(unknown, WINTER).open, opening(unknown, WINTER).reason) == (True, "开放时间不详")


def offer(place: Attraction, day: date, adults: int, *ages: int) -> TicketOffer:
    return ticket_offer(place, day, adults, ages, TODAY)


def test_adults_pay_the_price_of_the_season(palace: Attraction) -> None:
    assert offer(palace, SUMMER, 2).total_cny == 120 and offer(palace, WINTER, 2).total_cny == 80


def test_children_are_free_up_to_the_age_and_pay_their_price_above(palace: Attraction) -> None:
    got = offer(palace, WINTER, 2, 6, 10)
    assert [(line.name, line.quantity, line.amount_cny) for line in got.lines] == [
        ("成人票", 2, 80),
        ("儿童票", 1, 20),
        ("儿童免票", 1, 0),
    ]
    assert got.total_cny == 100 and got.note is not None and "身高不超过120厘米的儿童免票" in got.note


def test_a_child_is_free_when_its_usual_height_is_clearly_below_the_limit(park: Attraction) -> None:
    free = offer(park, WINTER, 1, 5)
    assert free.total_cny == 10 and free.note is not None and "按常见身高不超过120厘米估计" in free.note
    paying = offer(park, WINTER, 1, 7)
    assert paying.total_cny == 20 and paying.note is not None and "儿童票价不详，按成人票计算" in paying.note


def test_an_unknown_price_has_no_total(science: Attraction) -> None:
    got = offer(science, WINTER, 2, 5)
    assert got.available and got.total_cny is None and got.lines == [] and got.note == "票价不详"
    assert got.needs_booking is None


def test_a_closed_day_has_no_tickets_and_names_the_next_open_day(palace: Attraction) -> None:
    got = offer(palace, date(2026, 12, 7), 2)
    assert not got.available and got.total_cny is None and got.reason == "每周一闭馆"
    assert got.next_open == date(2026, 12, 8)


@pytest.mark.parametrize(
    ("today", "note"),
    [
        (date(2026, 11, 20), "须提前预约，2026-11-28起可约"),
        (date(2026, 11, 28), "须提前预约，现已可约"),
        (date(2027, 1, 1), "须提前预约，现已可约；该日期已过，按现行规则估算"),
    ],
)
def test_the_booking_window_is_told(palace: Attraction, today: date, note: str) -> None:
    got = ticket_offer(palace, WINTER, 1, [], today)
    assert got.booking_opens == date(2026, 11, 28) and got.needs_booking and got.note == note


def test_without_booking_nothing_is_said_of_it(park: Attraction) -> None:
    got = offer(park, WINTER, 1)
    assert (got.needs_booking, got.booking_opens, got.note) == (False, None, None)
