"""When an attraction is open: seasons, weekdays of closing, public holidays and the working days that make up for them.

Public holidays are those of the State Council, from the `chinesecalendar` package, which knows them up to the end of
the last year that was announced. For later years weekdays decide alone, and the result says so.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from functools import cache
from typing import Literal

from tools.travel.places import Attraction

SUMMER_MONTHS = range(4, 11)
"""April to October: the months of summer hours and summer prices."""

_WEEKDAYS = "一二三四五六日"

_HOLIDAYS = {
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节",
    "Mid-autumn Festival": "中秋节",
    "National Day": "国庆节",
}

DayKind = Literal["workday", "weekend", "holiday", "makeup_workday"]


@dataclass(frozen=True)
class DayType:
    """What the public calendar says about a day."""

    kind: DayKind
    holiday: str | None = None
    """The holiday's name (春节), also for the working days that make up for it."""
    is_announced: bool = True
    """False when the year's holidays are not known yet and the weekday decided alone."""


@dataclass(frozen=True)
class DayOpening:
    """One day of an attraction."""

    date: datetime.date
    weekday: str
    """周一 to 周日."""
    day_kind: DayKind
    open: bool
    hours: str | None
    """ "08:30-17:00"; None when closed or unknown."""
    last_entry: str | None
    """ "16:00"; None when closed or unknown."""
    reason: str | None
    """Why it is closed, or what is special about the day."""


def weekday_name(day: datetime.date) -> str:
    """周一 to 周日."""
    return f"周{_WEEKDAYS[day.weekday()]}"


@cache
def announced_years() -> range:
    """The years whose public holidays are known."""
    from chinese_calendar import constants  # loaded when a day is first asked for

    years = {day.year for day in constants.holidays}
    return range(min(years), max(years) + 1)


def day_type(day: datetime.date) -> DayType:
    """What kind of day it is in China."""
    usual: DayKind = "weekend" if day.weekday() >= 5 else "workday"
    if day.year not in announced_years():
        return DayType(usual, is_announced=False)
    from chinese_calendar import constants

    if day in constants.workdays:
        return DayType("makeup_workday", _holiday_name(constants.workdays[day]))
    if day in constants.holidays:
        return DayType("holiday", _holiday_name(constants.holidays[day]))
    return DayType(usual)


def opening(attraction: Attraction, day: datetime.date) -> DayOpening:
    """Whether and when the attraction is open on a day."""
    kind = day_type(day)
    reason = _closing_reason(attraction, day, kind)
    hours = season_hours(attraction, day) if reason is None else None
    return DayOpening(
        date=day,
        weekday=weekday_name(day),
        day_kind=kind.kind,
        open=reason is None,
        hours=hours,
        last_entry=_last_entry(attraction, hours),
        reason=reason or _remark(attraction, day, kind, hours),
    )


def next_open(attraction: Attraction, day: datetime.date, within_days: int = 30) -> datetime.date | None:
    """The first open day after `day`, or None."""
    later = (day + datetime.timedelta(days=ahead) for ahead in range(1, within_days + 1))
    return next((each for each in later if opening(attraction, each).open), None)


def is_summer(day: datetime.date) -> bool:
    """Whether summer hours and prices hold."""
    return day.month in SUMMER_MONTHS


def season_hours(attraction: Attraction, day: datetime.date) -> str | None:
    """The opening hours of the season; those of the other season where only they are known."""
    seasons = (attraction.hours_summer, attraction.hours_winter)
    first, second = seasons if is_summer(day) else reversed(seasons)
    return first or second


def calendar_note(first: datetime.date, last: datetime.date) -> str | None:
    """A word of warning when public holidays of these days are not known."""
    unknown = sorted({day.year for day in (first, last) if day.year not in announced_years()})
    if not unknown:
        return None
    years = "、".join(str(year) for year in unknown)
    return f"{years}年的节假日安排没有收录，开放情况只按星期推算，请出行前核实"


def _holiday_name(english: str) -> str:
    return _HOLIDAYS.get(english, english)


def _closing_reason(attraction: Attraction, day: datetime.date, kind: DayType) -> str | None:
    if day.isoweekday() not in attraction.closed_weekdays:
        return None
    if kind.kind != "holiday":
        return f"每{weekday_name(day)}闭馆"
    if attraction.open_on_holidays:
        return None
    known = "节假日也不开放" if attraction.open_on_holidays is False else f"{kind.holiday}是否开放不详"
    return f"每{weekday_name(day)}闭馆，{known}"


def _remark(attraction: Attraction, day: datetime.date, kind: DayType, hours: str | None) -> str | None:
    remarks: list[str] = []
    if kind.kind == "holiday":
        is_exception = day.isoweekday() in attraction.closed_weekdays
        remarks.append(f"{kind.holiday}假期" + (f"，{weekday_name(day)}照常开放" if is_exception else ""))
    if kind.kind == "makeup_workday":
        remarks.append(f"{kind.holiday}调休上班日")
    if hours is None:
        remarks.append("开放时间不详")
    return "；".join(remarks) or None


def _last_entry(attraction: Attraction, hours: str | None) -> str | None:
    if hours is None or attraction.last_entry_min is None:
        return None
    closes_hour, closes_minute = hours.split("-")[-1].split(":")
    minutes = max(0, int(closes_hour) * 60 + int(closes_minute) - attraction.last_entry_min)
    return f"{minutes // 60:02}:{minutes % 60:02}"
