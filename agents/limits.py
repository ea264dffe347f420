"""Where the cast stops, and the purse that everything one request takes is paid from."""

from __future__ import annotations

from dataclasses import dataclass

from agents.messages import Spent
from runtime.errors import BudgetExceeded


@dataclass(frozen=True)
class Limits:
    """The bounds of one request."""

    rounds: int = 2
    """How often a criticised plan is repaired, and how often subtasks are planned again."""
    subtasks: int = 6
    """How many subtasks a plan may have."""
    model_calls: int | None = None
    """How many calls of the model may be made; None: the run's budget alone counts (`runtime/budget.py`)."""
    tool_calls: int | None = None
    """How many calls of tools may be made; None as above."""
    repair_turns: int = 2
    """How often an answer that does not validate may be corrected."""
    questions: int = 6
    """How many questions a person may be asked."""
    executors: int = 2
    """How many executors share the work: their keys are "1", "2", …"""


class Purse:
    """Counts what a request takes and refuses to go on when nothing is left."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.spent = Spent()

    def pay(self, spent: Spent) -> None:
        """Adds what was spent."""
        self.spent = self.spent.plus(spent)

    def check(self) -> None:
        """Returns when there is something left of everything.

        Raises:
            BudgetExceeded: when as many calls were made as the limits allow.
        """
        _within("model calls", self.spent.model_calls, self._limits.model_calls)
        _within("tool calls", self.spent.tool_calls, self._limits.tool_calls)


def _within(what: str, found: int, limit: int | None) -> None:
    if limit is not None and found >= limit:
        raise BudgetExceeded(f"{found} {what} were made and the limit is {limit}: raise the limit in the scenario")
