"""A city as the travel tools know it: its attractions, hotels and restaurants, found by any of their names.

A data directory holds attractions.csv, hotels.csv and restaurants.csv (UTF-8, a header row, any order of columns); the
columns are the fields of `tools.travel.places`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runtime.errors import UsageError
from tools.spec import Match
from tools.travel.names import HOTEL_ENDINGS, SIGHT_ENDINGS, NameIndex
from tools.travel.places import Attraction, Hotel, Place, Restaurant
from tools.travel.rows import Flaws, Table

_CANDIDATES = 8


@dataclass(frozen=True)
class Area:
    """A district as a place: the middle of what lies in it."""

    name: str
    lat: float
    """Degrees north."""
    lon: float
    """Degrees east."""


@dataclass(frozen=True)
class Catalogue:
    """All places of a city; immutable, so that tools over it are pure."""

    attractions: tuple[Attraction, ...]
    hotels: tuple[Hotel, ...]
    restaurants: tuple[Restaurant, ...]

    def attraction(self, name: str) -> Attraction:
        """The attraction of exactly this name.

        Raises:
            KeyError: there is none; `match_attraction` finds names.
        """
        return self._attractions[name]

    def place(self, name: str) -> Place | Area:
        """The attraction, hotel, restaurant or district of exactly this name.

        Raises:
            KeyError: there is none; `match_place` finds names.
        """
        return self._places[name]

    def match_cuisine(self, text: str) -> Match:
        """The cuisine of a restaurant that is meant: 北京烤鸭 is 烤鸭."""
        fitting = [cuisine for cuisine in self.cuisines if cuisine in text or text in cuisine]
        return Match(fitting[0]) if len(fitting) == 1 else Match(None, tuple(fitting) or self.cuisines)

    def match_attraction(self, name: str) -> Match:
        """The attraction that a name, an alias or a clear misspelling means."""
        return self._attraction_names.find(name)

    def match_place(self, name: str) -> Match:
        """The attraction, hotel, restaurant or district that is meant; exact names of any kind come first."""
        indexes = (self._attraction_names, self._hotel_names, self._restaurant_names, self._district_names)
        for index in indexes:
            if (match := index.exact(name)).used is not None:
                return match
        matches = [index.find(name) for index in indexes]
        near = dict.fromkeys(candidate for match in matches for candidate in match.candidates)
        return next((match for match in matches if match.used is not None), Match(None, tuple(near)[:_CANDIDATES]))

    def match_district(self, name: str) -> Match:
        """The district that is meant, also by the name of a place that lies in it."""
        match = self._district_names.find(name)
        if match.used is not None:
            return match
        for index in (self._attraction_names, self._hotel_names):
            exact = index.exact(name)
            place = None if exact.used is None else self._places[exact.used]
            if isinstance(place, Place):
                return Match(place.district)
        return Match(None, self.districts)

    @cached_property
    def districts(self) -> tuple[str, ...]:
        """All districts, the one with most places first."""
        return tuple(sorted(self._by_district, key=lambda name: (-len(self._by_district[name]), name)))

    @cached_property
    def cuisines(self) -> tuple[str, ...]:
        """All cuisines, the one with most restaurants first."""
        counts = Counter(row.cuisine for row in self.restaurants)
        return tuple(sorted(counts, key=lambda cuisine: (-counts[cuisine], cuisine)))

    @property
    def rows(self) -> tuple[Place, ...]:
        """Every place."""
        return (*self.attractions, *self.hotels, *self.restaurants)

    @cached_property
    def _by_district(self) -> dict[str, list[Place]]:
        grouped: dict[str, list[Place]] = {}
        for row in self.rows:
            grouped.setdefault(row.district, []).append(row)
        return grouped

    @cached_property
    def _attractions(self) -> dict[str, Attraction]:
        return {row.name: row for row in self.attractions}

    @cached_property
    def _places(self) -> Mapping[str, Place | Area]:
        """By name; an attraction wins over a hotel and a hotel over a restaurant of the same name."""
        areas = {name: _middle(name, rows) for name, rows in self._by_district.items()}
        return areas | {row.name: row for row in reversed(self.rows)}

    @cached_property
    def _attraction_names(self) -> NameIndex:
        return _index(self.attractions, SIGHT_ENDINGS)

    @cached_property
    def _hotel_names(self) -> NameIndex:
        return _index(self.hotels, HOTEL_ENDINGS)

    @cached_property
    def _restaurant_names(self) -> NameIndex:
        return _index(self.restaurants)

    @cached_property
    def _district_names(self) -> NameIndex:
        return NameIndex({name: [name.rstrip("区县市")] for name in self.districts})


def load_catalogue(directory: Path) -> Catalogue:
    """Reads and checks a data directory.

    Raises:
        UsageError: names file, line, field, found and expected of every flaw.
    """
    if not directory.is_dir():
        expected = "a directory with attractions.csv, hotels.csv and restaurants.csv"
        raise UsageError(f"travel data: found no directory {directory}, expected {expected}")
    flaws = Flaws()
    attractions = Table(directory / "attractions.csv", Attraction).rows(flaws)
    hotels = Table(directory / "hotels.csv", Hotel).rows(flaws)
    restaurants = Table(directory / "restaurants.csv", Restaurant).rows(flaws)
    flaws.raise_any()
    return Catalogue(tuple(attractions), tuple(hotels), tuple(restaurants))


def _index(rows: Sequence[Place], endings: Sequence[str] = ()) -> NameIndex:
    return NameIndex({row.name: row.aliases for row in rows}, endings)


def _middle(name: str, rows: Sequence[Place]) -> Area:
    return Area(name, sum(row.lat for row in rows) / len(rows), sum(row.lon for row in rows) / len(rows))
