"""One request while it is worked on: what is known so far and what it has taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from autogen_core import CancellationToken
from autogen_core.tools import ToolSchema

from agents.domain import Conclusion, Decision, Domain
from agents.graph import graph_faults
from agents.limits import Limits
from agents.messages import Amendment, Call, Failure, Finding, JsonObject, Request, Scene, Spent, Subtask, Verdict

SUBTASKS = "subtasks"
"""The key of the planning decision; an amendment of it asks for more subtasks."""


@dataclass
class Case:
    """The planner's notebook for one request; it lives as long as the request's handler."""

    request: Request
    token: CancellationToken
    scene: Scene = field(default_factory=lambda: Scene(task={}))
    replans: int = 0
    """How often subtasks were planned again."""
    spent: Spent = field(default_factory=Spent)
    """What it has taken, with all that was done for it."""

    def know(self, **changes: object) -> None:
        """Puts what is now known into the scene."""
        self.scene = self.scene.model_copy(update=changes)

    def pay(self, spent: Spent) -> None:
        """Adds what a piece of work took."""
        self.spent = self.spent.plus(spent)

    def take(self, finding: Finding) -> None:
        """Adds what an executor found, and what it took."""
        self.pay(finding.spent)
        self.know(
            facts=(*self.scene.facts, *finding.facts),
            failures=(*self.scene.failures, *_unknown(finding.failures, self.scene.failures)),
        )

    def unasked(self, calls: Sequence[Call]) -> list[Call]:
        """Those of the calls that were not made yet; from here on they count as made."""
        new = [call for place, call in enumerate(calls) if call not in (*self.scene.asked, *calls[:place])]
        self.know(asked=(*self.scene.asked, *new))
        return new

    def plan(self, subtasks: Sequence[Subtask]) -> None:
        """Adds subtasks; the amendments that asked for them are heeded with that."""
        left = tuple(amendment for amendment in self.scene.amendments if amendment.decision != SUBTASKS)
        self.know(subtasks=(*self.scene.subtasks, *subtasks), amendments=left)

    def choose(self, key: str, value: JsonObject) -> None:
        """Records a decision."""
        self.know(choices={**self.scene.choices, key: value})

    def amend(self, amendments: Sequence[Amendment]) -> None:
        """Adds amendments to those that are already heeded."""
        new = tuple(amendment for amendment in amendments if amendment not in self.scene.amendments)
        self.know(amendments=(*self.scene.amendments, *new))


@dataclass(frozen=True)
class Draft:
    """A plan, what it was made from, and what the critic says of it."""

    scene: Scene
    plan: JsonObject
    verdict: Verdict

    @property
    def failed(self) -> int:
        """How many checks failed."""
        return sum(not check.passed for check in self.verdict.checks)

    def conclusion(self, spent: Spent, wall_s: float) -> Conclusion:
        """The draft as the end of the request."""
        return Conclusion(self.scene, self.plan, self.verdict.checks, spent, wall_s)


def graph_decision(domain: Domain, scene: Scene, tools: Sequence[ToolSchema], limits: Limits) -> Decision:
    """The domain's planning decision, which also refuses what is no graph of so many subtasks."""
    decision = domain.planning(scene, tools, limits.subtasks)

    def faults(answer: JsonObject) -> list[str]:
        return graph_faults(domain.subtasks(answer), limits.subtasks) or decision.faults(answer)

    return replace(decision, faults=faults)


def _unknown(failures: Sequence[Failure], known: Sequence[Failure]) -> list[Failure]:
    """The failures that are not known yet, whatever step reported them."""
    seen = {failure.model_copy(update={"evidence": ""}).model_dump_json() for failure in known}
    return [
        failure for failure in failures if failure.model_copy(update={"evidence": ""}).model_dump_json() not in seen
    ]
