"""Reads single cells of the CrossWOZ databases: address, opening hours, length of visit. Pure; used by crosswoz.py.

What a cell does not say clearly is None or empty, which the travel data reads as unknown; nothing is invented here.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

DISTRICT_CENTRES: Final[Mapping[str, tuple[float, float]]] = {
    "东城区": (39.9284, 116.4162),
    "西城区": (39.9123, 116.3659),
    "朝阳区": (39.9219, 116.4434),
    "海淀区": (39.9593, 116.2981),
    "丰台区": (39.8585, 116.2868),
    "石景山区": (39.9066, 116.2229),
    "门头沟区": (39.9404, 116.1020),
    "房山区": (39.7477, 116.1430),
    "通州区": (39.9099, 116.6565),
    "顺义区": (40.1300, 116.6544),
    "昌平区": (40.2207, 116.2312),
    "大兴区": (39.7267, 116.3414),
    "怀柔区": (40.3160, 116.6320),
    "平谷区": (40.1406, 117.1214),
    "密云区": (40.3763, 116.8430),
    "延庆区": (40.4567, 115.9747),
}
"""The sixteen districts of Beijing with the place of their seat, degrees north and east."""

MERGED: Final = {"崇文区": "东城区", "宣武区": "西城区"}
"""Districts that were merged into others in 2010 and still stand in some addresses."""

WHOLE_DAY_MIN: Final = 360
"""A visit that CrossWOZ measures in days or in twelve hours and more fills a day's opening hours."""

ALL_DAY: Final = "00:00-23:59"

_DISTRICT = re.compile("(" + "|".join([*(name[:-1] for name in DISTRICT_CENTRES), "崇文", "宣武"]) + ")[区县]")
_STREET = re.compile(r"[\u4e00-\u9fff]{2,}?(?:大街|街|路|胡同|镇|乡)")
_SPAN = re.compile(r"(\d{1,2})[:：](\d{2})\s*(?:-+|–|—+|－|~|至)\s*(?:次日)?(\d{1,2})[:：](\d{2})")
_DAYS = re.compile(r"周[一二三四五六日](?:\s*[至\-,]\s*周[一二三四五六日])*")
_LENGTH = re.compile(r"([\d.]+)\s*(小时|天)")
_WEEKDAYS: Final = "一二三四五六日"


class OpeningHours(NamedTuple):
    """When a place is open in the words of the travel data; empty cells are unknown."""

    span: str
    """`HH:MM-HH:MM`, or empty."""
    closed_weekdays: str
    """ISO numbers separated by `;`, or empty."""


def district_in(address: str) -> str | None:
    """The present district that the address names, or None."""
    found = _DISTRICT.search(address)
    if found is None:
        return None
    name = f"{found.group(1)}区"
    return MERGED.get(name, name)


def street_in(address: str) -> str | None:
    """The first street, lane or town that the address names, without city and district, or None."""
    rest = _DISTRICT.sub("", address.removeprefix("北京市").removeprefix("北京").replace("北京市", ""))
    found = _STREET.search(rest)
    return found.group() if found else None


def station_in(metro: str | None) -> str | None:
    """The metro station without its exit: 灯市口 for 灯市口地铁站A口."""
    return metro.split("地铁站")[0].strip() or None if metro else None


def visit_minutes(text: str) -> int | None:
    """The middle of a length such as `2小时 - 4小时`, in minutes, at most a day's visit; None for nothing or zero."""
    lengths = [float(number) * (60 if unit == "小时" else 24 * 60) for number, unit in _LENGTH.findall(text)]
    if not lengths or max(lengths) <= 0:
        return None
    return min(max(round(sum(lengths) / len(lengths)), 10), WHOLE_DAY_MIN)


def opening_hours(text: str) -> OpeningHours:
    """Hours that hold on all open days of the year; unknown for afternoon breaks and for what closes in a season."""
    usual = text.split("非营业")[0]
    days = _DAYS.findall(usual)
    if "季" in usual and any(season not in usual for season in "春夏秋冬"):
        return OpeningHours("", "")
    return OpeningHours(_span(usual, max(1, len(days))), _closed(days))


def _span(text: str, groups: int) -> str:
    """The hours common to `groups` groups of days, if each has exactly one span of hours."""
    spans = [_clock_span(*found) for found in _SPAN.findall(text)]
    if not spans and any(word in text for word in ("全天", "24小时", "二十四小时")):
        return ALL_DAY
    if len(spans) != groups or "" in spans:
        return ""
    start, end = max(span[:5] for span in spans), min(span[6:] for span in spans)
    return f"{start}-{end}" if start < end else ""


def _clock_span(hour: str, minute: str, end_hour: str, end_minute: str) -> str:
    """`HH:MM-HH:MM`, cut at midnight; empty for times that no clock shows."""
    if int(hour) > 23 or int(end_hour) > 24 or int(minute) > 59 or int(end_minute) > 59:
        return ""
    start, end = f"{int(hour):02d}:{minute}", f"{int(end_hour):02d}:{end_minute}"
    return f"{start}-{'23:59' if end <= start or end >= '24:00' else end}"


def _closed(groups: Sequence[str]) -> str:
    """The weekdays that no group of days mentions, as ISO numbers; empty when nothing is mentioned."""
    open_days = {day for group in groups for day in _weekdays(group)}
    return ";".join(str(day) for day in range(1, 8) if open_days and day not in open_days)


def _weekdays(group: str) -> set[int]:
    """The ISO numbers of a group such as `周一,周三至周日`."""
    days: set[int] = set()
    for part in group.split(","):
        numbers = [_WEEKDAYS.index(char) + 1 for char in part if char in _WEEKDAYS]
        days.update(range(numbers[0], numbers[-1] + 1))
    return days
