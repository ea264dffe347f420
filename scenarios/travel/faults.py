"""What can be wrong with a plan: the words that the checks and the repairs share."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from scenarios.travel.choices import Choices
from scenarios.travel.facts import WEEKDAYS, Facts
from scenarios.travel.itinerary import Day, Item, ItemKind, TripPlan, TripTask

FaultKind = Literal[
    "wrong_days",
    "missing_visit",
    "closed",
    "no_ticket",
    "overlap",
    "too_full",
    "late_day",
    "too_far",
    "no_transfer",
    "over_budget",
    "missing_hotel",
    "hotel_district",
    "hotel_family_room",
    "unsuitable_age",
    "repeated",
    "missing_meal",
    "no_evidence",
]


class Fault(BaseModel):
    """One thing that is wrong, and what to do about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: str
    """The name of the check that found it."""
    kind: FaultKind
    name: str | None = None
    """The attraction, restaurant or hotel to change; None when it is the whole day or trip."""
    date: datetime.date | None = None
    """The day to change; None when any day or the whole trip will do."""
    amount_cny: int | None = None
    """How much is too much."""
    detail: str
    """What was found, for the person."""
    instruction: str
    """What the planner should do."""
    is_fixable: bool = True
    """False when the facts show that no other choice can help."""


@dataclass(frozen=True)
class CheckLimits:
    """Where plausible ends; times in minutes."""

    transfer_min: int = 120
    """The longest way."""
    day_transfer_min: int = 240
    """All ways of one day."""
    small_child_age: int = 6
    """Up to this age a child is small."""
    small_child_day_min: int = 12 * 60
    """From setting out to the end of a day with a small child."""
    small_child_visits_min: int = 7 * 60
    """All visits of a day with a small child."""
    child_day_end: int = 20 * 60
    """When a day with children is over, in minutes from midnight."""
    lunch: tuple[int, int] = (11 * 60, 14 * 60)
    """When lunch may begin."""
    dinner: tuple[int, int] = (16 * 60 + 30, 19 * 60 + 30)
    """When dinner may begin."""
    meals_at_restaurant: int = 2
    """How often the same restaurant may be eaten at."""


@dataclass(frozen=True)
class Case:
    """A plan before the checks."""

    task: TripTask
    choices: Choices
    facts: Facts
    plan: TripPlan
    limits: CheckLimits

    def items(self, *kinds: ItemKind) -> Iterator[tuple[Day, Item]]:
        """All items of these kinds, with their days."""
        return ((day, item) for day in self.plan.days for item in day.items if item.kind in kinds)

    @property
    def has_small_child(self) -> bool:
        """Whether the youngest child is small."""
        youngest = self.task.party.youngest
        return youngest is not None and youngest <= self.limits.small_child_age


def day_name(day: datetime.date) -> str:
    """The day as people write it: 12月5日（周六）."""
    return f"{day.month}月{day.day}日（周{WEEKDAYS[day.weekday()]}）"
