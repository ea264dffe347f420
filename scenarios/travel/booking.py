"""A trip that is also booked: when all checks have passed, the model says what, and the desk's tools book it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from autogen_core.tools import ToolSchema
from pydantic import JsonValue

from agents.domain import Decision
from agents.messages import Call, Finding, JsonObject, Scene
from scenarios.travel import schemas
from scenarios.travel.domain import TravelDomain
from scenarios.travel.itinerary import TripPlan
from scenarios.travel.view import View
from scenarios.travel.wording import brief, plan_lines

KEY = "booking"

BOOKING_TOOLS = ("hold_hotel_room", "release_hotel_room", "issue_tickets")


class BookingTravelDomain(TravelDomain):
    """Family trips whose room is held and whose tickets are bought; implements `agents.domain.Booking` as well."""

    def planning(self, scene: Scene, tools: Sequence[ToolSchema], limit: int) -> Decision:
        """See `agents.domain.Planning`; nothing is booked before the plan is made."""
        return super().planning(scene, [tool for tool in tools if tool["name"] not in BOOKING_TOOLS], limit)

    def booking(self, scene: Scene, plan: JsonObject) -> Decision | None:
        """What to book of the plan: the room, and tickets for which visits. None when nothing can be booked."""
        trip = TripPlan.model_validate(plan)
        visits = [name for name, _, _ in _visits(trip)]
        if trip.hotel is None and not visits:
            return None
        room: list[bool] = [True, False] if trip.hotel is not None else [False]
        names = schemas.listed(schemas.one_of([*visits]), 0, len(visits)) if visits else schemas.exactly()
        return Decision(
            key=KEY,
            prompt="book",
            values={"task": brief(View(scene).task), "plan": plan_lines(trip)},
            schema=schemas.closed({"hold_room": schemas.one_of([*room]), "tickets": names}),
        )

    def bookings(self, scene: Scene, plan: JsonObject, answer: JsonObject) -> tuple[Call, ...]:
        """The calls that book what was decided, the room first."""
        return tuple(_calls(TripPlan.model_validate(plan), View(scene).task.party.size, answer))

    def booked(self, result: JsonObject, findings: Sequence[Finding]) -> JsonObject:
        """The result with what was booked and what was not."""
        facts: list[JsonValue] = [
            {"tool": fact.tool, "status": "booked", "booking": fact.value, "evidence": fact.evidence}
            for finding in findings
            for fact in finding.facts
        ]
        failures: list[JsonValue] = [
            {"tool": failed.tool, "status": failed.code, "arguments": failed.arguments, "message": failed.message}
            for finding in findings
            for failed in finding.failures
        ]
        return {**result, "bookings": [*facts, *failures]}

    def pages(self, result: JsonValue, steps: Mapping[str, tuple[str, str]]) -> Mapping[str, str]:
        """The trip's pages, with the bookings at the end of plan.md."""
        if not isinstance(result, dict) or not isinstance(found := result.get("bookings"), list):
            return super().pages(result, steps)
        trip: JsonValue = {name: value for name, value in result.items() if name != "bookings"}
        pages = super().pages(trip, steps)
        lines = [_booking_line(booking) for booking in found if isinstance(booking, dict)]
        if not (pages and lines):
            return pages
        return {**pages, "plan.md": "\n".join([pages["plan.md"].rstrip(), "", "## 预订", "", *lines, ""])}


_WORDS = {"hold_hotel_room": "留房", "issue_tickets": "门票"}


def _booking_line(booking: JsonObject) -> str:
    """One booking, or why there is none, for people."""
    what = _WORDS.get(str(booking["tool"]), str(booking["tool"]))
    made = booking.get("booking")
    if isinstance(made, dict):
        return f"- {what}：{made['what']}，{made['price_cny']}元（编号 {made['reference']}）"
    return f"- {what}：没有预订（{booking['message']}）"


def _calls(trip: TripPlan, party: int, answer: JsonObject) -> Iterator[Call]:
    if trip.hotel is not None and answer.get("hold_room"):
        hotel = trip.hotel
        yield Call(
            tool="hold_hotel_room",
            arguments={
                "hotel": hotel.name,
                "arrival": trip.days[0].date.isoformat(),
                "nights": hotel.nights,
                "price_cny": hotel.nights * hotel.price_per_night_cny,
            },
        )
    wanted = answer.get("tickets")
    for name, day, cost in _visits(trip):
        if isinstance(wanted, list) and name in wanted:
            arguments: JsonObject = {"name": name, "date": day, "tickets": party, "price_cny": cost}
            yield Call(tool="issue_tickets", arguments=arguments)


def _visits(trip: TripPlan) -> Iterator[tuple[str, str, int]]:
    """The visits that cost something: name, day, price for the party."""
    for day in trip.days:
        yield from (
            (item.name, day.date.isoformat(), item.cost_cny)
            for item in day.items
            if item.kind == "visit" and item.cost_cny > 0
        )
