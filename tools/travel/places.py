"""The places of a catalogue: one frozen row each, its cells checked when it is made.

Prices are whole CNY, times are local "HH:MM", coordinates are degrees (WGS-84). None means: not known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, JsonValue
from pydantic_core import PydanticCustomError

Category = Literal[
    "museum",
    "palace",
    "park",
    "garden",
    "zoo",
    "science",
    "theme_park",
    "temple",
    "street",
    "great_wall",
    "landmark",
    "show",
    "nature",
]

CATEGORIES: tuple[str, ...] = get_args(Category)

_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_DAY_MIN = 24 * 60


def _cell(parse: Callable[[str], Any], expected: str, *, is_optional: bool = False) -> BeforeValidator:
    """Reads one CSV cell; values that are not text (made in code) pass as they are."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        if is_optional and not value.strip():
            return None
        try:
            return parse(value.strip())
        except (ValueError, KeyError):
            allowed = f"{expected} or nothing" if is_optional else expected
            raise PydanticCustomError("cell", "expected {expected}", {"expected": allowed}) from None

    return BeforeValidator(read)


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    return parse


def _decimal(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        number = float(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    return parse


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


def _weekdays(text: str) -> tuple[int, ...]:
    return tuple(_whole(1, 7)(part) for part in _listed(text))


def _hours(text: str) -> str:
    return ";".join(_span(part) for part in _listed(text))


def _span(text: str) -> str:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    times = [int(part) for part in found.groups()]
    if any(hour * 60 + minute > _DAY_MIN or minute > 59 for hour, minute in (times[:2], times[2:])):
        raise ValueError(text)
    return "{:02}:{:02}-{:02}:{:02}".format(*times)


def _nonempty(text: str) -> str:
    if not text:
        raise ValueError(text)
    return text


def _category(text: str) -> str:
    if text not in CATEGORIES:
        raise ValueError(text)
    return text


_FLAGS = {"yes": True, "no": False}
_CNY, _MINUTES, _YEARS = _whole(0, 1_000_000), _whole(0, _DAY_MIN), _whole(0, 120)

Name = Annotated[str, _cell(_nonempty, "some text")]
Texts = Annotated[tuple[str, ...], _cell(_listed, "texts separated by ;")]
Latitude = Annotated[float, _cell(_decimal(-90, 90), "degrees north from -90 to 90")]
Longitude = Annotated[float, _cell(_decimal(-180, 180), "degrees east from -180 to 180")]
Hours = Annotated[str | None, _cell(_hours, 'hours such as "08:30-17:00"', is_optional=True)]
Weekdays = Annotated[tuple[int, ...], _cell(_weekdays, "weekdays from 1 (Monday) to 7, separated by ;")]
Cny = Annotated[int | None, _cell(_CNY, "a price in whole CNY", is_optional=True)]
KnownCny = Annotated[int, _cell(_CNY, "a price in whole CNY")]
Minutes = Annotated[int | None, _cell(_MINUTES, "minutes from 0 to 1440", is_optional=True)]
Years = Annotated[int | None, _cell(_YEARS, "an age in whole years", is_optional=True)]
Centimetres = Annotated[int | None, _cell(_whole(0, 250), "a height in cm from 0 to 250", is_optional=True)]
Days = Annotated[int | None, _cell(_whole(0, 365), "days from 0 to 365", is_optional=True)]
Flag = Annotated[bool | None, _cell(_FLAGS.__getitem__, "yes, no", is_optional=True)]
Stars = Annotated[int | None, _cell(_whole(0, 5), "stars from 0 to 5", is_optional=True)]
Rating = Annotated[float | None, _cell(_decimal(0, 5), "a rating from 0 to 5", is_optional=True)]
Kind = Annotated[Category, _cell(_category, f"one of {', '.join(CATEGORIES)}")]


class Place(BaseModel):
    """What every place has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Name
    """Unique in its file: a001, h001, r001 …"""
    name: Name
    """The name that tools, plans and pages use; unique in its file."""
    aliases: Texts
    """Other names, in any language."""
    district: Name
    lat: Latitude
    lon: Longitude
    source: Annotated[str, _cell(str, "text")]
    """Where the facts of the row come from."""

    def facts(self) -> dict[str, JsonValue]:
        """The row as JSON."""
        return self.model_dump(mode="json")


class Attraction(Place):
    """A sight."""

    category: Kind
    hours_summer: Hours
    """April to October."""
    hours_winter: Hours
    """November to March."""
    last_entry_min: Minutes
    """Minutes before closing at which the last visitors are let in."""
    closed_weekdays: Weekdays
    """ISO numbers: 1 is Monday."""
    open_on_holidays: Flag
    """Whether it opens on a weekday of closing that is a public holiday."""
    price_adult_cny: Cny
    """One adult, April to October; the whole year where no winter price is given."""
    price_adult_winter_cny: Cny
    """One adult, November to March."""
    price_child_cny: Cny
    """One child above the free limit."""
    child_free_height_cm: Centimetres
    """Children up to this height pay nothing."""
    child_free_age: Years
    """Children up to this age, in completed years, pay nothing."""
    visit_min: Minutes
    """How long a visit takes."""
    family_facilities: Texts
    min_age: Years
    """The youngest age that it is recommended for."""
    booking_days: Days
    """How many days ahead booking opens; 0 when no booking is needed."""
    indoor: Flag


class Hotel(Place):
    """A hotel."""

    stars: Stars
    price_cny: KnownCny
    """One room for one night."""
    family_room: Flag
    breakfast: Flag
    facilities: Texts
    rating: Rating


class Restaurant(Place):
    """A restaurant."""

    cuisine: Name
    hours: Hours
    """Every day that it is open; a span may end after midnight."""
    closed_weekdays: Weekdays
    price_per_person_cny: Cny
    facilities: Texts
    rating: Rating
