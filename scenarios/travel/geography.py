"""Rough distances and times between places, for deciding an order before a transfer was asked for; never printed."""

from __future__ import annotations

import math

from scenarios.travel.facts import Place

EARTH_RADIUS_KM = 6371.0
UNKNOWN_MIN = 30
"""What is assumed where a coordinate is missing, in minutes."""
CITY_KM = 20
"""Beyond this distance the way leads along a fast road."""


def straight_km(origin: Place, destination: Place) -> float | None:
    """The great-circle distance in kilometres; None when a coordinate is unknown."""
    if origin.lat is None or origin.lon is None or destination.lat is None or destination.lon is None:
        return None
    lat1, lat2 = math.radians(origin.lat), math.radians(destination.lat)
    east = math.radians(destination.lon - origin.lon)
    chord = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(east / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(chord))


def nominal_minutes(origin: Place, destination: Place) -> int:
    """About how long the way takes by public transport, in minutes: 12 to set out, 3 a kilometre in the city."""
    distance = straight_km(origin, destination)
    if distance is None:
        return UNKNOWN_MIN
    return round(12 + 3 * min(distance, CITY_KM) + 1.2 * max(0.0, distance - CITY_KM))
