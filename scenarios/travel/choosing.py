"""The choices that make a plan, one after the other: hotel, each day's visits, meals; and the look-ups between them.

What is offered is what the tools have found and what is possible as far as is known; what is taken is the model's
decision. An amendment reopens a choice and narrows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from agents.domain import Decision
from agents.messages import Amendment, Call, JsonObject, Scene
from scenarios.travel import schemas
from scenarios.travel.choices import DayChoice
from scenarios.travel.facts import AttractionFact, HotelFact, RestaurantFact
from scenarios.travel.geography import nominal_minutes
from scenarios.travel.pace import eats_inside, fits
from scenarios.travel.schedule import needed_transfers
from scenarios.travel.view import HOTEL, MEALS, View, day_key, place_key
from scenarios.travel.wording import brief, hotel_line, known, meal_line, short_day, sight_line

SIGHTS_OFFERED, HOTELS_OFFERED, MEALS_OFFERED = 10, 6, 5
"""How many candidates a choice offers: prompts are short."""
LUNCH_HOUR, DINNER_HOUR = 12, 18
"""A restaurant that is offered is open for an hour from then."""
ENOUGH_MEALS, NEAR_MIN, FAR_MIN = 3, 24, 45
"""No more restaurants are sought where this many are this near; those that are far are not offered. In minutes."""


def look_ups(scene: Scene) -> tuple[Call, ...]:
    """The calls whose results the next choice or the plan needs; what is known or was asked is not asked again."""
    view = View(scene)
    for stage in (_sights, _tickets, _restaurants, _transfers):
        calls = [call for call in stage(view) if call not in scene.asked]
        if calls:
            return tuple(calls)
    return ()


def choosing(scene: Scene) -> Decision | None:
    """The next choice to make; None when all are made."""
    view = View(scene)
    if view.task.nights and HOTEL not in scene.choices and _hotels(view):
        return _hotel(view)
    for name, days in _unplaced(view):
        return _place(view, name, days)
    for day in view.dates:
        if _is_open(view, day) and _candidates(view, day):
            return _day(view, day)
    if MEALS not in scene.choices and any(_offered_meals(view, day) for day in view.choices.days):
        return _meals(view)
    return None


def reopen(scene: Scene, amendments: Sequence[Amendment]) -> JsonObject:
    """The choices without those that the amendments want taken again, and without the meals of changed days."""
    again = {one.decision for one in amendments}
    if any(key.startswith(("day:", "place:")) for key in again):
        again.add(MEALS)
    return {key: value for key, value in scene.choices.items() if key not in again}


# Look-ups


def _sights(view: View) -> Iterator[Call]:
    """Facts of the must-visits, of what has tickets, of what was chosen, and of what stands in for a must-visit."""
    asked = [ticket.name for ticket in view.facts.tickets.values()]
    stand_ins = [view.alternatives[name] for name in view.lost if name in view.alternatives]
    names = [*view.task.must_visit, *asked, *sorted(view.visited()), *stand_ins]
    for name in dict.fromkeys(view.facts.canonical(name) for name in names):
        if view.facts.attraction(name) is None:
            yield Call(tool="attraction_lookup", arguments={"name": name})


def _tickets(view: View) -> Iterator[Call]:
    """Tickets of all chosen visits; when a must-visit was refused on one day, also those of its other days."""
    wanted = [(name, day.date) for day in view.choices.days for name in day.visits]
    refused = {ticket.name for ticket in view.facts.tickets.values() if not ticket.available}
    wanted += [(name, day) for name in view.must if name in refused for day in view.dates if view.can_visit(name, day)]
    for name, day in dict.fromkeys(wanted):
        if not _is_ticket_known(view, name, day):
            yield _ticket(view, name, day)


def _is_ticket_known(view: View, name: str, day: date) -> bool:
    ticket = view.facts.ticket(name, day)
    return ticket is not None and (not ticket.available or ticket.is_for(view.task.party))


def _ticket(view: View, name: str, day: date) -> Call:
    party = view.task.party
    arguments: JsonObject = {
        "name": view.facts.canonical(name),
        "date": day.isoformat(),
        "adults": party.adults,
        "child_ages": [*party.children],
    }
    return Call(tool="ticket_availability", arguments=arguments)


def _restaurants(view: View) -> Iterator[Call]:
    """Restaurants near what is visited and near the hotel, where too few are known, once every day has its visits."""
    places = [name for day in view.choices.days for name in (*day.visits[:1], *day.visits[-1:])]
    places += [view.choices.hotel] if view.choices.hotel else []
    for place in dict.fromkeys(view.facts.canonical(place) for place in places) if _are_chosen(view) else ():
        if len([fact for fact in _near(view, [place]) if _way(view, fact, place) <= NEAR_MIN]) < ENOUGH_MEALS:
            near: JsonObject = {"near": place, "cuisine": None, "max_price_cny": None, "limit": MEALS_OFFERED}
            yield Call(tool="restaurant_search", arguments=near)


def _transfers(view: View) -> Iterator[Call]:
    """The ways of the plan, once everything is chosen."""
    if MEALS in view.scene.choices:
        for origin, destination in needed_transfers(view.task, view.choices, view.facts):
            yield Call(tool="transfer_estimate", arguments={"origin": origin, "destination": destination})


def _are_chosen(view: View) -> bool:
    """Whether every day has its visits, as far as there is something to visit."""
    is_waiting = any(_is_open(view, day) and _candidates(view, day) for day in view.dates)
    return bool(view.choices.days) and not is_waiting and not list(_unplaced(view))


# Choices


def _hotels(view: View) -> list[HotelFact]:
    """The hotels that may be chosen, the cheapest first; all known ones when the amendments leave none."""
    excluded = view.excluded(HOTEL)
    priced = [fact for fact in view.facts.hotels.values() if fact.price_cny is not None]
    ranked = sorted(
        priced, key=lambda fact: (fact.district != view.task.hotel_district, fact.price_cny or 0, fact.name)
    )
    return ([fact for fact in ranked if fact.name not in excluded] or ranked)[:HOTELS_OFFERED]


def _hotel(view: View) -> Decision:
    hotels = _hotels(view)
    return Decision(
        key=HOTEL,
        prompt="choose_hotel",
        values={
            "task": brief(view.task),
            "known": known(view),
            "candidates": "\n".join(hotel_line(fact) for fact in hotels),
            "amendments": "；".join(view.amended(HOTEL)) or "无",
        },
        schema=schemas.closed({"hotel": schemas.one_of([fact.name for fact in hotels])}),
        max_tokens=60,
    )


def _unplaced(view: View) -> Iterator[tuple[str, list[date]]]:
    """The visits that the amendments ask for and that have no day yet, with the days that are possible."""
    for one in view.scene.amendments:
        if one.decision.startswith("place:") and one.decision not in view.scene.choices:
            name = one.decision.partition(":")[2]
            days = [day for day in view.dates if view.can_visit(name, day) and name not in view.excluded(day_key(day))]
            roomy = [day for day in days if _has_room(view, day, name)]
            if days:
                yield name, roomy or days


def _has_room(view: View, day: date, name: str) -> bool:
    """Whether the visit fits beside the must-visits that the day already has."""
    names = [*(visit for visit in view.required(day) if visit != name), name]
    facts = [fact for visit in names if (fact := view.facts.attraction(visit)) is not None]
    return fits(view, day, facts)


def _place(view: View, name: str, days: Sequence[date]) -> Decision:
    return Decision(
        key=place_key(name),
        prompt="choose_date",
        values={
            "task": brief(view.task),
            "chosen": _chosen(view),
            "name": name,
            "days": "、".join(f"{day.isoformat()}({short_day(day)})" for day in days),
            "amendments": "；".join(view.amended(place_key(name))),
        },
        schema=schemas.closed({"date": schemas.one_of([day.isoformat() for day in days])}),
        max_tokens=40,
    )


def _is_open(view: View, day: date) -> bool:
    """Whether the day's visits are to be chosen: for the first time, or because one of them has turned out to be
    impossible, or because an answer has put another visit on this day.
    """
    if day_key(day) not in view.scene.choices:
        return True
    visits = view.visits(day)
    is_possible = all(view.can_visit(name, day) for name in visits)
    return bool(visits) and not (is_possible and set(view.required(day)) <= set(visits))


def _refusals(view: View, day: date) -> list[str]:
    """What was said against visits of the day."""
    said = [ticket for ticket in view.facts.tickets.values() if ticket.date == day and not ticket.available]
    return [f"“{ticket.name}”当天{ticket.note or '没有门票'}" for ticket in said]


def _candidates(view: View, day: date) -> list[AttractionFact]:
    """What may be visited on the day: open, with tickets, not visited on another day; must-visits first.

    What is too long for a day is offered only when it was asked for.
    """
    taken = view.visited(without=day) | view.excluded(day_key(day))
    first = [*view.required(day), *view.bound]
    sights = [fact for fact in view.facts.attractions.values() if fact.name not in taken]
    possible = [fact for fact in sights if view.can_visit(fact.name, day) and _is_offered(view, day, fact)]
    ranked = sorted(possible, key=lambda fact: first.index(fact.name) if fact.name in first else len(first))
    return ranked[:SIGHTS_OFFERED]


def _is_offered(view: View, day: date, fact: AttractionFact) -> bool:
    return fact.name in view.bound or (view.suits(fact) and fits(view, day, [fact]))


def _day(view: View, day: date) -> Decision:
    candidates = _candidates(view, day)
    required = [fact.name for fact in candidates if fact.name in view.required(day)]
    wanted = view.amended(day_key(day), *(place_key(name) for name in required))
    return Decision(
        key=day_key(day),
        prompt="choose_day",
        values={
            "task": brief(view.task),
            "known": known(view),
            "most": str(view.visits_a_day),
            "candidates": "\n".join(sight_line(view, fact) for fact in candidates),
            "chosen": _chosen(view),
            "day": short_day(day),
            "waiting": _waiting(view, day, candidates),
            "amendments": "；".join([*_refusals(view, day), *wanted[-2:]]) or "无",
        },
        schema=schemas.closed({"visits": _visits(view, day, candidates, required)}),
        faults=_twice,
        max_tokens=120,
    )


def _waiting(view: View, day: date, candidates: Sequence[AttractionFact]) -> str:
    """The bound visits that have no day yet and could have this one, as a part of the prompt."""
    names = [fact.name for fact in candidates if fact.name in view.bound and fact.name not in view.visits(day)]
    return f"必去还没排：{'、'.join(names)}。" if names else ""


def _visits(view: View, day: date, candidates: Sequence[AttractionFact], required: Sequence[str]) -> JsonObject:
    """The day's visits: what is required, else one of the candidates; then what fits into the day beside the first."""
    by_name = {fact.name: fact for fact in candidates}
    starts = [tuple(required)] if required else [(fact.name,) for fact in candidates]
    return schemas.any_of(*(_visits_from(view, day, by_name, start) for start in starts))


def _visits_from(view: View, day: date, candidates: Mapping[str, AttractionFact], start: tuple[str, ...]) -> JsonObject:
    begun = [candidates[name] for name in start]
    others = [name for name, fact in candidates.items() if name not in start and fits(view, day, [*begun, fact])]
    more = min(max(0, view.visits_a_day - len(start)), len(others))
    return schemas.headed([schemas.one_of([name]) for name in start], schemas.one_of([*others]), more)


def _twice(answer: JsonObject) -> list[str]:
    visits = answer["visits"]
    names = [str(name) for name in visits] if isinstance(visits, list) else []
    return [f"“{name}”写了两次" for name in dict.fromkeys(names) if names.count(name) > 1]


def _chosen(view: View) -> str:
    """The days that are chosen, for a prompt."""
    return (
        "；".join(f"{short_day(day.date)} {'、'.join(day.visits)}" for day in view.choices.days if day.visits) or "无"
    )


def _near(view: View, places: Sequence[str]) -> list[RestaurantFact]:
    """Known restaurants in reach of one of the places, the nearest first."""
    priced = [fact for fact in view.facts.restaurants.values() if fact.price_per_person_cny is not None]
    ways = {fact.name: min((_way(view, fact, place) for place in places), default=0) for fact in priced}
    return sorted(
        (fact for fact in priced if ways[fact.name] <= FAR_MIN), key=lambda fact: (ways[fact.name], fact.name)
    )


def _way(view: View, fact: RestaurantFact, place: str) -> int:
    """Roughly how long the way is, in minutes."""
    known_place = view.facts.place(view.facts.canonical(place))
    return FAR_MIN if known_place is None else nominal_minutes(fact, known_place)


def _open_restaurants(view: View, day: date, places: Sequence[str], hour: int) -> list[RestaurantFact]:
    """Restaurants in reach that are open from `hour` to the next one."""
    near = [fact for fact in _near(view, places) if _serves(view, fact, day, hour)]
    return ([fact for fact in near if fact.name not in view.excluded(MEALS)] or near)[:MEALS_OFFERED]


def _serves(view: View, fact: RestaurantFact, day: date, hour: int) -> bool:
    opening = view.facts.opening(fact.name, day)
    if opening is None:
        return False
    return opening.open and any(opens <= 60 * hour and 60 * (hour + 1) <= closes for opens, closes in opening.spans)


def _offered_meals(view: View, choice: DayChoice) -> dict[str, list[RestaurantFact]]:
    """By meal: the restaurants to choose from; lunch near the first visit, dinner near the hotel or the last visit.

    Where the first visit lasts over noon and one can eat there, there is no lunch to choose.
    """
    if not choice.visits:
        return {}
    home = [view.choices.hotel] if view.choices.hotel else []
    first = view.facts.attraction(choice.visits[0])
    offered: dict[str, list[RestaurantFact]] = {}
    if first is None or not eats_inside(first):
        offered["lunch"] = _open_restaurants(view, choice.date, choice.visits[:1], LUNCH_HOUR)
    if choice.date != view.dates[-1]:
        offered["dinner"] = _open_restaurants(view, choice.date, home or choice.visits[-1:], DINNER_HOUR)
    return {meal: facts for meal, facts in offered.items() if facts}


def _meals(view: View) -> Decision:
    offered = {day.date: _offered_meals(view, day) for day in view.choices.days}
    properties = {
        day.isoformat(): schemas.closed(
            {meal: schemas.one_of([fact.name for fact in facts]) for meal, facts in meals.items()}
        )
        for day, meals in offered.items()
        if meals
    }
    labels = {"lunch": "午餐", "dinner": "晚餐"}
    lines = [
        f"{day.isoformat()} {labels[meal]}：{meal_line(facts)}"
        for day, meals in offered.items()
        for meal, facts in meals.items()
    ]
    return Decision(
        key=MEALS,
        prompt="choose_meals",
        values={
            "task": brief(view.task),
            "known": known(view),
            "candidates": "\n".join(lines),
            "amendments": "；".join(view.amended(MEALS)) or "无",
        },
        schema=schemas.closed(properties),
        max_tokens=60 * (len(lines) + 1),
    )
