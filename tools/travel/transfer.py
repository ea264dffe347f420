"""About how long the way between two places takes and what it costs. Pure, and the same for every city.

    way      = 1.35 × great-circle distance (streets lead round corners)
    on foot  up to 1.2 km: 4 km/h (with children), free
    metro    up to 30 km: 15 min (walks at both ends, waiting, a change) + 32 km/h; per person 3 CNY up to 6 km,
             4 up to 12, 5 up to 22, 6 up to 32 (the tariff of Beijing)
    taxi     beyond: 5 min + 25 km/h for the first 10 km, 60 km/h after; per car 13 CNY for 3 km, then 2.3 CNY/km,
             3.45 CNY/km beyond 15 km, 1 CNY surcharge (the tariff of Beijing)

Minutes are rounded up, costs to whole CNY.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

Mode = Literal["步行", "地铁", "出租车"]

EARTH_RADIUS_KM = 6371.0
DETOUR = 1.35
WALK_KM, WALK_KMH = 1.2, 4.0
METRO_KM, METRO_KMH, METRO_EXTRA_MIN = 30.0, 32.0, 15.0
METRO_FARES = ((6.0, 3), (12.0, 4), (22.0, 5), (32.0, 6))
TAXI_EXTRA_MIN, TAXI_CITY_KM, TAXI_CITY_KMH, TAXI_KMH = 5.0, 10.0, 25.0, 60.0

_NOTES: dict[Mode, str] = {
    "步行": "按直线距离估算",
    "地铁": "按直线距离估算；费用为每人",
    "出租车": "按直线距离估算；费用为每车",
}


class Located(Protocol):
    """Anything with a name and coordinates in degrees."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def lat(self) -> float:
        """Degrees north."""
        ...

    @property
    def lon(self) -> float:
        """Degrees east."""
        ...


@dataclass(frozen=True)
class Way:
    """One way of getting there."""

    mode: Mode
    minutes: int
    cost_cny: int
    """For one person on foot or by metro, for one car by taxi."""


@dataclass(frozen=True)
class Transfer:
    """The way from one place to another: the mode that fits the distance, and the others that are possible."""

    origin: str
    destination: str
    mode: Mode
    minutes: int
    distance_km: float
    """Along the streets."""
    cost_cny: int
    """For one person on foot or by metro, for one car by taxi."""
    others: list[Way]
    note: str


def straight_km(origin: Located, destination: Located) -> float:
    """The great-circle distance (haversine formula)."""
    lat1, lat2 = math.radians(origin.lat), math.radians(destination.lat)
    east = math.radians(destination.lon - origin.lon)
    chord = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(east / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(chord))


def transfer(origin: Located, destination: Located) -> Transfer:
    """The way from `origin` to `destination`."""
    km = DETOUR * straight_km(origin, destination)
    ways = ways_for(km)
    best = ways[0]
    return Transfer(
        origin=origin.name,
        destination=destination.name,
        mode=best.mode,
        minutes=best.minutes,
        distance_km=round(km, 1),
        cost_cny=best.cost_cny,
        others=ways[1:],
        note=_NOTES[best.mode],
    )


def ways_for(km: float) -> list[Way]:
    """The ways of covering a distance, the fitting one first."""
    walk = Way("步行", _minutes(0, km / WALK_KMH), 0)
    metro = Way("地铁", _minutes(METRO_EXTRA_MIN, km / METRO_KMH), _metro_fare(km))
    taxi = Way("出租车", _taxi_minutes(km), _taxi_fare(km))
    if km <= WALK_KM:
        return [walk, taxi] if km > WALK_KM / 2 else [walk]
    return [metro, taxi] if km <= METRO_KM else [taxi]


def _minutes(extra_min: float, hours: float) -> int:
    return math.ceil(extra_min + 60 * hours - 1e-9)


def _metro_fare(km: float) -> int:
    return next((fare for limit, fare in METRO_FARES if km <= limit), METRO_FARES[-1][1])


def _taxi_minutes(km: float) -> int:
    city, fast = min(km, TAXI_CITY_KM), max(0.0, km - TAXI_CITY_KM)
    return _minutes(TAXI_EXTRA_MIN, city / TAXI_CITY_KMH + fast / TAXI_KMH)


def _taxi_fare(km: float) -> int:
    middle, far = max(0.0, min(km, 15.0) - 3.0), max(0.0, km - 15.0)
    return round(13 + 2.3 * middle + 3.45 * far + 1)
