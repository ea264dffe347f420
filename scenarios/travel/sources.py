"""Says in a line what a tool was asked and what it answered, for the evidence section of the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pydantic import JsonValue

from scenarios.travel.facts import StepSource

Row = Mapping[str, JsonValue]

SHOWN_NAMES = 8
"""So many of the places that a search found are named."""


def step_source(tool: str, arguments: Row, rows: Sequence[Row]) -> StepSource:
    """The source of what `tool` returned for these arguments."""
    tell = SUMMARIES.get(tool)
    return StepSource(tool=tool, summary=tell(arguments, rows) if tell and rows else "")


def _attraction(arguments: Row, rows: Sequence[Row]) -> str:
    source = rows[0].get("source")
    return f"{_name(arguments, rows)}的开放时间、票价和参观时长" + (f"（{source}）" if source else "")


def _places(arguments: Row, rows: Sequence[Row]) -> str:
    asked = "，".join(str(arguments[key]) for key in ("near", "district", "category", "cuisine") if arguments.get(key))
    names = "、".join(str(row.get("name")) for row in rows[:SHOWN_NAMES])
    more = "等" if len(rows) > SHOWN_NAMES else ""
    return f"{asked}：{names}{more} {len(rows)} 处" if asked else f"{names}{more} {len(rows)} 处"


def _ticket(arguments: Row, rows: Sequence[Row]) -> str:
    offer = rows[0]
    which = f"{_name(arguments, rows)} {offer.get('date', arguments.get('date', ''))}"
    if not offer.get("available"):
        return f"{which}：没有门票" + (f"（{offer['note']}）" if offer.get("note") else "")
    return f"{which}：有票" + ("" if offer.get("total_cny") is None else f"，共 {offer['total_cny']} 元")


def _opening(arguments: Row, rows: Sequence[Row]) -> str:
    days = rows[0].get("days")
    count = len(days) if isinstance(days, list) else 0
    first = arguments.get("start_date", arguments.get("date", ""))
    return f"{_name(arguments, rows)} {first} 起 {count} 天的开放情况"


def _transfer(arguments: Row, rows: Sequence[Row]) -> str:
    way = {**arguments, **rows[0]}
    return f"{way.get('origin')} → {way.get('destination')}：{way.get('mode') or ''} {way.get('minutes')} 分钟"


def _name(arguments: Row, rows: Sequence[Row]) -> str:
    return str(rows[0].get("name") or arguments.get("name") or "")


SUMMARIES: Mapping[str, Callable[[Row, Sequence[Row]], str]] = {
    "attraction_lookup": _attraction,
    "recommend_attractions": _places,
    "hotel_search": _places,
    "restaurant_search": _places,
    "ticket_availability": _ticket,
    "transfer_estimate": _transfer,
    "opening_calendar": _opening,
}
"""How each tool's answer is told."""
