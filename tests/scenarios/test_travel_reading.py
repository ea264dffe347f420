from __future__ import annotations

from datetime import date

import pytest

from agents.messages import JsonObject, Request
from runtime.errors import UsageError
from scenarios.travel.dates import read_day
from scenarios.travel.domain import DATA
from scenarios.travel.reading import Reader
from scenarios.travel.said import counted, is_age_said, is_length_said, is_said, mentioned, numbers_said, value
from tools.travel.catalogue import load_catalogue

TODAY = date(2026, 11, 23)
CATALOGUE = load_catalogue(DATA)
READER = Reader(CATALOGUE)

FAMILY = (
    "我们一家三口（孩子5岁）12月5日到北京玩3天，预算5000元，"
    "想去故宫和中国科学技术馆，住东城区，酒店要有家庭房，别太赶。"
)
READ: JsonObject = {
    "destination": "北京",
    "days": 3,
    "budget_cny": 5000,
    "people": 3,
    "child_ages": [5],
    "start_date": "12月5日",
    "must_visit": ["故宫", "中国科学技术馆"],
    "hotel_district": "东城区",
    "wishes": ["家庭房", "别太赶"],
}


def missing(changes: JsonObject, text: str = FAMILY, inputs: JsonObject | None = None) -> list[str]:
    reading = READER.read(READ | changes, Request(text=text, inputs=inputs or {}), TODAY)
    return [question.field for question in reading.missing]


def task(changes: JsonObject, text: str = FAMILY, inputs: JsonObject | None = None) -> JsonObject:
    reading = READER.read(READ | changes, Request(text=text, inputs=inputs or {}), TODAY)
    assert reading.task is not None
    return reading.task


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026年12月5日", date(2026, 12, 5)),
        ("2027-1-2", date(2027, 1, 2)),
        ("12月5日", date(2026, 12, 5)),
        ("3月1号", date(2027, 3, 1)),
        ("11月23日", TODAY),
        ("2月29日", date(2028, 2, 29)),
        ("12/24", date(2026, 12, 24)),
        ("明天", date(2026, 11, 24)),
        ("大后天", date(2026, 11, 26)),
        ("周六", date(2026, 11, 28)),
        ("下周六", date(2026, 12, 5)),
        ("星期天", date(2026, 11, 29)),
        ("13月40日", None),
        ("2026年2月30日", None),
        ("年底", None),
    ],
)
def test_a_day_is_read_and_its_year_comes_from_today(text: str, day: date | None) -> None:
    assert read_day(text, TODAY) == day


def test_the_headline_request_becomes_the_expected_task() -> None:
    assert task({}) == {
        "destination": "北京",
        "days": 3,
        "budget_cny": 5000,
        "party": {"adults": 2, "children": [5]},
        "must_visit": ["故宫博物院", "中国科学技术馆"],
        "start_date": "2026-12-05",
        "hotel_district": "东城区",
        "wishes": ["家庭房", "别太赶"],
    }


def test_what_the_request_does_not_say_is_asked_whatever_the_model_has_made_up() -> None:
    made_up: JsonObject = {"must_visit": [], "hotel_district": None, "wishes": []}
    assert missing(made_up, "想去北京玩，带一个女儿。") == ["days", "budget_cny", "people", "child_ages", "start_date"]


def test_unsaid_places_and_wishes_are_left_out() -> None:
    read = task({"must_visit": ["故宫", "颐和园"], "wishes": ["含早餐", "别太赶"], "hotel_district": "朝阳区"})
    assert read["must_visit"] == ["故宫博物院"]
    assert read["wishes"] == ["别太赶"]
    assert read["hotel_district"] is None


def test_given_inputs_win_and_are_not_asked_for() -> None:
    assert missing({"budget_cny": None}, FAMILY, {"budget_cny": 3000}) == []
    assert task({}, FAMILY, {"budget_cny": 3000})["budget_cny"] == 3000
    assert task({}, FAMILY, {"adults": 1, "child_ages": [5, 8]})["party"] == {"adults": 1, "children": [5, 8]}


def test_an_unknown_input_and_a_wrong_value_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="'budget'"):
        task({}, FAMILY, {"budget": 3000})
    with pytest.raises(UsageError, match="days: found -1"):
        task({}, FAMILY, {"days": -1})


def test_a_name_that_means_several_places_is_asked_unless_the_request_decides() -> None:
    text = FAMILY.replace("故宫", "长城")
    assert missing({"must_visit": ["长城"]}, text) == ["must_visit"]
    decided = text + "\n“长城”是哪一个？慕田峪长城"
    assert task({"must_visit": ["长城"]}, decided)["must_visit"] == ["慕田峪长城"]


def test_two_places_in_one_name_and_a_misspelling_are_put_right() -> None:
    text = FAMILY.replace("故宫和中国科学技术馆", "故官和北京动物园")
    read = task({"must_visit": ["故官和北京动物园", "故官"]}, text)
    assert read["must_visit"] == ["北京动物园", "故宫博物院"]


def test_the_model_is_corrected_when_the_head_count_contradicts_the_text() -> None:
    decision = READER.perceiving(Request(text=FAMILY))
    assert decision.faults(READ) == []
    assert decision.faults(READ | {"people": 2}) == ["people 应为 3：原文说的是3人"]


def test_places_that_the_request_names_are_shown_to_the_model() -> None:
    assert READER.perceiving(Request(text=FAMILY)).values["places"] == "故宫、中国科学技术馆"
    assert mentioned("北京动物园和海洋馆", CATALOGUE) == ("北京动物园", "海洋馆")


@pytest.mark.parametrize(
    ("text", "people"),
    [("一家四口", 4), ("两个大人一个孩子", 3), ("两大一小", 3), ("我们5个人", 5), ("十二位", 12), ("我和女儿", None)],
)
def test_people_are_counted_as_the_request_counts_them(text: str, people: int | None) -> None:
    assert counted(text, 1) == people


def test_of_numbers_only_those_that_the_request_contains_can_be_read() -> None:
    properties = READER.perceiving(Request(text=FAMILY)).schema["properties"]
    assert isinstance(properties, dict)
    assert properties["days"] == {"enum": [3, None]}
    assert properties["budget_cny"] == {"enum": [5000, None]}
    assert properties["people"] == {"enum": [3, None]}
    assert properties["child_ages"] == {"type": "array", "items": {"enum": [5]}, "minItems": 0, "maxItems": 1}


def test_numbers_are_recognised_in_figures_and_in_numerals() -> None:
    assert numbers_said("五千块，1.2万，两千三百，十二") == (1, 2, 12, 2300, 5000, 12000)
    assert numbers_said("预算5,000元") == (5000,)
    assert [value(word) for word in ("五千二", "一万二", "三万五千", "二千零五", "二十", "一百零三", "40")] == [
        5200, 12000, 35000, 2005, 20, 103, 40,
    ]  # fmt: skip


def test_lengths_and_ages_are_recognised_by_their_units_or_as_bare_answers() -> None:
    assert is_length_said(2, "玩两天") and is_length_said(3, "玩几天？\n3") and is_length_said(3, "玩几天？3")
    assert not is_length_said(1, "一个女儿，玩3天") and not is_length_said(5, "12月5日，玩3天")
    assert is_age_said(5, "孩子5岁") and is_age_said(3, "孩子3、5岁") and is_age_said(8, "孩子几岁？8")
    assert is_age_said(3, "3岁和8岁") and is_age_said(5, "五岁") and not is_age_said(2, "两个大人，孩子5岁")


def test_words_are_recognised_whatever_their_spaces() -> None:
    assert is_said("科技 馆", "想去科技馆")
    assert not is_said("", "x")
