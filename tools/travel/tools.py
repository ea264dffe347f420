"""The eight travel tools over one catalogue: thin wrappers, the work is in the pure modules beside this one.

Fallbacks, asked when a tool itself fails: ticket_availability → opening_calendar (open or not, without prices) →
attraction_lookup (the general hours and prices). The others have none: no other tool answers their question.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Annotated, Unpack

from autogen_core.tools import Tool
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic_core import to_jsonable_python
from typing_extensions import TypedDict

from runtime import clock
from tools.errors import ToolFault
from tools.outcome import ToolRetry
from tools.spec import Fallback, Match
from tools.tool import ToolOptions, tool
from tools.travel import search
from tools.travel.catalogue import Catalogue
from tools.travel.opening import DayOpening, calendar_note, opening, weekday_name
from tools.travel.places import CATEGORIES, Category
from tools.travel.tickets import TicketOffer, ticket_offer
from tools.travel.transfer import Transfer, transfer

_BEIJING_TIME = datetime.timezone(datetime.timedelta(hours=8))
_CODES = ("not_found", "unavailable")
_TICKET_CODES = ("not_found", "sold_out", "closed", "out_of_range", "unavailable")
_CATEGORY_WORDS = {
    "博物馆": "museum", "展览": "museum", "宫殿": "palace", "古迹": "palace", "公园": "park", "园林": "garden",
    "植物园": "garden", "动物园": "zoo", "水族馆": "zoo", "海洋馆": "zoo", "科技": "science", "科技馆": "science",
    "科学": "science", "天文馆": "science", "游乐园": "theme_park", "主题公园": "theme_park", "乐园": "theme_park",
    "寺庙": "temple", "街区": "street", "步行街": "street", "长城": "great_wall", "地标": "landmark", "演出": "show",
    "自然": "nature", "山": "nature",
}  # fmt: skip

AttractionName = Annotated[str, Field(description="Name of the attraction, e.g. 故宫博物院")]
PlaceName = Annotated[str, Field(description="Name of an attraction, hotel, restaurant or district")]
DistrictName = Annotated[str | None, Field(description="District, e.g. 东城区; null for the whole city")]
Limit = Annotated[int, Field(ge=1, le=20, description="At most so many results")]
MaxPrice = Annotated[int | None, Field(ge=0, description="Highest price in CNY; null for any")]


class BudgetLine(BaseModel):
    """One item of a budget."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(description="What it is for, e.g. 门票")]
    amount_cny: Annotated[float, Field(description="The amount in CNY, negative for a refund")]


class BudgetSum(TypedDict):
    """The lines and their sum."""

    total_cny: float
    lines: list[BudgetLine]


class OpeningCalendar(TypedDict):
    """Consecutive days of one attraction."""

    name: str
    days: list[DayOpening]
    note: str | None
    source: str


class Places(TypedDict, total=False):
    """Found places under the name of their kind."""

    attractions: list[dict[str, JsonValue]]
    hotels: list[dict[str, JsonValue]]
    restaurants: list[dict[str, JsonValue]]


def travel_tools(catalogue: Catalogue) -> list[Tool]:
    """The travel family, in the order in which a trip needs it. All only read."""
    desk = _Desk(catalogue)
    attraction = {"name": catalogue.match_attraction}
    fits = {"district": catalogue.match_district, "category": _match_category}
    near = {"near": catalogue.match_place, "cuisine": catalogue.match_cuisine}
    ends = {"origin": catalogue.match_place, "destination": catalogue.match_place}
    to_calendar = Fallback("opening_calendar", rename={"date": "start_date"})
    return [
        _reading(desk.attraction_lookup, repairers=attraction),
        _reading(desk.recommend_attractions, repairers=fits),
        _reading(desk.ticket_availability, repairers=attraction, fallback=to_calendar, error_codes=_TICKET_CODES),
        _reading(desk.opening_calendar, repairers=attraction, fallback="attraction_lookup"),
        _reading(desk.hotel_search, repairers={"district": catalogue.match_district}),
        _reading(desk.restaurant_search, repairers=near),
        _reading(desk.transfer_estimate, repairers=ends),
        _reading(desk.budget_sum),
    ]


def _reading(function: Callable[..., object], **more: Unpack[ToolOptions]) -> Tool:
    options: ToolOptions = {"effect": "read", "timeout_s": 5.0, "error_codes": _CODES}
    options.update(more)
    return tool(function, **options)


class _Desk:
    """The tools' functions; async, so that they run where they are called and not in a thread."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def attraction_lookup(self, name: AttractionName) -> dict[str, JsonValue]:
        """Facts about one attraction: address, hours, closing days, ticket prices, length of a visit, for families."""
        return self._catalogue.attraction(name).facts()

    async def recommend_attractions(
        self,
        child_age: Annotated[
            int | None, Field(ge=0, le=17, description="Age of the youngest child; null if none")
        ] = None,
        district: DistrictName = None,
        category: Annotated[Category | None, Field(description="Kind of attraction; null for any")] = None,
        limit: Limit = 8,
    ) -> Places | ToolRetry:
        """Attractions that suit a family, the most child-friendly first."""
        found = search.recommended(self._catalogue, child_age, district, category)
        if not found:
            return ToolRetry("no attraction fits; ask without district or category", code="not_found")
        return {"attractions": [row.facts() for row in found[:limit]]}

    async def ticket_availability(
        self,
        name: AttractionName,
        date: Annotated[datetime.date, Field(description="Day of the visit, YYYY-MM-DD")],
        adults: Annotated[int, Field(ge=0, le=50, description="Number of adults")] = 2,
        child_ages: Annotated[
            list[Annotated[int, Field(ge=0, le=17)]], Field(max_length=20, description="Age of each child")
        ] = [],  # noqa: B006 - never changed
    ) -> TicketOffer | ToolRetry:
        """Whether there are tickets for a day, what they cost the party, and from when they can be booked."""
        if adults + len(child_ages) == 0:
            return ToolRetry("adults: found 0 and no children, expected at least one visitor")
        today = clock.now().astimezone(_BEIJING_TIME).date()
        offer = ticket_offer(self._catalogue.attraction(name), date, adults, child_ages, today)
        if not offer.available:
            raise ToolFault("closed", _closed_message(offer), value=_as_json(offer))
        return offer

    async def opening_calendar(
        self,
        name: AttractionName,
        start_date: Annotated[datetime.date, Field(description="First day, YYYY-MM-DD")],
        days: Annotated[int, Field(ge=1, le=31, description="How many days")] = 7,
    ) -> OpeningCalendar:
        """Per day: open or closed, hours, last entry and why, with public holidays and closing weekdays."""
        row = self._catalogue.attraction(name)
        dates = [start_date + datetime.timedelta(days=ahead) for ahead in range(days)]
        note = calendar_note(dates[0], dates[-1])
        return {"name": row.name, "days": [opening(row, day) for day in dates], "note": note, "source": row.source}

    async def hotel_search(
        self,
        district: DistrictName = None,
        max_price_cny: MaxPrice = None,
        family_room: Annotated[bool | None, Field(description="true: only hotels with family rooms")] = None,
        limit: Limit = 5,
    ) -> Places | ToolRetry:
        """Hotels by district, price per room and night, and family rooms; the best rated first."""
        found = search.hotels(self._catalogue, district, max_price_cny, bool(family_room))
        if not found:
            return ToolRetry(self._no_hotel(district, bool(family_room)), code="not_found")
        return {"hotels": [row.facts() for row in found[:limit]]}

    async def restaurant_search(
        self,
        near: PlaceName,
        cuisine: Annotated[str | None, Field(description="Cuisine, e.g. 烤鸭; null for any")] = None,
        max_price_cny: MaxPrice = None,
        limit: Limit = 5,
    ) -> Places | ToolRetry:
        """Restaurants near a place, the nearest first, with prices per person; in a district the best rated first."""
        found = search.restaurants_near(self._catalogue, near, cuisine, max_price_cny)
        if not found:
            return ToolRetry(f"no restaurant fits near {near}; ask without cuisine or price", code="not_found")
        rows = [each.restaurant.facts() | {"distance_km": each.distance_km} for each in found[:limit]]
        return {"restaurants": rows}

    async def transfer_estimate(self, origin: PlaceName, destination: PlaceName) -> Transfer:
        """About how long the way between two places takes, by which mode, and what it costs."""
        return transfer(self._catalogue.place(origin), self._catalogue.place(destination))

    async def budget_sum(
        self, lines: Annotated[list[BudgetLine], Field(min_length=1, max_length=200, description="Items to add up")]
    ) -> BudgetSum:
        """Adds up the amounts of a budget, in CNY."""
        return {"total_cny": round(sum(line.amount_cny for line in lines), 2), "lines": lines}

    def _no_hotel(self, district: str | None, family_room: bool) -> str:
        where = district or "the city"
        affordable = search.hotels(self._catalogue, district, None, family_room)
        if not affordable:
            return f"no hotel in {where} fits; ask for another district or without family_room"
        cheapest = min(row.price_cny for row in affordable)
        return f"no hotel in {where} fits; max_price_cny must be at least {cheapest} there"


def _match_category(text: str) -> Match:
    word = text.strip().casefold().replace(" ", "_")
    if word in CATEGORIES:
        return Match(word)
    found = {kind for chinese, kind in _CATEGORY_WORDS.items() if chinese == text.strip().removesuffix("类")}
    return Match(found.pop()) if len(found) == 1 else Match(None, CATEGORIES)


def _closed_message(offer: TicketOffer) -> str:
    after = f"; it is open on {offer.next_open}" if offer.next_open else ""
    return f"{offer.name} is closed on {offer.date} ({weekday_name(offer.date)}): {offer.reason}{after}"


def _as_json(offer: TicketOffer) -> JsonValue:
    value: JsonValue = to_jsonable_python(offer)
    return value
