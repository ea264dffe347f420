"""The costs of a plan, summed from its items."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scenarios.travel import costs
from scenarios.travel.choices import Choices
from scenarios.travel.facts import Facts
from scenarios.travel.itinerary import Budget, BudgetLine, Day, HotelStay, Item, ItemKind, TripTask

TICKETS, LODGING, MEALS, TRANSFERS = "门票", "住宿", "餐饮", "交通"
"""The names of the four lines."""


def hotel_stay(task: TripTask, choices: Choices, facts: Facts) -> HotelStay | None:
    """The chosen hotel for all nights; None without a night, or when nothing is known about the hotel or its price."""
    fact = facts.hotel(choices.hotel) if choices.hotel else None
    if task.nights == 0 or fact is None or fact.price_cny is None or fact.district is None:
        return None
    return HotelStay(
        name=fact.name,
        district=fact.district,
        nights=task.nights,
        price_per_night_cny=fact.price_cny * costs.rooms(task.party),
        evidence=fact.evidence,
    )


def budget(days: Sequence[Day], hotel: HotelStay | None) -> Budget:
    """Tickets, lodging, meals and transfers, each with the steps that its amount was summed from."""
    items = [item for day in days for item in day.items]
    lines = (
        _line(TICKETS, "visit", items),
        _lodging(hotel),
        _line(MEALS, "meal", items),
        _line(TRANSFERS, "transfer", items),
    )
    return Budget(total_cny=sum(line.amount_cny for line in lines), lines=lines)


def _line(name: str, kind: ItemKind, items: Iterable[Item]) -> BudgetLine:
    costly = [item for item in items if item.kind == kind and item.cost_cny]
    evidence = dict.fromkeys(step for item in costly for step in item.evidence)
    return BudgetLine(name=name, amount_cny=sum(item.cost_cny for item in costly), evidence=tuple(evidence))


def _lodging(hotel: HotelStay | None) -> BudgetLine:
    if hotel is None:
        return BudgetLine(name=LODGING, amount_cny=0)
    return BudgetLine(name=LODGING, amount_cny=hotel.nights * hotel.price_per_night_cny, evidence=hotel.evidence)
