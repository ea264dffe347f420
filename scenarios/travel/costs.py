"""What one item costs the whole party, and which steps say so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from scenarios.travel.facts import AttractionFact, Facts, RestaurantFact, TransferFact
from scenarios.travel.itinerary import Item, Party

FREE_RIDE_AGE = 6
"""Children younger than this ride along for nothing."""
SEATS = 4
"""Heads in one car."""
PUBLIC_MODES = ("地铁", "公交", "公共", "步行", "火车", "metro", "subway", "bus", "train", "walk", "transit")
"""Words by which a mode is known to cost by the head and not by the car."""


@dataclass(frozen=True)
class Cost:
    """A sum for the whole party."""

    amount_cny: int
    evidence: tuple[str, ...]
    """The steps that the sum comes from; empty when no step has told a price."""


NO_PRICE = Cost(0, ())


def tickets(fact: AttractionFact, facts: Facts, party: Party, day: date) -> Cost:
    """The tickets of a visit: as the ticket office said for this party and day, else by the price list."""
    said = facts.ticket(fact.name, day)
    if said is not None and said.total_cny is not None and said.is_for(party):
        return Cost(said.total_cny, said.evidence)
    listed = fact.price_for(party, day)
    return NO_PRICE if listed is None else Cost(listed, fact.evidence)


def meal(fact: RestaurantFact, party: Party) -> Cost:
    """A meal, each child counted as a head."""
    if fact.price_per_person_cny is None:
        return NO_PRICE
    return Cost(fact.price_per_person_cny * party.size, fact.evidence)


def ride(fact: TransferFact, party: Party) -> Cost:
    """A transfer: by the head on public transport, by the car otherwise."""
    if fact.cost_cny is None:
        return NO_PRICE
    return Cost(fact.cost_cny * _fares(fact.mode or "", party), fact.evidence)


def has_price(item: Item, facts: Facts, party: Party, day: date) -> bool:
    """Whether some step has told what a visit or a meal costs, nothing included."""
    attraction, restaurant = facts.attraction(item.name), facts.restaurant(item.name)
    if item.kind == "visit" and attraction is not None:
        return bool(tickets(attraction, facts, party, day).evidence)
    if item.kind == "meal" and restaurant is not None:
        return bool(meal(restaurant, party).evidence)
    return True


def rooms(party: Party) -> int:
    """Rooms for the night: one for two adults, or for four heads."""
    return max(-(-party.adults // 2), -(-party.size // SEATS))


def _fares(mode: str, party: Party) -> int:
    if any(word in mode.lower() for word in PUBLIC_MODES):
        return party.adults + sum(age >= FREE_RIDE_AGE for age in party.children)
    return -(-party.size // SEATS)
