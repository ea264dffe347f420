"""Which visits fit into one day, roughly: so that nobody is offered what the clock cannot bear.

Rough on purpose (ways by distance, one hour for lunch); the scheduler computes the day, and the checks judge it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from scenarios.travel.facts import AttractionFact
from scenarios.travel.geography import nominal_minutes
from scenarios.travel.schedule import NAP_MIN
from scenarios.travel.timing import LUNCH, MEAL_MIN, VISIT_FROM, VISIT_MIN
from scenarios.travel.view import SMALL_CHILD, View

DAY_END = 17 * 60 + 30
"""Visits are over by then, in minutes from midnight: dinner and the way back follow."""
LUNCH_BY = LUNCH[1] + 20
"""Lunch begins by then, with a little grace."""
OVER_NOON_MIN = 300
"""A longer visit leaves no time for lunch before or after it."""
EATING_PLACE = "restaurant"
"""The facility of places that one can eat in."""


def fits(view: View, day: date, facts: Sequence[AttractionFact]) -> bool:
    """Whether the visits, in this order, end before closing and before evening, with lunch at noon somewhere between.

    A visit that lasts over noon where one can eat needs no lunch beside it.
    """
    if any(eats_inside(fact) for fact in facts):
        return _fits(view, day, facts, lunch_after=None)
    return any(_fits(view, day, facts, lunch_after=place) for place in range(len(facts) + 1))


def _fits(view: View, day: date, facts: Sequence[AttractionFact], lunch_after: int | None) -> bool:
    """The same with lunch after so many visits."""
    free = VISIT_FROM
    for place, fact in enumerate(facts):
        if place == lunch_after:
            if free > LUNCH_BY:
                return False
            free = max(free, LUNCH[0]) + _pause(view)
        free += nominal_minutes(facts[place - 1], fact) if place else 0
        start, free = _times(view, fact, day, free)
        if free > DAY_END or not _is_open(view, fact, day, start, free):
            return False
    return lunch_after != len(facts) or free <= LUNCH_BY


def length(fact: AttractionFact) -> int:
    """How long a visit takes, in minutes."""
    return fact.visit_min or VISIT_MIN


def eats_inside(fact: AttractionFact) -> bool:
    """Whether a visit lasts over noon and one can eat there."""
    return length(fact) > OVER_NOON_MIN and EATING_PLACE in fact.family_facilities


def _pause(view: View) -> int:
    youngest = view.task.party.youngest
    return MEAL_MIN + (NAP_MIN if youngest is not None and youngest <= SMALL_CHILD else 0)


def _times(view: View, fact: AttractionFact, day: date, free: int) -> tuple[int, int]:
    """From when to when, at the earliest."""
    opening = view.facts.opening(fact.name, day)
    spans = opening.spans if opening is not None else ()
    start = min((max(free, opens) for opens, closes in spans if free < closes), default=free)
    return start, start + length(fact)


def _is_open(view: View, fact: AttractionFact, day: date, start: int, end: int) -> bool:
    opening = view.facts.opening(fact.name, day)
    if opening is None or not opening.spans:
        return True
    last = fact.last_entry_min or 0
    return any(opens <= start <= closes - last and end <= closes for opens, closes in opening.spans)
