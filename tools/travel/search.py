"""Chooses and orders places of a catalogue. Pure; equal places keep the order of their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.travel.catalogue import Area, Catalogue
from tools.travel.places import Attraction, Category, Hotel, Restaurant
from tools.travel.transfer import straight_km

_CHILDREN_LIKE = {"zoo": 4, "science": 4, "theme_park": 3, "park": 2, "museum": 2, "show": 2, "garden": 1, "nature": 1}
"""Points by category, beside one for each family facility."""


def recommended(
    catalogue: Catalogue, child_age: int | None, district: str | None, category: Category | None
) -> list[Attraction]:
    """Attractions that fit, the most child-friendly first: none that is recommended for older children only."""
    fitting = [
        row
        for row in catalogue.attractions
        if (child_age is None or row.min_age is None or row.min_age <= child_age)
        and district in (None, row.district)
        and category in (None, row.category)
    ]
    return sorted(fitting, key=lambda row: (-child_friendliness(row), row.id))


def child_friendliness(row: Attraction) -> int:
    """Points: what children like, and what helps a family there."""
    return _CHILDREN_LIKE.get(row.category, 0) + len(row.family_facilities)


def hotels(catalogue: Catalogue, district: str | None, max_price_cny: int | None, family_room: bool) -> list[Hotel]:
    """Hotels that fit, the best rated first, then the cheapest."""
    fitting = [
        row
        for row in catalogue.hotels
        if district in (None, row.district)
        and (max_price_cny is None or row.price_cny <= max_price_cny)
        and (row.family_room or not family_room)
    ]
    return sorted(fitting, key=lambda row: (-(row.rating or 0), row.price_cny, row.id))


@dataclass(frozen=True)
class NearRestaurant:
    """A restaurant and how far it is, in kilometres as the crow flies; None within a whole district."""

    restaurant: Restaurant
    distance_km: float | None


def restaurants_near(
    catalogue: Catalogue, near: str, cuisine: str | None, max_price_cny: int | None
) -> list[NearRestaurant]:
    """Restaurants that fit, the nearest first; within a district the best rated first."""
    fitting = [
        row
        for row in catalogue.restaurants
        if cuisine in (None, row.cuisine)
        and (
            max_price_cny is None
            or (row.price_per_person_cny is not None and row.price_per_person_cny <= max_price_cny)
        )
    ]
    place = catalogue.place(near)
    if isinstance(place, Area):
        return _within(fitting, place.name)
    found = [NearRestaurant(row, round(straight_km(place, row), 2)) for row in fitting]
    return sorted(found, key=lambda each: (each.distance_km or 0, each.restaurant.id))


def _within(rows: Sequence[Restaurant], district: str) -> list[NearRestaurant]:
    inside = [row for row in rows if row.district == district]
    return [NearRestaurant(row, None) for row in sorted(inside, key=lambda row: (-(row.rating or 0), row.id))]
