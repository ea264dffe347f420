"""The travel domain: all that the cast must be told about family trips to a city whose places are in a catalogue.

It keeps nothing and touches nothing: reading, planning, acting, choosing and judging are functions of the scene, and
the catalogue only says which names there are. What a place is like is a tool's to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path

from autogen_core.tools import ToolSchema
from pydantic import JsonValue, ValidationError

from agents.domain import Conclusion, Decision, Reading
from agents.messages import Amendment, Call, Checked, Fact, Failure, JsonObject, Request, Scene, Subtask
from scenarios.travel import choosing, judging
from scenarios.travel.acting import Caller
from scenarios.travel.compose import compose
from scenarios.travel.concluding import lessons, notes, result
from scenarios.travel.facts import StepSource
from scenarios.travel.itinerary import TripResult
from scenarios.travel.planning import SubtaskPlanner
from scenarios.travel.reading import Reader
from scenarios.travel.render import render_html, render_markdown
from scenarios.travel.view import View
from scenarios.travel.wording import brief
from tools.travel.catalogue import Catalogue, load_catalogue

DATA = Path(__file__).parent / "data" / "beijing"
"""The places that come with the scenario."""


class TravelDomain:
    """Family trips; implements `agents.domain.Domain`."""

    def __init__(self, data: Path | None = None) -> None:
        """Knows the names of the places in the directory `data`.

        Raises:
            UsageError: the directory or a row in it is not as it has to be.
        """
        catalogue = _catalogue(data or DATA)
        self._reader = Reader(catalogue)
        self._planner = SubtaskPlanner(catalogue)
        self._caller = Caller(catalogue)

    def perceiving(self, request: Request, today: date) -> Decision:
        """See `agents.domain.Perception`."""
        return self._reader.perceiving(request)

    def read(self, perceived: JsonObject, request: Request, today: date) -> Reading:
        """See `agents.domain.Perception`. Raises: UsageError for a given input that a trip cannot have."""
        return self._reader.read(perceived, request, today)

    def recall_text(self, task: JsonObject) -> str:
        """See `agents.domain.Planning`."""
        return brief(View(Scene(task=task)).task)

    def planning(self, scene: Scene, tools: Sequence[ToolSchema], limit: int) -> Decision:
        """See `agents.domain.Planning`."""
        return self._planner.planning(scene, tools, limit)

    def subtasks(self, answer: JsonObject) -> tuple[Subtask, ...]:
        """See `agents.domain.Planning`."""
        return self._planner.subtasks(answer)

    def gaps(self, scene: Scene) -> tuple[Amendment, ...]:
        """See `agents.domain.Planning`."""
        return self._planner.gaps(scene)

    def tools_for(self, subtask: Subtask) -> tuple[str, ...]:
        """See `agents.domain.Acting`."""
        return self._caller.tools_for(subtask)

    def acting(self, scene: Scene, subtask: Subtask, tools: Sequence[ToolSchema]) -> Decision:
        """See `agents.domain.Acting`."""
        return self._caller.acting(scene, subtask, tools)

    def shortfall(self, subtask: Subtask, fact: Fact) -> Failure | None:
        """See `agents.domain.Acting`."""
        return self._planner.shortfall(subtask, fact)

    def alternative(self, subtask: Subtask, failure: Failure) -> Subtask | None:
        """See `agents.domain.Acting`."""
        return self._planner.alternative(subtask)

    def look_ups(self, scene: Scene) -> tuple[Call, ...]:
        """See `agents.domain.Drafting`."""
        return choosing.look_ups(scene)

    def choosing(self, scene: Scene) -> Decision | None:
        """See `agents.domain.Drafting`."""
        return choosing.choosing(scene)

    def reopen(self, scene: Scene, amendments: Sequence[Amendment]) -> JsonObject:
        """See `agents.domain.Drafting`."""
        return choosing.reopen(scene, amendments)

    def compose(self, scene: Scene) -> JsonObject:
        """See `agents.domain.Drafting`."""
        view = View(scene)
        return compose(view.task, view.choices, view.facts, notes(view)).model_dump(mode="json")

    def checks(self, scene: Scene, plan: JsonObject) -> tuple[Checked, ...]:
        """See `agents.domain.Judging`."""
        return judging.checks(scene, plan)

    def amendments(self, scene: Scene, plan: JsonObject) -> tuple[Amendment, ...]:
        """See `agents.domain.Judging`."""
        return judging.amendments(scene, plan)

    def judging(self, scene: Scene, plan: JsonObject) -> Decision:
        """See `agents.domain.Judging`."""
        return judging.judging(scene, plan)

    def judged(self, scene: Scene, answer: JsonObject) -> tuple[Checked, tuple[Amendment, ...]]:
        """See `agents.domain.Judging`."""
        return judging.judged(scene, answer)

    def result(self, conclusion: Conclusion) -> JsonObject:
        """See `agents.domain.Concluding`."""
        return result(conclusion)

    def lessons(self, conclusion: Conclusion) -> tuple[str, tuple[str, ...]]:
        """See `agents.domain.Concluding`."""
        return lessons(conclusion)

    def pages(self, result: JsonValue, steps: Mapping[str, tuple[str, str]]) -> Mapping[str, str]:
        """plan.md and plan.html; `steps` tells tool and answer of the steps that the evidence names.

        None of a result that is no trip's, which a planner of one's own may give.
        """
        try:
            whole = TripResult.model_validate(result, strict=False)
        except ValidationError:
            return {}
        sources = {step: StepSource(tool=tool, summary=summary) for step, (tool, summary) in steps.items()}
        return {"plan.md": render_markdown(whole, sources), "plan.html": render_html(whole, sources)}


@lru_cache(maxsize=8)
def _catalogue(data: Path) -> Catalogue:
    """The catalogue of a directory, read once in each process."""
    return load_catalogue(data)
