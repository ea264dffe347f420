"""Computes the times of a day from what was chosen; changes neither what was chosen nor the order of the visits.

When the choices do not fit, the times run over and the checks fail. Where the meals go among the visits is found here,
from rough travel times, so that it does not depend on which transfers have been asked for yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from scenarios.travel import costs
from scenarios.travel.choices import Choices, DayChoice
from scenarios.travel.costs import Cost
from scenarios.travel.facts import AttractionFact, Facts, HotelFact, Place, TransferFact
from scenarios.travel.geography import nominal_minutes
from scenarios.travel.itinerary import Day, Item, TripTask, clock_time
from scenarios.travel.timing import MEAL_MIN, DayTimer, Stop, Timed, lateness, past_closing, visit

GRID_MIN = 5
SMALL_CHILD_AGE = 6
"""Children up to this age rest after lunch where there is time."""
NAP_MIN = 45
LONGEST_NAP_MIN = 90
REST_MIN = 30
"""Shorter waits are not shown as a rest."""
NAP_DINNER_BY = 18 * 60 + 15
"""A nap must not push dinner past this."""


def schedule(task: TripTask, choices: Choices, facts: Facts) -> tuple[Day, ...]:
    """The chosen days with the times and costs of all visits, meals, transfers and rests.

    What has no fact with evidence is left out; a way that nobody has told is left out too.
    """
    return tuple(
        Day(date=choice.date, items=tuple(_items(task, choice, facts, home, number == len(choices.days))))
        for number, (choice, home) in enumerate(_homes(task, choices, facts), start=1)
    )


def needed_transfers(task: TripTask, choices: Choices, facts: Facts) -> tuple[tuple[str, str], ...]:
    """The ways (origin, destination) that `schedule` will look for and that `facts` does not tell yet."""
    missing: dict[tuple[str, str], None] = {}
    for number, (choice, home) in enumerate(_homes(task, choices, facts), start=1):
        places = _places(choice, facts, home, is_last=number == len(choices.days))
        for origin, destination in pairwise(places):
            known = origin.name == destination.name or facts.transfer(origin.name, destination.name)
            if not known and (destination.name, origin.name) not in missing:
                missing[(origin.name, destination.name)] = None
    return tuple(missing)


def way_minutes(way: TransferFact) -> int:
    """The minutes that a day keeps free for a way: what was told, rounded up to five."""
    return -(-way.minutes // GRID_MIN) * GRID_MIN


def stops(choice: DayChoice, facts: Facts, home: HotelFact | None) -> tuple[Stop, ...]:
    """The day's visits in the chosen order, with the meals where they fit best."""
    visits = [visit(fact) for fact in map(facts.attraction, choice.visits) if fact is not None]
    timer = DayTimer(choice.date, facts, home, nominal_minutes)
    return min(_orders(visits, choice, facts), key=lambda order: lateness(timer.timed(order), timer))


def _homes(task: TripTask, choices: Choices, facts: Facts) -> Iterator[tuple[DayChoice, HotelFact | None]]:
    home = facts.hotel(choices.hotel) if choices.hotel and task.nights else None
    return ((choice, home) for choice in choices.days)


def _orders(visits: list[Stop], choice: DayChoice, facts: Facts) -> Iterator[tuple[Stop, ...]]:
    """Every place for the two meals; the latest first, so that it wins a tie."""
    lunch, dinner = _meal("lunch", choice.lunch, facts), _meal("dinner", choice.dinner, facts)
    for after in range(len(visits), -1, -1) if dinner else [len(visits)]:
        for noon in range(after, -1, -1) if lunch else [0]:
            yield (*visits[:noon], *lunch, *visits[noon:after], *dinner, *visits[after:])


def _meal(kind: str, name: str | None, facts: Facts) -> tuple[Stop, ...]:
    fact = facts.restaurant(name) if name else None
    if fact is None:
        return ()
    return (Stop("lunch" if kind == "lunch" else "dinner", fact, MEAL_MIN),)


def _places(choice: DayChoice, facts: Facts, home: HotelFact | None, *, is_last: bool) -> list[Place]:
    """Where the party is, one after the other; the last day does not lead back to the hotel."""
    away: list[Place] = [stop.place for stop in stops(choice, facts, home)]
    if home is None or not away:
        return away
    return [home, *away] if is_last else [home, *away, home]


def _items(task: TripTask, choice: DayChoice, facts: Facts, home: HotelFact | None, is_last: bool) -> Iterator[Item]:
    timed = _timed_day(task, choice, facts, home)
    for item in timed:
        yield from _wait(item, timed)
        yield from _way(task, facts, item.origin, item.stop.place, item.leaves)
        yield _stay(task, facts, choice, item)
    if timed and home is not None and not is_last:
        yield from _way(task, facts, timed[-1].stop.place, home, timed[-1].ends)


def _timed_day(task: TripTask, choice: DayChoice, facts: Facts, home: HotelFact | None) -> tuple[Timed, ...]:
    """The day's stops with their times, with a nap after lunch where a small child can have one."""

    def travel(origin: Place, destination: Place) -> int:
        way = facts.transfer(origin.name, destination.name)
        return 0 if way is None else way_minutes(way)

    timer = DayTimer(choice.date, facts, home, travel)
    order = stops(choice, facts, home)
    plain = timer.timed(order)
    if task.party.youngest is None or task.party.youngest > SMALL_CHILD_AGE:
        return plain
    rested = timer.timed(order, pause_min=NAP_MIN)
    fits = past_closing(rested, timer) <= past_closing(plain, timer) and _dinner_start(rested) <= NAP_DINNER_BY
    return rested if fits else plain


def _dinner_start(timed: Iterable[Timed]) -> int:
    return max((item.starts for item in timed if item.stop.kind == "dinner"), default=0)


def _wait(item: Timed, timed: tuple[Timed, ...]) -> Iterator[Item]:
    """The rest between the stop before and setting out, when it is worth showing."""
    if item.leaves - item.free >= REST_MIN:
        before = timed[timed.index(item) - 1].stop
        is_nap = before.kind == "lunch" and item.leaves - item.free <= LONGEST_NAP_MIN
        name = "午休" if is_nap else "休息与自由活动"
        yield Item(kind="rest", name=name, start=clock_time(item.free), end=clock_time(item.leaves))


def _way(task: TripTask, facts: Facts, origin: Place | None, destination: Place, leaves: int) -> Iterator[Item]:
    way = facts.transfer(origin.name, destination.name) if origin is not None else None
    if origin is None or way is None or origin.name == destination.name:
        return
    yield Item(
        kind="transfer",
        name=f"{way.mode or '交通'}：{origin.name} → {destination.name}",
        start=clock_time(leaves),
        end=clock_time(leaves + way_minutes(way)),
        cost_cny=costs.ride(way, task.party).amount_cny,
        evidence=way.evidence,
    )


def _stay(task: TripTask, facts: Facts, choice: DayChoice, item: Timed) -> Item:
    place = item.stop.place
    opening = facts.opening(place.name, choice.date)
    cost = _cost(task, facts, choice, place)
    evidence = [*place.evidence, *cost.evidence, *(opening.evidence if opening else ())]
    return Item(
        kind="visit" if item.stop.kind == "visit" else "meal",
        name=place.name,
        start=clock_time(item.starts),
        end=clock_time(item.ends),
        cost_cny=cost.amount_cny,
        evidence=tuple(dict.fromkeys(evidence)),
    )


def _cost(task: TripTask, facts: Facts, choice: DayChoice, place: Place) -> Cost:
    if isinstance(place, AttractionFact):
        return costs.tickets(place, facts, task.party, choice.date)
    restaurant = facts.restaurant(place.name)
    return costs.NO_PRICE if restaurant is None else costs.meal(restaurant, task.party)
