"""What tickets cost a party on a day, and from when they can be booked. Pure.

The rules, in this order: a closed day has no tickets. Adults pay the season's price. A child up to `child_free_age`
(completed years) is free; so is one whose usual height plus 5 cm is within `child_free_height_cm`; every other child
pays the child's price, or the adult's where no child's price is known.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from tools.travel.opening import DayOpening, calendar_note, is_summer, next_open, opening
from tools.travel.places import Attraction

_USUAL_HEIGHT_CM = (68, 82, 92, 100, 107, 114, 120, 126, 131, 136, 142, 148, 154, 160, 165, 168, 170, 171)
"""By age in completed years: about the median of boys and girls in China in the middle of that year."""
_HEIGHT_MARGIN_CM = 5


@dataclass(frozen=True)
class TicketLine:
    """Tickets of one kind."""

    name: str
    quantity: int
    price_cny: int
    amount_cny: int


@dataclass(frozen=True)
class TicketOffer:
    """Tickets for a party on a day."""

    name: str
    """The attraction."""
    date: datetime.date
    available: bool
    adults: int
    child_ages: list[int]
    total_cny: int | None
    """None when closed or when a price is not known."""
    lines: list[TicketLine]
    hours: str | None
    last_entry: str | None
    needs_booking: bool | None
    """None when that is not known."""
    booking_opens: datetime.date | None
    """The first day on which tickets for the date can be booked."""
    reason: str | None
    """Why there are none."""
    next_open: datetime.date | None
    """When closed: the next day that is not."""
    note: str | None
    source: str


def ticket_offer(
    attraction: Attraction, day: datetime.date, adults: int, child_ages: Sequence[int], today: datetime.date
) -> TicketOffer:
    """Tickets of the attraction for the party on `day`, as seen on `today`."""
    that_day = opening(attraction, day)
    opens = _booking_opens(attraction, day)
    lines, notes = _lines(attraction, day, adults, child_ages) if that_day.open else ([], [])
    notes += [_booking_note(opens, today), calendar_note(day, day), _past_note(day, today)]
    return TicketOffer(
        name=attraction.name,
        date=day,
        available=that_day.open,
        adults=adults,
        child_ages=list(child_ages),
        total_cny=_total(attraction, that_day, day, lines),
        lines=lines,
        hours=that_day.hours,
        last_entry=that_day.last_entry,
        needs_booking=None if attraction.booking_days is None else attraction.booking_days > 0,
        booking_opens=opens,
        reason=None if that_day.open else that_day.reason,
        next_open=None if that_day.open else next_open(attraction, day),
        note="；".join(note for note in notes if note) or None,
        source=attraction.source,
    )


def adult_price(attraction: Attraction, day: datetime.date) -> int | None:
    """One adult's ticket in CNY in the day's season; None when not known."""
    if is_summer(day) or attraction.price_adult_winter_cny is None:
        return attraction.price_adult_cny
    return attraction.price_adult_winter_cny


def _total(attraction: Attraction, that_day: DayOpening, day: datetime.date, lines: list[TicketLine]) -> int | None:
    if not that_day.open or adult_price(attraction, day) is None:
        return None
    return sum(line.amount_cny for line in lines)


def _lines(
    attraction: Attraction, day: datetime.date, adults: int, child_ages: Sequence[int]
) -> tuple[list[TicketLine], list[str | None]]:
    adult = adult_price(attraction, day)
    if adult is None:
        return [], ["票价不详"]
    free = [age for age in child_ages if _is_free(attraction, age)]
    paying = len(child_ages) - len(free)
    child = adult if attraction.price_child_cny is None else attraction.price_child_cny
    lines = [_line("成人票", adults, adult), _line("儿童票", paying, child), _line("儿童免票", len(free), 0)]
    return [line for line in lines if line.quantity], _child_notes(attraction, child_ages, paying)


def _line(name: str, quantity: int, price_cny: int) -> TicketLine:
    return TicketLine(name, quantity, price_cny, quantity * price_cny)


def _is_free(attraction: Attraction, age: int) -> bool:
    return _is_free_by_age(attraction, age) or _is_free_by_height(attraction, age)


def _is_free_by_age(attraction: Attraction, age: int) -> bool:
    return attraction.child_free_age is not None and age <= attraction.child_free_age


def _is_free_by_height(attraction: Attraction, age: int) -> bool:
    limit = attraction.child_free_height_cm
    return limit is not None and _USUAL_HEIGHT_CM[age] + _HEIGHT_MARGIN_CM <= limit


def _child_notes(attraction: Attraction, child_ages: Sequence[int], paying: int) -> list[str | None]:
    limit = attraction.child_free_height_cm
    by_age = [age for age in child_ages if _is_free_by_age(attraction, age)]
    by_height = [age for age in child_ages if age not in by_age and _is_free_by_height(attraction, age)]
    notes: list[str | None] = []
    if by_height:
        notes.append(f"儿童免票按常见身高不超过{limit}厘米估计")
    if paying and limit is not None and attraction.price_child_cny != 0:
        notes.append(f"身高不超过{limit}厘米的儿童免票")
    if paying and attraction.price_child_cny is None:
        notes.append("儿童票价不详，按成人票计算")
    return notes


def _booking_opens(attraction: Attraction, day: datetime.date) -> datetime.date | None:
    return day - datetime.timedelta(days=attraction.booking_days) if attraction.booking_days else None


def _booking_note(opens: datetime.date | None, today: datetime.date) -> str | None:
    if opens is None:
        return None
    return f"须提前预约，{opens}起可约" if today < opens else "须提前预约，现已可约"


def _past_note(day: datetime.date, today: datetime.date) -> str | None:
    return "该日期已过，按现行规则估算" if day < today else None
