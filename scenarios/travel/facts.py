"""What the tools have returned so far, each fact with the ids of the steps that it came from.

The scheduler, the budget, the checks and the pages know the world through `Facts` alone: what is not in here is not
printed. Facts are immutable and JSON-able, so that they travel in messages and lie in the journal.
`scenarios/travel/learn.py` makes them from tool results.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from scenarios.travel.itinerary import Party, minutes_of

SUMMER_MONTHS = range(4, 11)
"""April to October: the months of `hours_summer` and `price_adult_cny`."""

WEEKDAYS = "一二三四五六日"


def _listed(value: object) -> object:
    """A list out of "a;b", a single number or nothing; a list stays one."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(";") if part.strip()]
    if value is None:
        return []
    return [value] if isinstance(value, int) else value


def _known(value: object) -> object:
    """None for an empty cell."""
    return None if value == "" else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Numbers = Annotated[tuple[int, ...], BeforeValidator(_listed)]
Text = Annotated[str | None, BeforeValidator(_known)]
Number = Annotated[int | None, BeforeValidator(_known)]
Decimal = Annotated[float | None, BeforeValidator(_known)]
Flag = Annotated[bool | None, BeforeValidator(_known)]

Span = tuple[int, int]
"""From and to, in minutes from midnight."""


class Sourced(BaseModel):
    """A fact; columns that nobody here reads are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    evidence: tuple[str, ...] = ()
    """The ids of the steps that returned it."""


S = TypeVar("S", bound=Sourced)


def backed(fact: S | None) -> S | None:
    """`fact`, unless nobody can say where it came from."""
    return fact if fact is not None and fact.evidence else None


class Place(Sourced):
    """Something with a name and a place in the city."""

    name: str
    aliases: Texts = ()
    district: Text = None
    lat: Decimal = None
    """Degrees north."""
    lon: Decimal = None
    """Degrees east."""
    source: Text = None


class AttractionFact(Place):
    """A sight; unknown fields are None."""

    category: Text = None
    hours_summer: Text = None
    hours_winter: Text = None
    last_entry_min: Number = None
    """Minutes before closing after which nobody is let in."""
    closed_weekdays: Numbers = ()
    """1 is Monday."""
    open_on_holidays: Flag = None
    price_adult_cny: Number = None
    price_adult_winter_cny: Number = None
    price_child_cny: Number = None
    child_free_age: Number = None
    """Children of at most this age, in full years, pay nothing."""
    visit_min: Number = None
    family_facilities: Texts = ()
    min_age: Number = None
    """The youngest age that it is recommended for, in years."""
    booking_days: Number = None

    def price_for(self, party: Party, day: date) -> int | None:
        """The tickets of the party on that day in CNY, by the price list; None when the list has no price."""
        winter = day.month not in SUMMER_MONTHS and self.price_adult_winter_cny is not None
        adult = self.price_adult_winter_cny if winter else self.price_adult_cny
        if adult is None:
            return None
        child = adult if self.price_child_cny is None else self.price_child_cny
        paying = [age for age in party.children if self.child_free_age is None or age > self.child_free_age]
        return adult * party.adults + child * len(paying)


class HotelFact(Place):
    """A hotel."""

    price_cny: Number = None
    """For one room and night."""
    family_room: Flag = None
    stars: Decimal = None
    rating: Decimal = None
    facilities: Texts = ()


class RestaurantFact(Place):
    """A restaurant."""

    cuisine: Text = None
    hours: Text = None
    closed_weekdays: Numbers = ()
    price_per_person_cny: Number = None
    facilities: Texts = ()


class TransferFact(Sourced):
    """The way between two places."""

    origin: str
    destination: str
    minutes: int
    mode: Text = None
    distance_km: Decimal = None
    cost_cny: Number = None
    """For one head on public transport, for one car otherwise."""


class TicketFact(Sourced):
    """What the ticket office said for a date and a party."""

    name: str
    date: date
    available: bool
    total_cny: Number = None
    note: Text = None
    adults: Number = None
    child_ages: Numbers = ()

    def is_for(self, party: Party) -> bool:
        """Whether it was asked for exactly this party."""
        return self.adults == party.adults and sorted(self.child_ages) == sorted(party.children)


class OpeningFact(Sourced):
    """Whether a place is open on a date, and when."""

    name: str
    date: date
    open: bool
    hours: Text = None
    reason: Text = None

    @property
    def spans(self) -> tuple[Span, ...]:
        """The opening hours of that date; empty when closed or unknown."""
        return opening_spans(self.hours) if self.open else ()


class StepSource(BaseModel):
    """What stands behind an evidence id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str
    """The tool that was called in the step."""
    summary: str
    """What it was asked and what it said, in a line for people."""


class Facts(BaseModel):
    """All that is known; keys are the catalogue's names. The lookups give only what has evidence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attractions: dict[str, AttractionFact] = {}
    hotels: dict[str, HotelFact] = {}
    restaurants: dict[str, RestaurantFact] = {}
    tickets: dict[str, TicketFact] = {}
    """By name and date, "name|2026-12-05"."""
    openings: dict[str, OpeningFact] = {}
    """By name and date."""
    transfers: dict[str, TransferFact] = {}
    """By origin and destination, "a|b"."""
    also: dict[str, str] = {}
    """Other names (aliases, what was asked for) and the catalogue's name for each."""

    sources: dict[str, StepSource] = {}
    """What each step that taught something was, by its id."""

    def canonical(self, name: str) -> str:
        """The catalogue's name for `name`; `name` itself when nothing was learned about it."""
        asked = name.strip()
        return asked if self.place(asked) else self.also.get(asked, asked)

    def place(self, name: str) -> Place | None:
        """The attraction, hotel or restaurant of exactly this name."""
        return backed(self.attractions.get(name) or self.hotels.get(name) or self.restaurants.get(name))

    def attraction(self, name: str) -> AttractionFact | None:
        """The attraction by any of its names."""
        return backed(self.attractions.get(self.canonical(name)))

    def hotel(self, name: str) -> HotelFact | None:
        """The hotel by any of its names."""
        return backed(self.hotels.get(self.canonical(name)))

    def restaurant(self, name: str) -> RestaurantFact | None:
        """The restaurant by any of its names."""
        return backed(self.restaurants.get(self.canonical(name)))

    def ticket(self, name: str, day: date) -> TicketFact | None:
        """What was said about tickets of that day."""
        return backed(self.tickets.get(f"{self.canonical(name)}|{day}"))

    def transfer(self, origin: str, destination: str) -> TransferFact | None:
        """The way from one place to the other; the way back takes as long."""
        here, there = self.canonical(origin), self.canonical(destination)
        return backed(self.transfers.get(f"{here}|{there}")) or backed(self.transfers.get(f"{there}|{here}"))

    def opening(self, name: str, day: date) -> OpeningFact | None:
        """The opening of that day: as the calendar said, else by the place's own hours; None when nothing is known."""
        said = backed(self.openings.get(f"{self.canonical(name)}|{day}"))
        if said is not None:
            return said
        attraction, restaurant = self.attraction(name), self.restaurant(name)
        if attraction is not None:
            return _attraction_opening(attraction, day)
        return None if restaurant is None else _weekly_opening(restaurant, restaurant.hours, day)


def _attraction_opening(fact: AttractionFact, day: date) -> OpeningFact | None:
    hours = fact.hours_summer if day.month in SUMMER_MONTHS else fact.hours_winter
    return _weekly_opening(fact, hours or fact.hours_summer, day)


def _weekly_opening(fact: AttractionFact | RestaurantFact, hours: str | None, day: date) -> OpeningFact | None:
    if day.isoweekday() in fact.closed_weekdays:
        reason = f"每周{WEEKDAYS[day.weekday()]}休息"
        return OpeningFact(name=fact.name, date=day, open=False, reason=reason, evidence=fact.evidence)
    if hours is None:
        return None
    return OpeningFact(name=fact.name, date=day, open=True, hours=hours, evidence=fact.evidence)


def opening_spans(hours: str | None) -> tuple[Span, ...]:
    """The spans of "08:30-17:00" or "11:00-14:00;17:00-21:00"; what closes after midnight ends past 24:00.

    Raises: ValueError when it is no such text.
    """
    spans: list[Span] = []
    for part in (hours or "").replace(",", ";").split(";"):
        if part.strip():
            start, end = (minutes_of(time.strip()) for time in part.split("-"))
            spans.append((start, end if end > start else end + 24 * 60))
    return tuple(spans)
