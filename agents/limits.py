"""Where the cast stops by itself; what a whole run may use is its budget's affair (`runtime/budget.py`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The bounds of one request."""

    rounds: int = 2
    """How often a criticised plan is repaired, and how often subtasks are planned again."""
    subtasks: int = 6
    """How many subtasks a plan may have."""
    repair_turns: int = 2
    """How often an answer that does not validate may be corrected."""
    questions: int = 6
    """How many questions a person may be asked."""
    executors: int = 2
    """How many executors share the work: their keys are "1", "2", …"""
