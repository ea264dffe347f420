"""The end of a request: what is said beside the plan, the whole result, and what is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from agents.domain import Conclusion
from agents.messages import JsonObject
from scenarios.travel.faults import day_name
from scenarios.travel.itinerary import Check, TripPlan, TripResult, Usage
from scenarios.travel.view import View

UNNAMED_RUN = "run"
"""Stands for the run's id, which the caller of the team puts in."""


def notes(view: View) -> tuple[str, ...]:
    """What the person should know of refused tickets, and what became of the visits."""
    return tuple(_refusals(view))


def _refusals(view: View) -> Iterator[str]:
    """For each must-visit that was refused: on which days, and whether it was moved or replaced."""
    for asked in view.task.must_visit:
        name = view.facts.canonical(asked)
        refused = [day for day in view.dates if (ticket := view.facts.ticket(name, day)) and not ticket.available]
        if refused and any(_is_sold_out(view, name, day) for day in refused):
            days = "、".join(day_name(day) for day in refused)
            yield f"“{name}”{days}没有门票，{_instead(view, name)}"


def _is_sold_out(view: View, name: str, day: date) -> bool:
    """Whether there is no ticket although the place is open."""
    ticket = view.facts.ticket(name, day)
    opening = view.facts.opening(name, day)
    return ticket is not None and not ticket.available and (opening is None or opening.open)


def _instead(view: View, name: str) -> str:
    moved = [day.date for day in view.choices.days if name in day.visits]
    if moved:
        return f"已安排在{day_name(moved[0])}。"
    other = view.facts.canonical(view.alternatives.get(name, ""))
    return f"按预案改为“{other}”。" if other in view.visited() else "行程中没有安排它。"


def result(conclusion: Conclusion) -> JsonObject:
    """result.json; the run's id is the caller's to put in."""
    view = View(conclusion.scene)
    spent = conclusion.spent
    usage = Usage(
        model_calls=spent.model_calls,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        tool_calls=spent.tool_calls,
        wall_s=round(max(0.0, conclusion.wall_s), 3),
    )
    checks = tuple(Check(name=one.name, passed=one.passed, detail=one.detail) for one in conclusion.checks)
    plan = TripPlan.model_validate(conclusion.plan)
    whole = TripResult(run=UNNAMED_RUN, status="done", task=view.task, plan=plan, checks=checks, usage=usage)
    return whole.model_dump(mode="json")


def lessons(conclusion: Conclusion) -> tuple[str, tuple[str, ...]]:
    """The trip in a few sentences, and what these travellers like."""
    view, plan = View(conclusion.scene), TripPlan.model_validate(conclusion.plan)
    task = view.task
    days = "；".join(f"{day.date.isoformat()} {'、'.join(_visits(plan, day.date))}" for day in plan.days)
    hotel = f"住{plan.hotel.name}" if plan.hotel else "没有住宿"
    failed = [one.detail for one in conclusion.checks if not one.passed]
    said = f"。没有做到：{'；'.join(failed)}" if failed else "，全部检查通过"
    episode = f"{task.destination}{task.days}天：{days}。{hotel}，总价{plan.budget.total_cny}元{said}。"
    district = [f"住{task.hotel_district}"] if task.hotel_district else []
    return episode, tuple(dict.fromkeys([*task.wishes, *district]))


def _visits(plan: TripPlan, day: date) -> list[str]:
    return [item.name for one in plan.days if one.date == day for item in one.items if item.kind == "visit"]
