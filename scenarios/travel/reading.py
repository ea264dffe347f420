"""From a request in free text to a trip's task: the model reads, this file holds the reading to the person's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from agents.domain import Decision, Reading
from agents.messages import JsonObject, Question, Request
from runtime.errors import UsageError
from scenarios.travel import schemas
from scenarios.travel.dates import read_day
from scenarios.travel.itinerary import TripTask
from scenarios.travel.said import counted, has_child, is_age_said, is_length_said, is_said, mentioned, numbers_said
from tools.travel.catalogue import Catalogue

QUESTIONS: Mapping[str, str] = {
    "destination": "想去哪个城市？",
    "days": "玩几天？",
    "budget_cny": "总预算多少元？",
    "people": "一共几个人去（大人加孩子）？",
    "child_ages": "孩子几岁？",
    "start_date": "几月几日出发？",
}
"""What is asked when it is missing."""

GIVEN = (*TripTask.model_fields, "people", "adults", "child_ages")
"""The inputs that a request may give outright."""

_SPLIT = re.compile(r"[、，,;；/和与及]")


class Perceived(BaseModel):
    """What the model has read, field by field; nothing of it is trusted yet."""

    model_config = ConfigDict(extra="forbid")

    destination: str | None
    days: int | None
    budget_cny: int | None
    people: int | None
    child_ages: list[int]
    start_date: str | None
    must_visit: list[str]
    hotel_district: str | None
    wishes: list[str]


LONGEST_DAYS, OLDEST_CHILD, LEAST_BUDGET = 30, 17, 100


@dataclass(frozen=True)
class Reader:
    """Reads requests about trips to one city."""

    catalogue: Catalogue

    def perceiving(self, request: Request) -> Decision:
        """The decision that reads the request."""
        places = "、".join(mentioned(request.text, self.catalogue)) or "无"
        return Decision(
            key="perceive",
            prompt="perceive",
            values={"request": request.text.strip(), "places": places},
            schema=_schema(request.text),
            faults=lambda answer: _faults(answer, request.text),
            max_tokens=300,
            temperature=0.0,
        )

    def read(self, answer: JsonObject, request: Request, today: date) -> Reading:
        """The task; or the questions for what the request does not say and needs to.

        Raises:
            UsageError: a given input is none that a trip has, or has a wrong value.
        """
        said = self._said(Perceived.model_validate(answer), request.text, today) | _given(request.inputs)
        missing = [Question(field=name, text=text) for name, text in QUESTIONS.items() if name not in said]
        places = said.get("must_visit", [])
        resolved, unclear = self._resolved(_texts(places), request.text)
        if missing or unclear:
            return Reading(None, (*missing, *unclear))
        said["must_visit"] = [*resolved]
        return Reading(_task(said).model_dump(mode="json"))

    def _said(self, perceived: Perceived, request: str, today: date) -> JsonObject:
        """What the model has read and the request contains; what it does not contain counts as not said."""
        said: JsonObject = {}
        if perceived.destination and is_said(perceived.destination.removesuffix("市"), request):
            said["destination"] = perceived.destination.removesuffix("市")
        if perceived.hotel_district and is_said(perceived.hotel_district.removesuffix("区"), request):
            said["hotel_district"] = self.catalogue.match_district(perceived.hotel_district).used
        if perceived.days is not None and is_length_said(perceived.days, request):
            said["days"] = perceived.days
        if perceived.budget_cny is not None and perceived.budget_cny in numbers_said(request):
            said["budget_cny"] = perceived.budget_cny
        start = read_day(perceived.start_date or "", today)
        if start is not None and is_said(perceived.start_date or "", request):
            said["start_date"] = start.isoformat()
        places = [name for name in perceived.must_visit if is_said(name, request)]
        said["must_visit"] = [name for name in places if name != said.get("destination")]
        inside = "|".join(mentioned(request, self.catalogue))
        said["wishes"] = [wish for wish in perceived.wishes if is_said(wish, request) and wish not in inside]
        return said | _party(perceived, request)

    def _resolved(self, names: list[str], request: str) -> tuple[list[str], list[Question]]:
        """The catalogue's names for the places, each once; questions where a name may mean several."""
        resolved: list[str] = []
        unclear: list[Question] = []
        for name in (part for place in names for part in self._parts(place)):
            match = self.catalogue.match_attraction(name)
            chosen = match.used or self._chosen(match.candidates, request)
            if chosen is None and len(match.candidates) > 1:
                unclear.append(Question(field="must_visit", text=f"“{name}”是哪一个：{'、'.join(match.candidates)}？"))
            resolved.append(chosen or name)
        return list(dict.fromkeys(resolved)), unclear

    def _parts(self, name: str) -> tuple[str, ...]:
        """The places in a text that may name several: 天坛和颐和园."""
        if self.catalogue.match_attraction(name).used:
            return (name,)
        parts = mentioned(name, self.catalogue) or tuple(part for part in _SPLIT.split(name) if len(part) > 1)
        return parts or ((name,) if len(name) > 1 else ())

    def _chosen(self, candidates: tuple[str, ...], request: str) -> str | None:
        """The one candidate that the request names elsewhere."""
        named = {self.catalogue.match_attraction(word).used for word in mentioned(request, self.catalogue)}
        chosen = [name for name in candidates if name in named]
        return chosen[0] if len(chosen) == 1 else None


def _party(perceived: Perceived, request: str) -> JsonObject:
    """Who travels, as far as the request says it."""
    ages = [age for age in perceived.child_ages if is_age_said(age, request)]
    party: JsonObject = {"child_ages": [*ages]} if ages or not has_child(request) else {}
    if perceived.people is not None and perceived.people == counted(request, len(ages)):
        party["people"] = perceived.people
    return party


def _schema(request: str) -> JsonObject:
    """What can be read out of the request: of numbers only those that it contains."""
    days = [days for days in range(1, LONGEST_DAYS + 1) if is_length_said(days, request)]
    budgets = [number for number in numbers_said(request) if number >= LEAST_BUDGET]
    ages = [age for age in range(OLDEST_CHILD + 1) if is_age_said(age, request)]
    people = [counted(request, children) for children in range(len(ages) + 1)]
    return schemas.closed(
        {
            "destination": schemas.optional(schemas.text()),
            "days": schemas.one_of([*days, None]),
            "budget_cny": schemas.one_of([*budgets, None]),
            "people": schemas.one_of([*people, None]),
            "child_ages": schemas.listed(schemas.one_of([*ages]) if ages else {}, 0, len(ages)),
            "start_date": schemas.optional(schemas.text()),
            "must_visit": schemas.listed(schemas.text(), 0, 8),
            "hotel_district": schemas.optional(schemas.text()),
            "wishes": schemas.listed(schemas.text(), 0, 5),
        }
    )


def _faults(answer: JsonObject, request: str) -> list[str]:
    """Where the reading contradicts the request's own words."""
    perceived = Perceived.model_validate(answer)
    unsaid = [age for age in perceived.child_ages if not is_age_said(age, request)]
    faults = [f"child_ages 里的 {age} 不是原文说的年龄，去掉" for age in dict.fromkeys(unsaid)]
    people = counted(request, len(perceived.child_ages) - len(unsaid))
    if people is not None and perceived.people != people:
        faults.append(f"people 应为 {people}：原文说的是{people}人")
    return faults


def _given(inputs: JsonObject) -> JsonObject:
    unknown = [name for name in inputs if name not in GIVEN]
    if unknown:
        raise UsageError(f"inputs: found {unknown[0]!r}, expected one of {', '.join(GIVEN)}")
    given = dict(inputs)
    party = given.pop("party", None)
    if isinstance(party, dict):
        given |= {"adults": party.get("adults"), "child_ages": party.get("children", [])}
    adults, ages = given.pop("adults", None), given.get("child_ages")
    if isinstance(adults, int):
        given["people"] = adults + (len(ages) if isinstance(ages, list) else 0)
    return given


def _texts(value: JsonValue) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _task(said: JsonObject) -> TripTask:
    ages = said["child_ages"] if isinstance(said["child_ages"], list) else []
    people = said["people"] if isinstance(said["people"], int) else 0
    fields = {name: said.get(name) for name in TripTask.model_fields if name in said}
    try:
        return TripTask.model_validate({**fields, "party": {"adults": people - len(ages), "children": ages}})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"the trip's {place}: found {first['input']!r}, expected: {first['msg']}") from error
