"""The computed checks of a plan: a table of pure functions, each of which finds faults.

`criticise` is what the domain calls; a check without faults has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from scenarios.travel import day_checks, place_checks
from scenarios.travel.choices import Choices
from scenarios.travel.facts import Facts
from scenarios.travel.faults import Case, CheckLimits, Fault
from scenarios.travel.itinerary import Check, TripPlan, TripTask


@dataclass(frozen=True)
class Rule:
    """How a check finds faults, and what it says when there are none."""

    faults: Callable[[Case], Iterator[Fault]]
    passed: Callable[[Case], str]


@dataclass(frozen=True)
class Verdict:
    """What the checks say about a plan."""

    checks: tuple[Check, ...]
    """One for each rule, in the order of the table."""
    faults: tuple[Fault, ...]
    """Everything that is wrong; empty when all checks passed."""

    @property
    def has_passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


RULES: Mapping[str, Rule] = {
    "within_budget": Rule(place_checks.over_budget, place_checks.budget_kept),
    "days_match": Rule(day_checks.wrong_days, lambda case: f"共{case.task.days}天，日期连续，每天都有安排。"),
    "must_visits_present": Rule(place_checks.missing_visits, place_checks.visits_present),
    "open_when_visited": Rule(place_checks.not_open, lambda case: "所有景点和餐厅在安排的时间都开放，需要的门票都有。"),
    "no_overlap": Rule(day_checks.overlaps, lambda case: "各项安排的时间互不重叠。"),
    "plausible_transfers": Rule(day_checks.bad_transfers, day_checks.transfers_plausible),
    "hotel_in_district": Rule(place_checks.wrong_hotel, place_checks.hotel_fits),
    "child_friendly": Rule(day_checks.hard_on_children, day_checks.good_for_children),
    "meals_present": Rule(day_checks.missing_meals, day_checks.meals_kept),
    "no_repeats": Rule(place_checks.repeats, lambda case: "没有重复的景点。"),
    "evidence_complete": Rule(place_checks.without_evidence, lambda case: "每一项安排和价格都有查询依据。"),
}
"""The checks by name, in the order in which they are shown."""


def criticise(
    task: TripTask, choices: Choices, facts: Facts, plan: TripPlan, limits: CheckLimits | None = None
) -> Verdict:
    """Applies every check to the plan that `choices` led to."""
    case = Case(task, choices, facts, plan, limits or CheckLimits())
    found = {name: tuple(rule.faults(case)) for name, rule in RULES.items()}
    checks = tuple(_check(name, RULES[name], found[name], case) for name in RULES)
    return Verdict(checks, tuple(fault for faults in found.values() for fault in faults))


def _check(name: str, rule: Rule, faults: tuple[Fault, ...], case: Case) -> Check:
    detail = "；".join(dict.fromkeys(fault.detail for fault in faults)) or rule.passed(case)
    return Check(name=name, passed=not faults, detail=detail)
