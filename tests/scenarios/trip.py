"""A small trip that passes every check; the tests change one thing at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import combinations

from pydantic import JsonValue

from scenarios.travel.choices import Choices, DayChoice
from scenarios.travel.facts import Facts
from scenarios.travel.itinerary import Party, TripTask
from scenarios.travel.learn import learn

SATURDAY, SUNDAY = date(2026, 12, 5), date(2026, 12, 6)

PALACE, SCIENCE, ZOO, PARK = "故宫博物院", "中国科学技术馆", "北京动物园", "奥林匹克森林公园"
DUCK, NOODLES, DUMPLINGS, HOTPOT = "四季民福", "方砖厂69号", "馅老满", "海底捞"
INN, LODGE = "王府井某酒店", "海淀某宾馆"

TASK = TripTask(
    destination="北京",
    days=2,
    budget_cny=3000,
    party=Party(adults=2, children=(5,)),
    must_visit=("故宫", "中国科学技术馆"),
    start_date=SATURDAY,
    hotel_district="东城区",
)

CHOICES = Choices(
    days=(
        DayChoice(date=SATURDAY, visits=(PALACE, ZOO), lunch=DUCK, dinner=NOODLES),
        DayChoice(date=SUNDAY, visits=(SCIENCE, PARK), lunch=DUMPLINGS, dinner=HOTPOT),
    ),
    hotel=INN,
)


def attraction(name: str, **columns: JsonValue) -> dict[str, JsonValue]:
    usual: dict[str, JsonValue] = {
        "name": name,
        "aliases": "",
        "district": "东城区",
        "category": "museum",
        "hours_summer": "08:30-17:00",
        "hours_winter": "08:30-16:30",
        "last_entry_min": 60,
        "closed_weekdays": "1",
        "open_on_holidays": True,
        "price_adult_cny": 40,
        "price_child_cny": 20,
        "child_free_age": 6,
        "visit_min": 150,
        "family_facilities": "nursing_room",
        "min_age": 3,
        "booking_days": 0,
    }
    return usual | columns


ATTRACTIONS = (
    attraction(PALACE, aliases="故宫;紫禁城", visit_min=180, booking_days=7),
    attraction(SCIENCE, district="朝阳区", category="science", hours_winter="09:30-17:00", price_adult_cny=30),
    attraction(ZOO, district="西城区", category="zoo", hours_winter="07:30-17:00", visit_min=120, closed_weekdays=""),
    attraction(PARK, district="朝阳区", category="park", hours_winter="06:00-20:00", visit_min=90, price_adult_cny=0),
)

RESTAURANTS: tuple[dict[str, JsonValue], ...] = tuple(
    {"name": name, "district": "东城区", "hours": "11:00-21:30", "price_per_person_cny": 50, "facilities": "kids_chair"}
    for name in (DUCK, NOODLES, DUMPLINGS, HOTPOT)
)

HOTELS: tuple[dict[str, JsonValue], ...] = (
    {"name": INN, "district": "东城区", "price_cny": 500, "family_room": True},
    {"name": LODGE, "district": "海淀区", "price_cny": 400, "family_room": False},
)


def facts(attractions: Sequence[dict[str, JsonValue]] = ATTRACTIONS, transfer_min: int = 25) -> Facts:
    """Everything that the trip needs, each fact from a step of its own."""
    known = Facts()
    for number, row in enumerate(attractions):
        known = learn(known, "attraction_lookup", {"name": row["name"]}, row, f"look{number}")
    known = learn(known, "restaurant_search", {"near": "东城区"}, {"restaurants": list(RESTAURANTS)}, "eat")
    known = learn(known, "hotel_search", {"district": "东城区"}, {"hotels": list(HOTELS)}, "sleep")
    places = [*known.attractions, *known.restaurants, *known.hotels]
    for number, (origin, destination) in enumerate(combinations(places, 2)):
        known = transfer(known, origin, destination, transfer_min, f"way{number}")
    for name in known.attractions:
        for day in (SATURDAY, SUNDAY):
            known = ticket(known, name, day)
    return known


def transfer(known: Facts, origin: str, destination: str, minutes: int, step: str = "way") -> Facts:
    value: JsonValue = {"minutes": minutes, "mode": "地铁", "distance_km": 5.0, "cost_cny": 4}
    return learn(known, "transfer_estimate", {"origin": origin, "destination": destination}, value, step)


def ticket(known: Facts, name: str, day: date, *, available: bool = True, total_cny: int | None = None) -> Facts:
    arguments: dict[str, JsonValue] = {"name": name, "date": str(day), "adults": 2, "child_ages": [5]}
    listed = known.attractions[name].price_for(TASK.party, day)
    value: JsonValue = {"available": available, "total_cny": listed if total_cny is None else total_cny}
    return learn(known, "ticket_availability", arguments, value, f"ticket-{name}-{day}")
