"""Checks of how the days run: their number, their times, the ways, the meals, and what children can bear."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise

from scenarios.travel.facts import AttractionFact
from scenarios.travel.faults import Case, Fault, FaultKind, day_name
from scenarios.travel.itinerary import Day, Item, clock_time, minutes_of

MADE_FOR_CHILDREN = frozenset({"zoo", "science", "theme_park", "park", "garden", "nature"})
"""Categories that suit a small child without any special facility."""
AFTERNOON = 15 * 60
"""A single meal that begins earlier is lunch, one that begins later is dinner."""


def wrong_days(case: Case) -> Iterator[Fault]:
    """The plan has other days than were asked for, or a day without a visit."""
    asked = [case.task.start_date + timedelta(days=number) for number in range(case.task.days)]
    planned = {day.date: day for day in case.plan.days}
    for day in asked:
        if day not in planned:
            yield _fault(
                "days_match", "wrong_days", day, None, f"{day_name(day)}没有安排", f"为{day_name(day)}选择景点。"
            )
        elif not any(item.kind == "visit" for item in planned[day].items):
            advice = f"为{day_name(day)}至少选择一个景点。"
            yield _fault("days_match", "wrong_days", day, None, f"{day_name(day)}没有景点", advice)
    for day in sorted(planned.keys() - set(asked)):
        yield _fault("days_match", "wrong_days", day, None, f"{day_name(day)}不在行程内", f"去掉{day_name(day)}。")
    if [day.date for day in case.plan.days] != sorted(planned):
        yield _fault("days_match", "wrong_days", None, None, "日期的顺序不对或有重复", "按日期排列，每天一次。")


def _fault(check: str, kind: FaultKind, day: date | None, name: str | None, detail: str, instruction: str) -> Fault:
    return Fault(check=check, kind=kind, name=name, date=day, detail=detail, instruction=instruction)


def overlaps(case: Case) -> Iterator[Fault]:
    """Two things at once, or a day that is longer than a day."""
    for day in case.plan.days:
        for first, second in pairwise(day.items):
            if minutes_of(second.start) < minutes_of(first.end):
                detail = f"{day_name(day.date)}“{second.name}”{second.start}开始，“{first.name}”{first.end}才结束"
                advice = f"{day_name(day.date)}“{first.name}”和“{second.name}”重叠：去掉一个或错开。"
                yield _fault("no_overlap", "overlap", day.date, second.name, detail, advice)
        if _end(day) > 24 * 60:
            detail = f"{day_name(day.date)}的安排到{clock_time(_end(day))}才结束，超过一天"
            yield _fault("no_overlap", "too_full", day.date, _last_visit(day), detail, _fewer(day))


def bad_transfers(case: Case) -> Iterator[Fault]:
    """A way that nobody has told, that is given too little time, or that takes too long."""
    for day in case.plan.days:
        for origin, destination, item in _ways(case, day):
            yield from _bad_way(case, day, origin, destination, item)
        total = sum(_length(item) for item in day.items if item.kind == "transfer")
        if total > case.limits.day_transfer_min:
            detail = f"{day_name(day.date)}路上共{total}分钟，超过{case.limits.day_transfer_min}分钟"
            advice = f"{day_name(day.date)}的景点离得太远：换成彼此更近的。"
            yield _fault("plausible_transfers", "too_far", day.date, _last_visit(day), detail, advice)


def transfers_plausible(case: Case) -> str:
    """The longest way of the trip."""
    longest = max((_length(item) for _, item in case.items("transfer")), default=0)
    return f"各段交通都有依据，最长一段{longest}分钟。"


def _ways(case: Case, day: Day) -> Iterator[tuple[str, str, Item | None]]:
    """From place to place, with the transfer in between; from the hotel, and back to it on all days but the last."""
    origin = case.plan.hotel.name if case.plan.hotel else None
    way: Item | None = None
    for item in day.items:
        if item.kind == "transfer":
            way = item
        elif item.kind in ("visit", "meal"):
            if origin is not None and origin != item.name:
                yield origin, item.name, way
            origin, way = item.name, None
    if case.plan.hotel and origin and day != case.plan.days[-1] and origin != case.plan.hotel.name:
        yield origin, case.plan.hotel.name, way


def _bad_way(case: Case, day: Day, origin: str, destination: str, item: Item | None) -> Iterator[Fault]:
    told = case.facts.transfer(origin, destination)
    way = f"{day_name(day.date)}“{origin}”到“{destination}”"
    if told is None or item is None:
        advice = f"用 transfer_estimate 查询“{origin}”到“{destination}”。"
        yield _fault("plausible_transfers", "no_transfer", day.date, destination, f"{way}的交通没有依据", advice)
    elif _length(item) < told.minutes:
        detail = f"{way}要{told.minutes}分钟，只留了{_length(item)}分钟"
        advice = f"{way}要留出{told.minutes}分钟。"
        yield _fault("plausible_transfers", "no_transfer", day.date, destination, detail, advice)
    elif told.minutes > case.limits.transfer_min:
        detail = f"{way}要{told.minutes}分钟，超过{case.limits.transfer_min}分钟"
        advice = f"{way}太远：换一个更近的，或单独安排一天。"
        yield _fault("plausible_transfers", "too_far", day.date, destination, detail, advice)


def missing_meals(case: Case) -> Iterator[Fault]:
    """A day without lunch, without dinner (but on the last day), or with one of them far too late or too early."""
    for day in case.plan.days:
        lunch, dinner = _meals(day)
        if lunch or not _eats_inside(case, day):
            yield from _meal_at(day, "午餐", lunch, case.limits.lunch)
        if dinner or day != case.plan.days[-1]:
            yield from _meal_at(day, "晚餐", dinner, case.limits.dinner)


def meals_kept(case: Case) -> str:
    """The meals, and where one is eaten without a restaurant of its own."""
    inside = [day_name(day.date) for day in case.plan.days if _meals(day)[0] is None and _eats_inside(case, day)]
    return "午餐和晚餐都按时安排" + (f"，{'、'.join(inside)}的午餐在景点内吃。" if inside else "。")


def _meals(day: Day) -> tuple[Item | None, Item | None]:
    """Lunch and dinner: the first and the last meal; a single one is either, by its hour."""
    meals = [item for item in day.items if item.kind == "meal"]
    if len(meals) == 1:
        return (meals[0], None) if minutes_of(meals[0].start) < AFTERNOON else (None, meals[0])
    return (meals[0], meals[-1]) if meals else (None, None)


def _eats_inside(case: Case, day: Day) -> bool:
    """Whether a visit that has a restaurant lasts over noon."""
    visits = [item for item in day.items if item.kind == "visit"]
    noon = [item for item in visits if minutes_of(item.start) <= 11 * 60 + 30 and minutes_of(item.end) >= 13 * 60]
    facts = [case.facts.attraction(item.name) for item in noon]
    return any(fact is not None and "restaurant" in fact.family_facilities for fact in facts)


def _meal_at(day: Day, meal: str, found: Item | None, span: tuple[int, int]) -> Iterator[Fault]:
    if found is None:
        advice = f"为{day_name(day.date)}选择一家吃{meal}的餐厅。"
        yield _fault("meals_present", "missing_meal", day.date, None, f"{day_name(day.date)}没有{meal}", advice)
    elif not span[0] <= minutes_of(found.start) <= span[1]:
        when = f"{clock_time(span[0])}–{clock_time(span[1])}"
        detail = f"{day_name(day.date)}{meal}{found.start}开始，应在{when}之间"
        before = _visit_before(day, found)
        advice = f"{meal}前的“{before}”太长：换一个短些的，或调整顺序，或在景点内用餐。" if before else _fewer(day)
        yield _fault("meals_present", "too_full", day.date, before, detail, advice)


def hard_on_children(case: Case) -> Iterator[Fault]:
    """A visit or a hotel that does not suit the children, or a day that is too long for them."""
    youngest = case.task.party.youngest
    if youngest is None:
        return
    yield from _unsuitable(case, youngest)
    yield from _no_family_room(case)
    for day in case.plan.days:
        yield from _tiring(case, day)
        yield from _without_facilities(case, day)


def good_for_children(case: Case) -> str:
    """For whom it was checked."""
    ages = "、".join(f"{age}岁" for age in case.task.party.children)
    return f"景点、酒店和每天的节奏适合{ages}的孩子。" if ages else "没有儿童同行。"


def _unsuitable(case: Case, youngest: int) -> Iterator[Fault]:
    for day, item in case.items("visit"):
        fact = case.facts.attraction(item.name)
        if fact is not None and fact.min_age is not None and fact.min_age > youngest:
            detail = f"“{item.name}”建议{fact.min_age}岁以上，孩子{youngest}岁"
            advice = f"把{day_name(day.date)}的“{item.name}”换成适合{youngest}岁孩子的景点。"
            yield _fault("child_friendly", "unsuitable_age", day.date, item.name, detail, advice)


def _no_family_room(case: Case) -> Iterator[Fault]:
    hotel = case.facts.hotel(case.plan.hotel.name) if case.plan.hotel else None
    if hotel is not None and hotel.family_room is False:
        advice = "换一家有家庭房的酒店（hotel_search 的 family_room=true）。"
        yield _fault("child_friendly", "hotel_family_room", None, hotel.name, f"“{hotel.name}”没有家庭房", advice)


def _tiring(case: Case, day: Day) -> Iterator[Fault]:
    if not day.items:
        return
    limits, end = case.limits, _end(day)
    if end > limits.child_day_end:
        detail = f"{day_name(day.date)}到{clock_time(end)}才结束，晚于{clock_time(limits.child_day_end)}"
        yield _fault("child_friendly", "late_day", day.date, _last_visit(day), detail, _fewer(day))
    if not case.has_small_child:
        return
    length = end - minutes_of(day.items[0].start)
    if length > limits.small_child_day_min:
        detail = f"{day_name(day.date)}全程{length / 60:.1f}小时，超过{limits.small_child_day_min // 60}小时"
        yield _fault("child_friendly", "too_full", day.date, _last_visit(day), detail, _fewer(day))
    visits = sum(_length(item) for item in day.items if item.kind == "visit")
    if visits > limits.small_child_visits_min:
        detail = f"{day_name(day.date)}参观共{visits / 60:.1f}小时，超过{limits.small_child_visits_min // 60}小时"
        yield _fault("child_friendly", "too_full", day.date, _last_visit(day), detail, _fewer(day))


def _without_facilities(case: Case, day: Day) -> Iterator[Fault]:
    known = [case.facts.attraction(item.name) for item in day.items if item.kind == "visit"]
    visited = [fact for fact in known if fact is not None]
    if case.has_small_child and visited and not any(_suits_small_children(fact) for fact in visited):
        detail = f"{day_name(day.date)}的景点都没有亲子设施"
        advice = f"{day_name(day.date)}换一个有亲子设施的景点（recommend_attractions）。"
        yield _fault("child_friendly", "unsuitable_age", day.date, visited[-1].name, detail, advice)


def _suits_small_children(fact: AttractionFact) -> bool:
    return bool(fact.family_facilities) or fact.category in MADE_FOR_CHILDREN


def _length(item: Item) -> int:
    return minutes_of(item.end) - minutes_of(item.start)


def _end(day: Day) -> int:
    return max((minutes_of(item.end) for item in day.items), default=0)


def _last_visit(day: Day) -> str | None:
    visits = [item.name for item in day.items if item.kind == "visit"]
    return visits[-1] if visits else None


def _visit_before(day: Day, meal: Item) -> str | None:
    before = [item.name for item in day.items[: day.items.index(meal)] if item.kind == "visit"]
    return before[-1] if before else None


def _fewer(day: Day) -> str:
    return f"{day_name(day.date)}太满：去掉一个景点，或换成用时更短、离得更近的。"
