"""Ids say where a thing came from, so the same run replayed, recovered or forked names the same things the same way.

None of them holds the run's id: within a run they are unique, across runs they are comparable.
"""

from __future__ import annotations

from runtime.clock import derived_id
from runtime.events import AgentName, Digest, StepKind

ROOT = "root"
"""The delivery that the driver of a run sends from."""


def message_id(cause: str, ordinal: int) -> str:
    """The id of the ordinal-th message (from 0) that the delivery `cause` sent or published."""
    return "m" + derived_id(cause, "message", ordinal)


def delivery_id(message: str, agent: AgentName) -> str:
    """The id of the handing of a message to an agent."""
    return "d" + derived_id(message, "to", agent)


def sleep_id(agent: AgentName, seen: int) -> str:
    """What the ids derive from that an agent asks for while it is saved, after it was told the event `seen`."""
    return "z" + derived_id(agent, "sleep", seen)


def effect_key(run: str, step: str) -> str:
    """The key of a step's effect in the outside world, where the steps of all runs meet: equal ones differ by run."""
    return f"{run}-{step}" if run else step


def step_id(delivery: str, kind: StepKind, request: Digest, occurrence: int) -> str:
    """The id of a side effect: the delivery, what is asked, and how many equal ones came before."""
    return "s" + derived_id(delivery, kind, request, occurrence)
