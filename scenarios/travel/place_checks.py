"""Checks of what was chosen: the right places, open, with tickets, in the budget, and with evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

from scenarios.travel import costs
from scenarios.travel.budget import LODGING
from scenarios.travel.compose import unknown_choices
from scenarios.travel.facts import AttractionFact, OpeningFact
from scenarios.travel.faults import Case, Fault, FaultKind, day_name
from scenarios.travel.itinerary import Day, Item, clock_time, minutes_of


def over_budget(case: Case) -> Iterator[Fault]:
    """The total is more than the budget; the fault names the dearest thing that another choice could make cheaper."""
    total, budget = case.plan.budget.total_cny, case.task.budget_cny
    if total <= budget:
        return
    name, day = _dearest(case)
    excess = total - budget
    advice = f"把花费最多的“{name}”换成更便宜的选择。" if name else "必去景点以外已没有可以省的，请提高预算。"
    yield Fault(
        check="within_budget",
        kind="over_budget",
        name=name,
        date=day,
        amount_cny=excess,
        detail=f"总费用{total}元，超出预算{budget}元共{excess}元",
        instruction=f"总费用要减少至少{excess}元：{advice}",
        is_fixable=name is not None,
    )


def budget_kept(case: Case) -> str:
    """What is left of the budget."""
    total, budget = case.plan.budget.total_cny, case.task.budget_cny
    return f"总费用{total}元，预算{budget}元，结余{budget - total}元。"


def _dearest(case: Case) -> tuple[str | None, date | None]:
    """The hotel when lodging is the largest line, else the item that costs most; must-visits stay."""
    hotel = case.plan.hotel
    largest = max(case.plan.budget.lines, key=lambda line: line.amount_cny, default=None)
    if hotel is not None and largest is not None and largest.name == LODGING:
        return hotel.name, None
    required = {case.facts.canonical(name) for name in case.task.must_visit}
    free = [(day, item) for day, item in case.items("visit", "meal") if item.name not in required]
    day, item = max(free, key=lambda pair: pair[1].cost_cny, default=(None, None))
    return (item.name, day.date) if day and item else (None, None)


def missing_visits(case: Case) -> Iterator[Fault]:
    """A place that was asked for is not in the plan."""
    visited = {item.name for _, item in case.items("visit")}
    for asked in case.task.must_visit:
        name = case.facts.canonical(asked)
        if name not in visited:
            possible = [day for day in trip_dates(case) if _can_visit(case, name, day)]
            yield _missing(name, possible)


def visits_present(case: Case) -> str:
    """The must-visits, all there."""
    return f"必去景点都已安排：{'、'.join(case.task.must_visit)}。" if case.task.must_visit else "没有指定必去景点。"


def _missing(name: str, possible: list[date]) -> Fault:
    days = "、".join(day_name(day) for day in possible)
    return Fault(
        check="must_visits_present",
        kind="missing_visit",
        name=name,
        date=possible[0] if possible else None,
        detail=f"行程中没有“{name}”" + ("" if possible else "（行程期间不开放或没有门票）"),
        instruction=f"把“{name}”安排进去，可以的日期：{days}。"
        if possible
        else f"“{name}”在行程期间都无法参观，请安排替代景点并说明。",
        is_fixable=bool(possible),
    )


def trip_dates(case: Case) -> list[date]:
    """The days that were asked for."""
    return [case.task.start_date + timedelta(days=number) for number in range(case.task.days)]


def _can_visit(case: Case, name: str, day: date) -> bool:
    """Whether nothing that is known speaks against a visit on that day."""
    opening, ticket = case.facts.opening(name, day), case.facts.ticket(name, day)
    return (opening is None or opening.open) and (ticket is None or ticket.available)


def not_open(case: Case) -> Iterator[Fault]:
    """A visit or a meal when the place is closed, or without a ticket."""
    for day, item in case.items("visit", "meal"):
        opening = case.facts.opening(item.name, day.date)
        if opening is None:
            detail = f"没有“{item.name}”{day_name(day.date)}开放时间的依据"
            advice = f"用 opening_calendar 查询“{item.name}”在{day.date}的开放时间。"
            yield _fault("open_when_visited", "no_evidence", day, item, detail, advice)
        elif not opening.open:
            yield _closed(case, day, item, opening)
        else:
            yield from _outside_hours(case, day, item, opening)
        attraction = case.facts.attraction(item.name)
        if item.kind == "visit" and attraction is not None:
            yield from _without_ticket(case, day, item, attraction)


def _fault(check: str, kind: FaultKind, day: Day, item: Item, detail: str, instruction: str) -> Fault:
    return Fault(check=check, kind=kind, name=item.name, date=day.date, detail=detail, instruction=instruction)


def _closed(case: Case, day: Day, item: Item, opening: OpeningFact) -> Fault:
    others = [day_name(other) for other in trip_dates(case) if _can_visit(case, item.name, other)]
    reason = f"（{opening.reason}）" if opening.reason else ""
    advice = f"改到{'或'.join(others)}，或换成别的。" if others else "换成别的。"
    detail = f"“{item.name}”{day_name(day.date)}不开放{reason}"
    return _fault(
        "open_when_visited", "closed", day, item, detail, f"“{item.name}”在{day_name(day.date)}不开放：{advice}"
    )


def _outside_hours(case: Case, day: Day, item: Item, opening: OpeningFact) -> Iterator[Fault]:
    start, end = minutes_of(item.start), minutes_of(item.end)
    attraction = case.facts.attraction(item.name)
    last = (attraction.last_entry_min or 0) if attraction is not None else 0
    spans = opening.spans
    if not spans or any(opens <= start <= closes - last and end <= closes for opens, closes in spans):
        return
    detail = f"“{item.name}”{day_name(day.date)}安排在{item.start}–{item.end}，开放时间是{opening.hours}"
    if last:
        detail += f"，{clock_time(spans[-1][1] - last)}停止入场"
    advice = f"{day_name(day.date)}的安排放不下“{item.name}”：把它排在当天最前，或改到别的日子，或减少当天的景点。"
    yield _fault("open_when_visited", "too_full", day, item, detail, advice)


def _without_ticket(case: Case, day: Day, item: Item, attraction: AttractionFact) -> Iterator[Fault]:
    ticket = case.facts.ticket(item.name, day.date)
    if ticket is None and not attraction.booking_days:
        return
    if ticket is None or not ticket.is_for(case.task.party):
        detail = f"“{item.name}”需要预约，还没有按{_party(case)}查询{day_name(day.date)}的门票"
        advice = f"用 ticket_availability 查询“{item.name}”{day.date}的门票，人数是{_party(case)}。"
        yield _fault("open_when_visited", "no_ticket", day, item, detail, advice)
    elif not ticket.available:
        reason = f"（{ticket.note}）" if ticket.note else ""
        detail = f"“{item.name}”{day_name(day.date)}没有门票{reason}"
        advice = f"“{item.name}”{day_name(day.date)}没有门票：改到别的日子，或换成别的景点。"
        yield _fault("open_when_visited", "no_ticket", day, item, detail, advice)


def _party(case: Case) -> str:
    children = "".join(f"、{age}岁儿童" for age in case.task.party.children)
    return f"{case.task.party.adults}位成人{children}"


def wrong_hotel(case: Case) -> Iterator[Fault]:
    """There is no hotel for the nights, or it is somewhere else than asked."""
    hotel, wanted = case.plan.hotel, case.task.hotel_district
    where = f"{wanted}的" if wanted else ""
    if case.task.nights and hotel is None:
        yield Fault(
            check="hotel_in_district",
            kind="missing_hotel",
            detail=f"{case.task.nights}晚住宿没有安排",
            instruction=f"用 hotel_search 查询并选一家{where}酒店。",
        )
    elif hotel is not None and wanted is not None and hotel.district != wanted:
        yield Fault(
            check="hotel_in_district",
            kind="hotel_district",
            name=hotel.name,
            detail=f"“{hotel.name}”在{hotel.district}，要求在{wanted}",
            instruction=f"把酒店换成{wanted}的。",
        )


def hotel_fits(case: Case) -> str:
    """Where the hotel is."""
    hotel = case.plan.hotel
    return "当天往返，不需要住宿。" if hotel is None else f"“{hotel.name}”在{hotel.district}，住{hotel.nights}晚。"


def repeats(case: Case) -> Iterator[Fault]:
    """The same attraction twice, or the same restaurant too often."""
    times: Counter[str] = Counter()
    for day, item in case.items("visit", "meal"):
        times[item.name] += 1
        allowed = 1 if item.kind == "visit" else case.limits.meals_at_restaurant
        if times[item.name] > allowed:
            detail = f"“{item.name}”安排了不止{allowed}次"
            advice = f"{day_name(day.date)}的“{item.name}”前面已经去过，换成别的。"
            yield _fault("no_repeats", "repeated", day, item, detail, advice)


def without_evidence(case: Case) -> Iterator[Fault]:
    """Something was chosen or priced that no step has told."""
    for number, name in unknown_choices(case.choices, case.facts):
        when = None if number is None else case.choices.days[number].date
        yield _unbacked(name, when, f"“{name}”没有查询依据", f"先用工具查询“{name}”，或换成查询到的。")
    for day, item in case.items("visit", "meal", "transfer"):
        if not item.evidence:
            yield _unbacked(item.name, day.date, f"“{item.name}”没有查询依据", f"先用工具查询“{item.name}”。")
        elif not costs.has_price(item, case.facts, case.task.party, day.date):
            yield _unbacked(item.name, day.date, f"“{item.name}”的价格没有依据", f"查询“{item.name}”的价格，或换一个。")
    hotel = case.plan.hotel
    if hotel is not None and not hotel.evidence:
        yield _unbacked(hotel.name, None, f"“{hotel.name}”没有查询依据", "用 hotel_search 查询酒店。")


def _unbacked(name: str, day: date | None, detail: str, instruction: str) -> Fault:
    return Fault(
        check="evidence_complete", kind="no_evidence", name=name, date=day, detail=detail, instruction=instruction
    )
