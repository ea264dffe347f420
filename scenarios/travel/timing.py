"""When each stop of a day begins and ends, given the stops in their order and how long the ways between them take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from scenarios.travel.facts import AttractionFact, Facts, HotelFact, Place, RestaurantFact, Span

LEAVE_FROM = 7 * 60 + 30
"""Nobody leaves the hotel earlier."""
VISIT_FROM = 8 * 60 + 30
"""No visit begins earlier."""
LUNCH: Span = (11 * 60 + 30, 13 * 60 + 30)
"""Lunch should begin within this span."""
DINNER: Span = (17 * 60, 19 * 60)
"""Dinner should begin within this span."""
MEAL_MIN = 60
VISIT_MIN = 120
"""The length of a visit whose place names none."""

StopKind = Literal["visit", "lunch", "dinner"]
Travel = Callable[[Place, Place], int]
"""Minutes from one place to another."""


@dataclass(frozen=True)
class Stop:
    """Somewhere to be for a while."""

    kind: StopKind
    place: AttractionFact | RestaurantFact
    minutes: int


@dataclass(frozen=True)
class Timed:
    """A stop with its times, in minutes from midnight."""

    stop: Stop
    origin: Place | None
    """Where the party comes from; None when the day begins here."""
    free: int
    """When the stop before was over."""
    leaves: int
    """When the party sets out for this stop."""
    starts: int
    ends: int


def visit(fact: AttractionFact) -> Stop:
    """A visit of the length that the place asks for."""
    return Stop("visit", fact, fact.visit_min or VISIT_MIN)


@dataclass(frozen=True)
class DayTimer:
    """Times the stops of one day; `pause_min` are kept free after lunch."""

    day: date
    facts: Facts
    home: HotelFact | None
    travel: Travel

    def timed(self, stops: Sequence[Stop], pause_min: int = 0) -> tuple[Timed, ...]:
        """The stops, in their order, each as early as the way, the opening hours and the meal times allow."""
        return tuple(self._timed(stops, pause_min))

    def _timed(self, stops: Sequence[Stop], pause_min: int) -> Iterator[Timed]:
        origin: Place | None = self.home
        free: int | None = None
        pause = 0
        for stop in stops:
            way = 0 if origin is None or origin.name == stop.place.name else self.travel(origin, stop.place)
            ready = max(LEAVE_FROM, VISIT_FROM - way) if free is None else free + pause
            starts = self._opens(stop, ready + way)
            leaves = starts - way
            yield Timed(stop, origin, leaves if free is None else free, leaves, starts, starts + stop.minutes)
            origin, free = stop.place, starts + stop.minutes
            pause = pause_min if stop.kind == "lunch" else 0

    def spans(self, place: Place) -> tuple[Span, ...]:
        """The opening hours of a place on this day; empty when it is closed or nothing is known."""
        opening = self.facts.opening(place.name, self.day)
        return () if opening is None else opening.spans

    def _opens(self, stop: Stop, arrival: int) -> int:
        """The first minute from `arrival` at which the stop can begin; `arrival` when it no longer can."""
        wished = max(arrival, _meal_span(stop.kind)[0])
        for start, end in self.spans(stop.place):
            if wished < end:
                return max(wished, start)
        return wished


def _meal_span(kind: StopKind) -> Span:
    return LUNCH if kind == "lunch" else DINNER if kind == "dinner" else (0, 24 * 60)


def lateness(timed: Sequence[Timed], timer: DayTimer) -> int:
    """How badly a day fits, in weighted minutes: waiting once, late meals and visits past closing four times."""
    late = sum(4 * max(0, item.starts - _meal_span(item.stop.kind)[1]) for item in timed)
    waiting = sum(item.leaves - item.free for item in timed) + max(0, timed[0].starts - VISIT_FROM) if timed else 0
    return late + waiting + 4 * past_closing(timed, timer)


def past_closing(timed: Sequence[Timed], timer: DayTimer) -> int:
    """Minutes that visits go on after closing, summed over the day."""
    visits = [item for item in timed if item.stop.kind == "visit"]
    return sum(_past(item, timer.spans(item.stop.place)) for item in visits)


def _past(item: Timed, spans: Sequence[Span]) -> int:
    if not spans:
        return 0
    return min(max(0, item.ends - end) + max(0, start - item.starts) for start, end in spans)
