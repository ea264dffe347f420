"""How tasks, facts and plans are told to a model: as short as they can be."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date

from scenarios.travel.facts import WEEKDAYS, AttractionFact, HotelFact, RestaurantFact
from scenarios.travel.itinerary import TripPlan, TripTask
from scenarios.travel.view import View

NOTE_LENGTH = 60
"""Characters of a remembered note in a prompt."""


def brief(task: TripTask) -> str:
    """The task in one line."""
    ages = "、".join(f"{age}岁" for age in task.party.children)
    parts = [
        f"{task.destination}{task.days}天",
        f"{short_day(task.start_date)}出发",
        f"{task.party.adults}大" + (f"{len(task.party.children)}小（{ages}）" if ages else ""),
        f"预算{task.budget_cny}元",
        f"必去：{'、'.join(task.must_visit)}" if task.must_visit else "",
        f"住{task.hotel_district}" if task.hotel_district else "",
        *task.wishes,
    ]
    return "，".join(part for part in parts if part)


def short_day(day: date) -> str:
    """12月5日周六."""
    return f"{day.month}月{day.day}日周{WEEKDAYS[day.weekday()]}"


def known(view: View, *, failures: bool = False) -> str:
    """What is remembered and what a person's own tools have said, and what has failed; 无 when there is nothing."""
    memories = view.scene.memories
    lines = [f"偏好：{_cut(note.text)}" for note in memories.preferences]
    lines += [f"上次：{_cut(note.text)}" for note in memories.episodes[:1]]
    lines += [f"知识：{_cut(note.text)}" for note in memories.knowledge[:2]]
    lines += [f"{fact.tool}：{_cut(json.dumps(fact.value, ensure_ascii=False))}" for fact in view.other_facts]
    if failures:
        lines += [f"失败：{one.tool} {one.arguments.get('name', '')} {one.code}" for one in view.scene.failures]
    return "\n".join(dict.fromkeys(lines)) or "无"


def sight_line(view: View, fact: AttractionFact) -> str:
    """An attraction among others to choose from."""
    parts = [fact.name, fact.district or "", f"{(fact.visit_min or 120) / 60:g}小时"]
    if fact.name in view.task.must_visit:
        parts.append("必去")
    parts += [f"代替{place}" for place, other in sorted(view.alternatives.items()) if other == fact.name]
    return " ".join(part for part in parts if part)


def hotel_line(fact: HotelFact) -> str:
    """A hotel among others."""
    room = "有家庭房" if fact.family_room else "无家庭房" if fact.family_room is False else ""
    rating = f"{fact.rating}分" if fact.rating else ""
    return " ".join(part for part in (fact.name, fact.district or "", f"{fact.price_cny}元", room, rating) if part)


def meal_line(facts: Iterable[RestaurantFact]) -> str:
    """Restaurants in one line."""
    return "、".join(f"{fact.name} {fact.price_per_person_cny}元" for fact in facts)


def plan_lines(plan: TripPlan) -> str:
    """A plan, a line a day."""
    lines = [
        f"{short_day(day.date)}：{_day_line([item.name for item in day.items if item.kind in ('visit', 'meal')])}"
        for day in plan.days
    ]
    hotel = [f"酒店：{plan.hotel.name} {plan.hotel.price_per_night_cny}元/晚"] if plan.hotel else []
    return "\n".join([*lines, *hotel, f"总价：{plan.budget.total_cny}元"])


def _day_line(names: Iterable[str]) -> str:
    return " → ".join(names)


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= NOTE_LENGTH else plain[: NOTE_LENGTH - 1] + "…"
