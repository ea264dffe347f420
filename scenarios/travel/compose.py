"""Composes the plan from the choices and the facts; the only maker of a `TripPlan`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scenarios.travel import costs
from scenarios.travel.budget import budget, hotel_stay
from scenarios.travel.choices import Choices
from scenarios.travel.facts import Facts
from scenarios.travel.itinerary import Day, TripPlan, TripTask
from scenarios.travel.schedule import schedule


def compose(task: TripTask, choices: Choices, facts: Facts, notes: Sequence[str] = ()) -> TripPlan:
    """The plan: days with times, hotel, budget, and `notes` with what was left out because nobody has told of it."""
    days = schedule(task, choices, facts)
    hotel = hotel_stay(task, choices, facts)
    remarks = [*notes, *_booking(facts, days), *_left_out(choices, facts), *_unpriced(task, facts, days), *_rooms(task)]
    return TripPlan(days=days, hotel=hotel, budget=budget(days, hotel), notes=tuple(dict.fromkeys(remarks)))


def unknown_choices(choices: Choices, facts: Facts) -> Iterator[tuple[int | None, str]]:
    """What was chosen without a fact behind it, as (day from 0, name); the hotel has no day."""
    for number, day in enumerate(choices.days):
        yield from ((number, name) for name in day.visits if facts.attraction(name) is None)
        meals = [name for name in (day.lunch, day.dinner) if name is not None]
        yield from ((number, name) for name in meals if facts.restaurant(name) is None)
    if choices.hotel is not None and facts.hotel(choices.hotel) is None:
        yield None, choices.hotel


def _left_out(choices: Choices, facts: Facts) -> Iterator[str]:
    for day, name in unknown_choices(choices, facts):
        where = "" if day is None else f"第{day + 1}天的"
        yield f"{where}“{name}”没有查到依据，未写入行程。"


def _booking(facts: Facts, days: Sequence[Day]) -> Iterator[str]:
    for day in days:
        for item in day.items:
            ticket = facts.ticket(item.name, day.date) if item.kind == "visit" else None
            if ticket is not None and ticket.available and ticket.note:
                yield f"{item.name}：{ticket.note}。"


def _unpriced(task: TripTask, facts: Facts, days: Sequence[Day]) -> Iterator[str]:
    for day in days:
        for item in day.items:
            if not costs.has_price(item, facts, task.party, day.date):
                yield f"“{item.name}”的价格没有查到，未计入预算。"


def _rooms(task: TripTask) -> Iterator[str]:
    if task.nights and costs.rooms(task.party) > 1:
        yield f"住宿按{costs.rooms(task.party)}间房计价。"
