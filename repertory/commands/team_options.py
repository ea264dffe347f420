"""Which options are for scenarios only, and which for teams of AutoGen's own."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.errors import UsageError


def refuse_for_team(options: Mapping[str, object]) -> None:
    """Whether none of these was given with a team.

    Raises:
        UsageError: one was.
    """
    if given := [name for name, value in options.items() if value]:
        raise UsageError(
            f"{given[0]}: found with a team's component JSON, which says itself what it is made of; it is for scenarios"
        )


def refuse_for_scenario(options: Mapping[str, object]) -> None:
    """Whether none of these was given with a scenario.

    Raises:
        UsageError: one was.
    """
    if given := [name for name, value in options.items() if value]:
        raise UsageError(f"{given[0]}: found with a scenario, expected a team of AutoGen's own (component JSON)")
