"""What the model decides about a trip: names and their order, never times or sums."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict

from scenarios.travel.itinerary import Name


class _Choice(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DayChoice(_Choice):
    """One day's decisions."""

    date: date
    visits: tuple[Name, ...] = ()
    """The attractions in the order in which they are visited."""
    lunch: Name | None = None
    """The restaurant for lunch."""
    dinner: Name | None = None
    """The restaurant for dinner."""


class Choices(_Choice):
    """All decisions about one trip."""

    days: tuple[DayChoice, ...] = ()
    hotel: Name | None = None
    """The hotel for all nights."""
