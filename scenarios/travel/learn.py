"""Turns the results of the travel tools into facts.

The one place that knows the shape of a tool's result; the domain calls `learn` with each result that was `ok`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from pydantic import JsonValue, ValidationError

from runtime.errors import UsageError
from scenarios.travel.facts import (
    AttractionFact,
    Facts,
    HotelFact,
    OpeningFact,
    Place,
    RestaurantFact,
    TicketFact,
    TransferFact,
)
from scenarios.travel.sources import step_source

Row = Mapping[str, JsonValue]
P = TypeVar("P", bound=Place)


def learn(facts: Facts, tool: str, arguments: Row, value: JsonValue, evidence: str) -> Facts:
    """`facts` and what `tool` returned, `value`, in the step whose id is `evidence`.

    A later fact about the same thing replaces the fields that it knows and adds its evidence. Tools that are not of the
    travel family teach nothing.

    Raises:
        UsageError: `value` is not what a tool of this name returns.
    """
    teach = LESSONS.get(tool)
    if teach is None:
        return facts
    rows = _rows(value)
    try:
        for row in rows:
            facts = teach(facts, arguments, row, evidence)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"tool {tool} returned {first['input']!r} as {'.'.join(map(str, first['loc']))}: {first['msg']}; "
            "return the fields that docs describe for this tool"
        ) from error
    source = step_source(tool, arguments, rows)
    return facts.model_copy(update={"sources": facts.sources | {evidence: source}}) if rows else facts


NO_TICKETS: Mapping[str, str] = {"sold_out": "已售罄", "closed": "不开放"}
"""The failures of ticket_availability that are answers, and what they say."""


def learn_failure(facts: Facts, tool: str, arguments: Row, code: str, value: JsonValue, evidence: str) -> Facts:
    """`facts` and what the failed step `evidence` says all the same: there are no tickets for that day.

    Other failures teach nothing. Raises: UsageError as `learn` does.
    """
    if tool != "ticket_availability" or code not in NO_TICKETS:
        return facts
    name = facts.canonical(str(arguments.get("name", "")))
    said: dict[str, JsonValue] = {"name": name, "note": NO_TICKETS[code], **(value if isinstance(value, dict) else {})}
    if said.get("reason"):
        said["note"] = said["reason"]
    return learn(facts, tool, arguments, said | {"available": False}, evidence)


def _rows(value: JsonValue) -> Sequence[Row]:
    """The result itself, or the results that it lists."""
    if isinstance(value, list):
        return [row for row in value if isinstance(row, dict)]
    if not isinstance(value, dict):
        return []
    for key in ("attraction", "attractions", "hotels", "restaurants", "results"):
        inner = value.get(key)
        if isinstance(inner, dict | list):
            return _rows(inner)
    return [value]


def _merged(known: P | None, new: P) -> P:
    if known is None:
        return new
    fields = {name: getattr(new, name) for name in new.model_fields_set if getattr(new, name) not in (None, ())}
    return known.model_copy(update=fields | {"evidence": _joined(known.evidence, new.evidence)})


def _joined(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))


def _also(facts: Facts, place: Place, asked: JsonValue) -> dict[str, str]:
    names = [*place.aliases, *([asked.strip()] if isinstance(asked, str) else [])]
    return facts.also | {name: place.name for name in names if name != place.name}


def _attraction(facts: Facts, arguments: Row, row: Row, evidence: str) -> Facts:
    new = AttractionFact.model_validate({**row, "evidence": (evidence,)})
    places = facts.attractions | {new.name: _merged(facts.attractions.get(new.name), new)}
    return facts.model_copy(update={"attractions": places, "also": _also(facts, new, arguments.get("name"))})


def _hotel(facts: Facts, arguments: Row, row: Row, evidence: str) -> Facts:
    new = HotelFact.model_validate({**row, "evidence": (evidence,)})
    places = facts.hotels | {new.name: _merged(facts.hotels.get(new.name), new)}
    return facts.model_copy(update={"hotels": places, "also": _also(facts, new, None)})


def _restaurant(facts: Facts, arguments: Row, row: Row, evidence: str) -> Facts:
    new = RestaurantFact.model_validate({**row, "evidence": (evidence,)})
    places = facts.restaurants | {new.name: _merged(facts.restaurants.get(new.name), new)}
    return facts.model_copy(update={"restaurants": places, "also": _also(facts, new, None)})


def _ticket(facts: Facts, arguments: Row, row: Row, evidence: str) -> Facts:
    new = TicketFact.model_validate({**arguments, **row, "evidence": (evidence,)})
    tickets = facts.tickets | {f"{new.name}|{new.date}": new}
    told = facts.model_copy(update={"tickets": tickets, "also": _renamed(facts, arguments.get("name"), new.name)})
    return _ticket_hours(told, new, row)


def _ticket_hours(facts: Facts, ticket: TicketFact, row: Row) -> Facts:
    """A ticket offer tells the hours of its day too, holidays considered."""
    if not isinstance(row.get("hours"), str):
        return facts
    said = {"name": ticket.name, "date": ticket.date, "open": True, "hours": row["hours"]}
    opening = OpeningFact.model_validate(said | {"evidence": ticket.evidence})
    return facts.model_copy(update={"openings": facts.openings | {f"{ticket.name}|{ticket.date}": opening}})


def _transfer(facts: Facts, arguments: Row, row: Row, evidence: str) -> Facts:
    new = TransferFact.model_validate({**arguments, **row, "evidence": (evidence,)})
    renamed = _renamed(facts, arguments.get("origin"), new.origin)
    renamed |= _renamed(facts, arguments.get("destination"), new.destination)
    transfers = facts.transfers | {f"{new.origin}|{new.destination}": new}
    return facts.model_copy(update={"transfers": transfers, "also": renamed})


def _opening(facts: Facts, arguments: Row, row: Row, evidence: str) -> Facts:
    name, days = row.get("name", arguments.get("name")), row.get("days")
    openings = dict(facts.openings)
    for day in days if isinstance(days, list) else []:
        if isinstance(day, dict):
            new = OpeningFact.model_validate({"name": name, **day, "evidence": (evidence,)})
            openings[f"{new.name}|{new.date}"] = new
    renamed = _renamed(facts, arguments.get("name"), str(name))
    return facts.model_copy(update={"openings": openings, "also": renamed})


def _renamed(facts: Facts, asked: JsonValue, name: str) -> dict[str, str]:
    return facts.also | ({asked.strip(): name} if isinstance(asked, str) and asked.strip() != name else {})


LESSONS: Mapping[str, Callable[[Facts, Row, Row, str], Facts]] = {
    "attraction_lookup": _attraction,
    "recommend_attractions": _attraction,
    "hotel_search": _hotel,
    "restaurant_search": _restaurant,
    "ticket_availability": _ticket,
    "transfer_estimate": _transfer,
    "opening_calendar": _opening,
}
"""What is learned from each tool: (facts, its arguments, one row of its result, the step's id) to facts."""
