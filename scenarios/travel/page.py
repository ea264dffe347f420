"""What the two pages show: the result in the words, numbers and positions of a page, without any markup.

`scenarios/travel/render.py` puts it into templates. Evidence is numbered in the order in which a reader meets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from scenarios.travel.facts import StepSource
from scenarios.travel.faults import day_name
from scenarios.travel.itinerary import (
    BudgetLine,
    Check,
    Day,
    HotelStay,
    Item,
    ItemKind,
    TripResult,
    TripTask,
    minutes_of,
)

KINDS: Mapping[ItemKind, str] = {"visit": "参观", "meal": "用餐", "transfer": "交通", "rest": "休息"}
CHECKS: Mapping[str, str] = {
    "within_budget": "预算之内",
    "days_match": "天数相符",
    "must_visits_present": "必去景点齐全",
    "open_when_visited": "到访时开放",
    "no_overlap": "时间不冲突",
    "plausible_transfers": "交通可行",
    "hotel_in_district": "酒店位置",
    "child_friendly": "适合孩子",
    "meals_present": "用餐安排",
    "no_repeats": "没有重复",
    "evidence_complete": "依据齐全",
    "judgement": "模型总评",
}
"""What a reader sees for the name of a check; others show their own name."""


@dataclass(frozen=True)
class Source:
    """A numbered piece of evidence."""

    number: int
    step: str
    tool: str
    summary: str


@dataclass(frozen=True)
class Row:
    """An item of a day."""

    kind: ItemKind
    label: str
    name: str
    start: str
    end: str
    minutes: int
    cost: str
    sources: tuple[Source, ...]
    left: float
    """Where its bar begins on the day's axis, in percent."""
    width: float
    """How wide its bar is, in percent."""


@dataclass(frozen=True)
class DayView:
    """A day."""

    number: int
    title: str
    highlights: str
    cost: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Tick:
    """An hour on the axis of the days."""

    hour: int
    left: float


@dataclass(frozen=True)
class Share:
    """A line of the budget and its share of the bar, in percent."""

    name: str
    amount: str
    width: float
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Verdict:
    """A check as the reader sees it."""

    label: str
    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Page:
    """The whole page."""

    title: str
    run: str
    summary: str
    facts: tuple[tuple[str, str], ...]
    """Label and value of what was asked for."""
    days: tuple[DayView, ...]
    ticks: tuple[Tick, ...]
    hotel: HotelStay | None
    hotel_sources: tuple[Source, ...]
    hotel_total: str
    shares: tuple[Share, ...]
    total: str
    budget: str
    left: str
    is_over: bool
    limit_at: float
    """Where the budget ends on the bar, in percent."""
    verdicts: tuple[Verdict, ...]
    failed: tuple[Verdict, ...]
    notes: tuple[str, ...]
    sources: tuple[Source, ...]
    usage: str


class Numbering:
    """Numbers evidence ids in the order in which they are asked for."""

    def __init__(self, steps: Mapping[str, StepSource]) -> None:
        self._steps = steps
        self._sources: dict[str, Source] = {}

    def of(self, evidence: Iterable[str]) -> tuple[Source, ...]:
        """The numbered sources of these ids."""
        return tuple(self._source(step) for step in evidence)

    @property
    def all(self) -> tuple[Source, ...]:
        """Every source so far, by number."""
        return tuple(self._sources.values())

    def _source(self, step: str) -> Source:
        if step not in self._sources:
            known = self._steps.get(step, StepSource(tool="", summary=""))
            self._sources[step] = Source(len(self._sources) + 1, step, known.tool, known.summary)
        return self._sources[step]


def page(result: TripResult, steps: Mapping[str, StepSource]) -> Page:
    """The page of a result; `steps` tells what the evidence ids stand for."""
    task, plan = result.task, result.plan
    numbering = Numbering(steps)
    axis = _axis(plan.days)
    days = tuple(_day(number, day, axis, numbering) for number, day in enumerate(plan.days, start=1))
    hotel_sources = numbering.of(plan.hotel.evidence if plan.hotel else ())
    total, scale = plan.budget.total_cny, max(plan.budget.total_cny, task.budget_cny, 1)
    shares = tuple(_share(line, scale, numbering) for line in plan.budget.lines)
    verdicts = tuple(_verdict(check) for check in result.checks)
    failed = tuple(verdict for verdict in verdicts if not verdict.passed)
    return Page(
        title=_title(task),
        run=result.run,
        summary=_summary(result, failed),
        facts=_asked(task),
        days=days,
        ticks=_ticks(axis),
        hotel=plan.hotel,
        hotel_sources=hotel_sources,
        hotel_total=_yuan(plan.hotel.nights * plan.hotel.price_per_night_cny) if plan.hotel else "",
        shares=shares,
        total=_yuan(total),
        budget=_yuan(task.budget_cny),
        left=_yuan(abs(task.budget_cny - total)),
        is_over=total > task.budget_cny,
        limit_at=round(100 * task.budget_cny / scale, 2),
        verdicts=verdicts,
        failed=failed,
        notes=plan.notes,
        sources=numbering.all,
        usage=_usage(result),
    )


def _yuan(amount: int) -> str:
    return f"{amount:,} 元"


def _title(task: TripTask) -> str:
    return f"{task.destination} {task.days} 日{'亲子' if task.party.children else ''}行程"


def _summary(result: TripResult, failed: Sequence[Verdict]) -> str:
    visits = [item.name for day in result.plan.days for item in day.items if item.kind == "visit"]
    places = f"{len(visits)} 处景点：{'、'.join(visits)}。" if visits else "没有安排景点。"
    outcome = "全部检查通过。" if not failed else f"有 {len(failed)} 项检查未通过。"
    return f"{places}总费用 {_yuan(result.plan.budget.total_cny)}。{outcome if result.checks else ''}"


def _asked(task: TripTask) -> tuple[tuple[str, str], ...]:
    end = task.start_date + timedelta(days=task.days - 1)
    children = "".join(f"，{age} 岁儿童" for age in task.party.children)
    asked = [
        ("日期", f"{task.start_date} 至 {end}"),
        ("人数", f"{task.party.adults} 位成人{children}"),
        ("预算", _yuan(task.budget_cny)),
        ("必去", "、".join(task.must_visit)),
        ("住宿", task.hotel_district or ""),
        ("其他要求", "、".join(task.wishes)),
    ]
    return tuple((label, value) for label, value in asked if value)


def _axis(days: Sequence[Day]) -> tuple[int, int]:
    """The first and the last full hour that any day touches, in minutes."""
    items = [item for day in days for item in day.items]
    start = min((minutes_of(item.start) for item in items), default=8 * 60)
    end = max((minutes_of(item.end) for item in items), default=20 * 60)
    return start // 60 * 60, max(-(-end // 60) * 60, start // 60 * 60 + 60)


def _ticks(axis: tuple[int, int]) -> tuple[Tick, ...]:
    start, end = axis
    step = 60 if end - start <= 16 * 60 else 180
    return tuple(Tick(minute // 60, _percent(minute - start, axis)) for minute in range(start, end + 1, step))


def _percent(minutes: int, axis: tuple[int, int]) -> float:
    return round(100 * minutes / (axis[1] - axis[0]), 2)


def _day(number: int, day: Day, axis: tuple[int, int], numbering: Numbering) -> DayView:
    return DayView(
        number=number,
        title=f"第 {number} 天 · {day_name(day.date)}",
        highlights="、".join(item.name for item in day.items if item.kind == "visit"),
        cost=_yuan(sum(item.cost_cny for item in day.items)),
        rows=tuple(_row(item, axis, numbering) for item in day.items),
    )


def _row(item: Item, axis: tuple[int, int], numbering: Numbering) -> Row:
    start, end = minutes_of(item.start), minutes_of(item.end)
    return Row(
        kind=item.kind,
        label=KINDS[item.kind],
        name=item.name,
        start=item.start,
        end=item.end,
        minutes=end - start,
        cost="" if item.kind == "rest" else _yuan(item.cost_cny),
        sources=numbering.of(item.evidence),
        left=_percent(start - axis[0], axis),
        width=_percent(end - start, axis),
    )


def _share(line: BudgetLine, scale: int, numbering: Numbering) -> Share:
    width = round(100 * line.amount_cny / scale, 2)
    return Share(line.name, _yuan(line.amount_cny), width, numbering.of(line.evidence))


def _verdict(check: Check) -> Verdict:
    return Verdict(CHECKS.get(check.name, check.name), check.name, check.passed, check.detail)


def _usage(result: TripResult) -> str:
    usage = result.usage
    tokens = f"{usage.input_tokens:,} + {usage.output_tokens:,} 个 token"
    return f"模型调用 {usage.model_calls} 次（{tokens}），工具调用 {usage.tool_calls} 次，用时 {usage.wall_s:.1f} 秒"
