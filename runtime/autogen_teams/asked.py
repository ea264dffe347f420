"""What a driver asks of a team, and what a team's agents ask of each other beside AutoGen's own messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class Asked(BaseModel):
    """One of these messages."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TaskGiven(Asked):
    """The team is to work on a task, or to go on with the one before; it answers with the task's result."""

    text: str | None = None
    """The task as a text of the user's."""
    messages: list[dict[str, Any]] | None = None
    """The task as messages."""
    output_task_messages: bool = True
    """Whether the result holds the task's own messages too."""


class TeamReset(Asked):
    """The team is to begin anew."""


class TeamPaused(Asked):
    """The team's agents are told to pause."""


class TeamResumed(Asked):
    """The team's agents are told to go on."""


class StateAsked(Asked):
    """A team, or an agent of it, is to say its state."""


class StateGiven(Asked):
    """A team, or an agent of it, is given a state."""

    state: Mapping[str, Any]


class TerminationSet(Asked):
    """An external termination of the team was set."""

    number: int
    """Which one, in the order in which the team's condition holds them."""


class TokenCancelled(Asked):
    """The cancellation token that this message was sent with, and all that came of it, is cancelled."""

    token: str
    """The id of the message that the token was made for."""


KINDS: tuple[type[Asked], ...] = (
    TaskGiven,
    TeamReset,
    TeamPaused,
    TeamResumed,
    StateAsked,
    StateGiven,
    TerminationSet,
    TokenCancelled,
)
"""All of them."""
