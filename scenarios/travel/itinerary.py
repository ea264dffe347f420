"""What a trip is: the task, the plan, its checks and the whole result, exactly as result.json shows them.

Everything here is a frozen fact without behaviour beyond validation; the scheduler, the budget, the checks and the
pages are functions over these models. Unknown fields, times that are no times, negative sums and fractions of a yuan
are refused. Sums are whole yuan (CNY).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Yuan = Annotated[int, Field(strict=True, ge=0)]
Count = Annotated[int, Field(strict=True, ge=0)]
Age = Annotated[int, Field(strict=True, ge=0, le=17)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
ClockTime = Annotated[str, StringConstraints(pattern=r"^\d{2,3}:[0-5]\d$")]
"""A time of the day as "HH:MM". What runs past midnight counts on, "25:10", as in timetables (GTFS does the same), so
that a day that does not fit can be shown and criticised instead of being bent."""

ItemKind = Literal["visit", "meal", "transfer", "rest"]
RunStatus = Literal["done", "failed"]


def minutes_of(time: str) -> int:
    """The minutes from midnight to `time` ("HH:MM"). Raises: ValueError when it is no time."""
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def clock_time(minutes: int) -> str:
    """The "HH:MM" that is `minutes` after midnight; counts on past 24:00."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Party(_Fact):
    """Who travels."""

    adults: Annotated[int, Field(strict=True, ge=1, le=20)]
    """Grown-ups, 18 and older."""
    children: tuple[Age, ...] = ()
    """The age in years of each child."""

    @property
    def size(self) -> int:
        """Heads, children included."""
        return self.adults + len(self.children)

    @property
    def youngest(self) -> int | None:
        """The age of the youngest child; None without children."""
        return min(self.children, default=None)


class TripTask(_Fact):
    """What was asked for."""

    destination: Name
    """The city."""
    days: Annotated[int, Field(strict=True, ge=1, le=30)]
    """Days of the trip, the first and the last included."""
    budget_cny: Yuan
    """The most that the whole party may spend."""
    party: Party
    must_visit: tuple[Name, ...] = ()
    """Names of the places that the plan must contain."""
    start_date: date
    """The first day."""
    hotel_district: Name | None = None
    """The district that the hotel should be in; None when any will do."""
    wishes: tuple[Name, ...] = ()
    """Everything else that was asked for, in the person's words."""

    @property
    def nights(self) -> int:
        """Nights in a hotel: one fewer than days."""
        return self.days - 1


class Item(_Fact):
    """One stretch of a day."""

    kind: ItemKind
    name: Name
    """The attraction, the restaurant, the route or the rest."""
    start: ClockTime
    end: ClockTime
    cost_cny: Yuan = 0
    """For the whole party."""
    evidence: tuple[str, ...] = ()
    """The ids of the steps that the name, the times and the cost come from."""

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if minutes_of(self.end) < minutes_of(self.start):
            raise ValueError(f"{self.name} ends at {self.end}, before it starts at {self.start}")
        return self


class Day(_Fact):
    """One day's items in their order."""

    date: date
    items: tuple[Item, ...] = ()


class HotelStay(_Fact):
    """Where the party sleeps, for the whole trip."""

    name: Name
    district: Name
    nights: Count
    price_per_night_cny: Yuan
    """For all rooms of the party."""
    evidence: tuple[str, ...] = ()


class BudgetLine(_Fact):
    """One kind of cost."""

    name: Name
    amount_cny: Yuan
    evidence: tuple[str, ...] = ()
    """The ids of the steps that the amount was summed from."""


class Budget(_Fact):
    """The costs of the whole trip; the total is the sum of the lines."""

    total_cny: Yuan
    lines: tuple[BudgetLine, ...] = ()

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(line.amount_cny for line in self.lines)
        if total != self.total_cny:
            raise ValueError(f"the lines sum to {total} CNY, the total says {self.total_cny}")
        return self


class TripPlan(_Fact):
    """The plan that the person gets."""

    days: tuple[Day, ...] = ()
    hotel: HotelStay | None = None
    """None for a trip without a night, or when no hotel was found."""
    budget: Budget
    notes: tuple[str, ...] = ()


class Check(_Fact):
    """One computed check of a plan."""

    name: Name
    passed: bool
    detail: str
    """What was found, in the language of the plan."""


class Usage(_Fact):
    """What the run took."""

    model_calls: Count = 0
    input_tokens: Count = 0
    output_tokens: Count = 0
    tool_calls: Count = 0
    wall_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Seconds from the request to the plan."""


class TripResult(_Fact):
    """result.json."""

    run: Name
    status: RunStatus
    task: TripTask
    plan: TripPlan
    checks: tuple[Check, ...] = ()
    usage: Usage = Usage()
