"""A scene seen as a trip: the task, the facts with evidence, and the choices, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from pydantic import JsonValue

from agents.messages import Fact, Failure, JsonObject, Scene
from scenarios.travel.choices import Choices, DayChoice
from scenarios.travel.facts import AttractionFact, Facts
from scenarios.travel.itinerary import TripTask
from scenarios.travel.learn import LESSONS, learn

HOTEL, MEALS = "hotel", "meals"
"""The keys of these choices."""

UNAVAILABLE = {"sold_out": "已售罄", "closed": "不开放"}
"""What a ticket office's final answers mean."""

CALM = ("别太赶", "不要太赶", "不赶", "轻松", "慢一点", "慢慢", "怕累", "悠闲", "休闲")
"""Words for a calm pace."""

MANY, FEW = 3, 2
"""Visits in a day at most; at a calm pace or with a small child."""
SMALL_CHILD = 6


def day_key(day: date) -> str:
    """The key of the choice of a day's visits."""
    return f"day:{day.isoformat()}"


def place_key(name: str) -> str:
    """The key of the choice of a visit's day."""
    return f"place:{name}"


@dataclass(frozen=True)
class View:
    """A scene, read."""

    scene: Scene

    @cached_property
    def task(self) -> TripTask:
        """What was asked for."""
        return TripTask.model_validate(self.scene.task)

    @cached_property
    def dates(self) -> tuple[date, ...]:
        """The days of the trip."""
        return tuple(self.task.start_date + timedelta(days=number) for number in range(self.task.days))

    @cached_property
    def facts(self) -> Facts:
        """What the tools have said with evidence; tickets that were refused are facts too."""
        facts = Facts()
        for fact in self.scene.facts:
            if fact.evidence:
                facts = learn(facts, fact.tool, fact.arguments, fact.value, fact.evidence)
        for failure in self.scene.failures:
            if is_refusal(failure):
                facts = learn(facts, failure.tool, failure.arguments, _refused(failure), failure.evidence)
        return facts

    @cached_property
    def choices(self) -> Choices:
        """What was chosen so far."""
        meals = self._chosen(MEALS)
        days = [self._day(day, meals.get(day.isoformat())) for day in self.dates if day_key(day) in self.scene.choices]
        return Choices(days=tuple(days), hotel=_text(self._chosen(HOTEL).get("hotel")))

    @property
    def other_facts(self) -> list[Fact]:
        """What tools of the person's own have said."""
        return [fact for fact in self.scene.facts if fact.tool not in LESSONS and fact.evidence]

    @cached_property
    def wishes(self) -> tuple[str, ...]:
        """What was asked for beside, and what is remembered that the person likes."""
        remembered = [note.text for note in self.scene.memories.preferences]
        return tuple(dict.fromkeys([*self.task.wishes, *remembered]))

    @property
    def visits_a_day(self) -> int:
        """How many visits a day may have."""
        youngest = self.task.party.youngest
        is_calm = any(word in wish for word in CALM for wish in self.wishes)
        return FEW if is_calm or (youngest is not None and youngest <= SMALL_CHILD) else MANY

    @cached_property
    def alternatives(self) -> Mapping[str, str]:
        """By must-visit: what the plan takes when it cannot be visited."""
        planned = reversed(self.scene.subtasks)
        return {self.facts.canonical(one.about): one.alternative for one in planned if one.alternative}

    def visited(self, *, without: date | None = None) -> set[str]:
        """The names of all visits that are chosen, but for one day's."""
        return {name for day in self.choices.days if day.date != without for name in day.visits}

    def excluded(self, key: str) -> set[str]:
        """What the amendments exclude from a choice."""
        return {name for one in self.scene.amendments if one.decision == key for name in one.exclude}

    @cached_property
    def must(self) -> tuple[str, ...]:
        """The must-visits, by the catalogue's names as far as they are known."""
        return tuple(self.facts.canonical(name) for name in self.task.must_visit)

    @cached_property
    def lost(self) -> tuple[str, ...]:
        """The must-visits that no day of the trip allows, as far as is known."""
        return tuple(name for name in self.must if not any(self.can_visit(name, day) for day in self.dates))

    @cached_property
    def bound(self) -> tuple[str, ...]:
        """What the plan should contain: the must-visits, and the planned alternatives of those that are lost."""
        others = [self.facts.canonical(self.alternatives.get(name, "")) for name in self.lost]
        stand_ins = [name for name in others if any(self.can_visit(name, day) for day in self.dates)]
        kept = [name for name in self.must if name not in self.lost]
        return tuple(dict.fromkeys([*kept, *(name for name in stand_ins if name in self.facts.attractions)]))

    def visits(self, day: date) -> tuple[str, ...]:
        """The visits that are chosen for a day."""
        return next((choice.visits for choice in self.choices.days if choice.date == day), ())

    def required(self, day: date) -> list[str]:
        """What a day must contain: what it has of the bound visits and what an answer has put on it, where possible."""
        placed = [key.partition(":")[2] for key in self.scene.choices if key.startswith("place:")]
        wanted = [name for name in self.visits(day) if name in self.bound]
        wanted += [name for name in placed if self._chosen(place_key(name)).get("date") == day.isoformat()]
        taken = self.visited(without=day) | self.excluded(day_key(day))
        return [name for name in dict.fromkeys(wanted) if name not in taken and self.can_visit(name, day)]

    def can_visit(self, name: str, day: date) -> bool:
        """Whether nothing that is known speaks against a visit on that day."""
        opening, ticket = self.facts.opening(name, day), self.facts.ticket(name, day)
        return (opening is None or opening.open) and (ticket is None or ticket.available)

    def suits(self, fact: AttractionFact) -> bool:
        """Whether the place is for children as young as these."""
        youngest = self.task.party.youngest
        return youngest is None or fact.min_age is None or fact.min_age <= youngest

    def amended(self, *keys: str) -> list[str]:
        """What the amendments of these choices say."""
        return list(dict.fromkeys(one.text for one in self.scene.amendments if one.decision in keys))

    def _chosen(self, key: str) -> JsonObject:
        value = self.scene.choices.get(key)
        return value if isinstance(value, dict) else {}

    def _day(self, day: date, meals: JsonValue) -> DayChoice:
        visits = self._chosen(day_key(day)).get("visits")
        eaten = meals if isinstance(meals, dict) else {}
        return DayChoice(
            date=day,
            visits=tuple(str(name) for name in visits) if isinstance(visits, list) else (),
            lunch=_text(eaten.get("lunch")),
            dinner=_text(eaten.get("dinner")),
        )


def is_refusal(failure: Failure) -> bool:
    """Whether a ticket office has said a final no, with evidence."""
    is_ticket = failure.tool == "ticket_availability" and "date" in failure.arguments and "name" in failure.arguments
    return is_ticket and failure.code in UNAVAILABLE and bool(failure.evidence)


def _refused(failure: Failure) -> JsonValue:
    if isinstance(failure.value, dict) and failure.value.get("available") is False:
        return failure.value
    asked = {name: failure.arguments[name] for name in ("name", "date")}
    return {**asked, "available": False, "note": UNAVAILABLE[failure.code]}


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
