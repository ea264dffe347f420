"""From what is wrong with a plan to what is to be decided again, and what the new decision may not be.

An amendment never says what to take, only what to leave, and where something asked for is missing, that it must come
in. What no choice can help is not amended: it is said in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from agents.messages import Amendment
from scenarios.travel.faults import Fault, FaultKind
from scenarios.travel.planning import SUBTASKS
from scenarios.travel.view import HOTEL, MEALS, View, day_key, place_key

Amend = Callable[[View, Fault], Iterator[Amendment]]


def amendments(view: View, faults: tuple[Fault, ...]) -> tuple[Amendment, ...]:
    """One or more amendments for each fault that another choice can help; the same one is made once."""
    made = [one for fault in faults for one in AMENDED.get(fault.kind, _nothing)(view, fault)]
    return tuple(one for place, one in enumerate(made) if one not in made[:place])


def replacing(view: View, name: str, text: str) -> tuple[Amendment, ...]:
    """The amendments that put something else in the place of `name`."""
    keys = [day_key(day.date) for day in view.choices.days if name in day.visits]
    keys += [MEALS] if any(name in (day.lunch, day.dinner) for day in view.choices.days) else []
    keys += [HOTEL] if name == view.choices.hotel else []
    return tuple(Amendment(decision=key, text=text, exclude=(name,)) for key in keys)


def _nothing(view: View, fault: Fault) -> Iterator[Amendment]:
    """No choice can help."""
    return iter(())


def _leave(view: View, fault: Fault) -> Iterator[Amendment]:
    """Take something else instead of the named place, on the named day or everywhere; what was asked for stays."""
    if fault.name is None:
        return
    name = view.facts.canonical(fault.name)
    if name in view.bound and fault.kind in ("too_far", "unsuitable_age"):
        return
    for one in replacing(view, name, fault.instruction):
        if fault.date is None or one.decision in (day_key(fault.date), MEALS, HOTEL):
            yield one


def _move(view: View, fault: Fault) -> Iterator[Amendment]:
    """Leave the place out on that day; a must-visit is put on another day that is possible."""
    yield from _leave(view, fault)
    if fault.name is None or fault.date is None:
        return
    name = view.facts.canonical(fault.name)
    days = [day for day in view.dates if day != fault.date and view.can_visit(name, day)]
    if name in view.bound and days:
        yield Amendment(decision=place_key(name), text=fault.instruction)


def _bring(view: View, fault: Fault) -> Iterator[Amendment]:
    """A must-visit that is possible gets a day; one that is not gives way to the plan's alternative."""
    name = view.facts.canonical(fault.name or "")
    if fault.is_fixable:
        yield Amendment(decision=place_key(name), text=fault.instruction)
        return
    other = view.facts.canonical(view.alternatives.get(name, ""))
    if other in view.bound and other not in view.visited():
        yield Amendment(decision=place_key(other), text=f"“{name}”去不了，按预案安排“{other}”。")


def _lighten(view: View, fault: Fault) -> Iterator[Amendment]:
    """Leave one visit of the day out, and what takes as long; never a must-visit while there is another."""
    day = next((choice for choice in view.choices.days if choice.date == fault.date), None)
    if day is None or not day.visits:
        return
    optional = [name for name in day.visits if view.facts.canonical(name) not in view.bound]
    if not optional and len(day.visits) == 1:
        return
    left = fault.name if fault.name in optional else (optional or list(day.visits))[-1]
    if left in view.bound:
        yield Amendment(decision=place_key(left), text=fault.instruction)
    longer = [name for name in view.facts.attractions if _length(view, name) >= _length(view, left)]
    kept = [name for name in day.visits if name != left]
    exclude = tuple(name for name in dict.fromkeys([left, *longer]) if name not in kept)
    yield Amendment(decision=day_key(day.date), text=fault.instruction, exclude=exclude)


def _cheaper(view: View, fault: Fault) -> Iterator[Amendment]:
    """Take something cheaper than the named place."""
    hotel, restaurant = view.facts.hotel(fault.name or ""), view.facts.restaurant(fault.name or "")
    if hotel is not None:
        dear = [one.name for one in view.facts.hotels.values() if (one.price_cny or 0) >= (hotel.price_cny or 0)]
        yield from _hotel(view, fault, dear)
    elif restaurant is not None:
        price = restaurant.price_per_person_cny or 0
        dear = [one.name for one in view.facts.restaurants.values() if (one.price_per_person_cny or 0) >= price]
        yield Amendment(decision=MEALS, text=fault.instruction, exclude=tuple(dear))
    else:
        yield from _leave(view, fault)


def _other_hotel(view: View, fault: Fault) -> Iterator[Amendment]:
    """Take a hotel that is where it was asked for, with a family room where there are children."""
    wanted, has_children = view.task.hotel_district, bool(view.task.party.children)
    unfit = [
        fact.name
        for fact in view.facts.hotels.values()
        if (wanted is not None and fact.district != wanted) or (has_children and fact.family_room is False)
    ]
    yield from _hotel(view, fault, unfit)


def _hotel(view: View, fault: Fault, unfit: list[str]) -> Iterator[Amendment]:
    """Choose again among the others; look for more when there are none."""
    if any(name not in {*unfit, *view.excluded(HOTEL)} for name in view.facts.hotels):
        yield Amendment(decision=HOTEL, text=fault.instruction, exclude=tuple(unfit))
    else:
        yield from _search_hotel(view, fault)


def _search_hotel(view: View, fault: Fault) -> Iterator[Amendment]:
    yield Amendment(decision=SUBTASKS, text=fault.instruction, require=("hotel_search",))
    yield Amendment(decision=HOTEL, text=fault.instruction)


def _choose_day(view: View, fault: Fault) -> Iterator[Amendment]:
    """Choose the day's visits again; look for more places when there is none left."""
    if fault.date is not None and fault.date in view.dates:
        yield Amendment(decision=day_key(fault.date), text=fault.instruction)
        if view.visited() >= set(view.facts.attractions):
            yield Amendment(decision=SUBTASKS, text=fault.instruction, require=("recommend_attractions",))


def _choose_meals(view: View, fault: Fault) -> Iterator[Amendment]:
    yield Amendment(decision=MEALS, text=fault.instruction)


def _length(view: View, name: str) -> int:
    fact = view.facts.attraction(name)
    return 0 if fact is None else fact.visit_min or 120


AMENDED: Mapping[FaultKind, Amend] = {
    "wrong_days": _choose_day,
    "missing_visit": _bring,
    "closed": _move,
    "no_ticket": _move,
    "overlap": _lighten,
    "too_full": _lighten,
    "late_day": _lighten,
    "too_far": _leave,
    "over_budget": _cheaper,
    "missing_hotel": _search_hotel,
    "hotel_district": _other_hotel,
    "hotel_family_room": _other_hotel,
    "unsuitable_age": _leave,
    "repeated": _leave,
    "missing_meal": _choose_meals,
    "no_evidence": _leave,
}
"""By kind of fault; a kind that is not here cannot be helped by another choice."""
