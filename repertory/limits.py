"""New limits for a run that is gone on with: `--set limits.model_calls=200`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from runtime.budget import LIMITS
from runtime.errors import UsageError

WALL = "wall_s"
"""The limit of time, which the calling process keeps and no record needs."""


def read_limits(sets: Sequence[str]) -> dict[str, float]:
    """The limits that `limits.NAME=VALUE` give.

    Raises:
        UsageError: what is set is no limit that can change while a run goes on, or no number above 0.
    """
    found: dict[str, float] = {}
    for text in sets:
        path, _, value = text.partition("=")
        name = path.strip().removeprefix("limits.")
        if not path.strip().startswith("limits.") or name not in (*LIMITS, WALL):
            known = ", ".join(f"limits.{each}" for each in (*LIMITS, WALL))
            raise UsageError(f"--set {text}: found {path.strip()!r}, expected one of {known}; the rest is on record")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = math.nan
        if not 0 < found[name] < math.inf:
            raise UsageError(f"--set {text}: found {value!r}, expected a number above 0")
    return found
