"""Whether a trip's plan is good: the computed checks with their amendments, then the model's word on the whole."""

from __future__ import annotations

from functools import lru_cache

from agents.domain import Decision
from agents.messages import Amendment, Checked, JsonObject, Scene
from scenarios.travel import schemas
from scenarios.travel.amending import amendments as amended
from scenarios.travel.amending import replacing
from scenarios.travel.checks import Verdict, criticise
from scenarios.travel.itinerary import TripPlan
from scenarios.travel.view import View
from scenarios.travel.wording import brief, plan_lines

JUDGEMENT = "judgement"
"""The name of the model's check."""

REASON_LENGTH = 40
"""Characters of the reason."""

GOOD, CHANGE = "可行", "要改"

TOLD = ("within_budget", "must_visits_present", "child_friendly")
"""The checks whose findings the model is told even when they passed: it cannot do these sums itself."""

OBJECTION = "评审建议："
"""How an amendment of the model begins; only one is heeded, so that a judge who is never content ends too."""


def checks(scene: Scene, plan: JsonObject) -> tuple[Checked, ...]:
    """The computed checks."""
    return tuple(Checked(name=one.name, passed=one.passed, detail=one.detail) for one in _verdict(scene, plan).checks)


def amendments(scene: Scene, plan: JsonObject) -> tuple[Amendment, ...]:
    """What must change for the failed checks to pass, as far as another choice can help."""
    return amended(View(scene), _verdict(scene, plan).faults)


def judging(scene: Scene, plan: JsonObject) -> Decision:
    """The decision that judges the whole: good, or one thing to replace, with the reason."""
    view = View(scene)
    found = checks(scene, plan)
    said = [one.detail.rstrip("。") for one in found if one.name in TOLD or not one.passed]
    outcome = "全部通过" if all(one.passed for one in found) else "有没通过的"
    reason = schemas.text(REASON_LENGTH)
    good = schemas.closed({"reason": reason, "verdict": schemas.one_of([GOOD])})
    change = schemas.closed(
        {"reason": reason, "verdict": schemas.one_of([CHANGE]), "replace": schemas.one_of([*_replaceable(view)])}
    )
    return Decision(
        key=JUDGEMENT,
        prompt="judge",
        values={
            "task": brief(view.task),
            "plan": plan_lines(TripPlan.model_validate(plan)),
            "checks": f"{outcome}：{'；'.join(said)}",
        },
        schema=schemas.any_of(good, change) if _replaceable(view) else good,
        max_tokens=100,
        temperature=0.0,
    )


def judged(scene: Scene, answer: JsonObject) -> tuple[Checked, tuple[Amendment, ...]]:
    """The judgement as a check, and the one replacement that it asks for."""
    is_good = answer["verdict"] == GOOD
    reason = str(answer["reason"])
    detail = f"{reason}…" if len(reason) >= REASON_LENGTH else reason
    check = Checked(name=JUDGEMENT, passed=is_good, detail=detail)
    if is_good or any(one.text.startswith(OBJECTION) for one in scene.amendments):
        return check, ()
    return check, replacing(View(scene), str(answer["replace"]), f"{OBJECTION}{reason}")


def _replaceable(view: View) -> list[str]:
    """What may be replaced: whatever was chosen and not asked for."""
    visits = [name for day in view.choices.days for name in day.visits if name not in view.must]
    return list(dict.fromkeys([*visits, *([view.choices.hotel] if view.choices.hotel else [])]))


def _verdict(scene: Scene, plan: JsonObject) -> Verdict:
    return _criticised(scene.model_dump_json(), TripPlan.model_validate(plan).model_dump_json())


@lru_cache(maxsize=4)
def _criticised(scene: str, plan: str) -> Verdict:
    """The verdict on a plan; asked for several times in one review."""
    view = View(Scene.model_validate_json(scene))
    return criticise(view.task, view.choices, view.facts, TripPlan.model_validate_json(plan))
