"""Reads a day out of a person's words; the year comes from today's date, never from a model."""

from __future__ import annotations

import re
from datetime import date, timedelta

_WHOLE = re.compile(r"(\d{4})\s*[-年/.]\s*(\d{1,2})\s*[-月/.]\s*(\d{1,2})")
_DAY = re.compile(r"(\d{1,2})\s*[月/.-]\s*(\d{1,2})")
_WEEKDAY = re.compile(r"(下{0,2})(?:个)?(?:周|星期|礼拜)([一二三四五六日天])")
_NEAR = {"今天": 0, "明天": 1, "后天": 2, "大后天": 3}
_WEEKDAYS = "一二三四五六日"


def read_day(text: str, today: date) -> date | None:
    """The day that the text names, in the future of `today` where it leaves the year open; None when it names none.

    Knows 2026-12-05, 2026年12月5日, 12月5日, 12/5, 今天, 明天, 后天, 周六 and 下周六.
    """
    if whole := _WHOLE.search(text):
        return _made(int(whole[1]), int(whole[2]), int(whole[3]))
    if day := _DAY.search(text):
        return _next(int(day[1]), int(day[2]), today)
    for word in sorted(_NEAR, key=len, reverse=True):
        if word in text:
            return today + timedelta(days=_NEAR[word])
    if weekday := _WEEKDAY.search(text):
        return _weekday(len(weekday[1]), _WEEKDAYS.index(weekday[2].replace("天", "日")), today)
    return None


def _made(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _next(month: int, day: int, today: date) -> date | None:
    """The next such day, today included; 29 February may be years ahead."""
    for year in range(today.year, today.year + 9):
        found = _made(year, month, day)
        if found is not None and found >= today:
            return found
    return None


def _weekday(weeks: int, weekday: int, today: date) -> date:
    """周六 is the next one from today on; 下周六 is in the calendar week after this one."""
    if weeks == 0:
        return today + timedelta(days=(weekday - today.weekday()) % 7)
    return today + timedelta(days=7 * weeks - today.weekday() + weekday)
