"""Which host an agent lives at: rendezvous hashing, so that a host that leaves or joins moves only its own share. Pure.

Source: Thaler and Ravishankar, "A name-based mapping scheme for rendezvous" (1996).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runtime.errors import Undeliverable
from runtime.events import AgentName
from runtime.routing import Placement


@dataclass(frozen=True, slots=True)
class HostInfo:
    """A host that takes agents."""

    name: str
    resources: Mapping[str, float] = field(default_factory=dict[str, float])
    """What its node offers beyond processors."""


def place(run: str, agent: AgentName, placement: Placement, hosts: Iterable[HostInfo]) -> str:
    """The name of the host for an agent of a run: the same for the same hosts, in whatever order they are given.

    Raises:
        Undeliverable: no host offers the resources that the agent's type asks for.
    """
    able = [host for host in hosts if offers(host, placement.resources)]
    if not able:
        raise Undeliverable(
            f"no host can take {agent}: it asks for {dict(placement.resources) or 'any host'}, and none offers that; "
            "add a node with these resources or change the agent's placement"
        )
    unit = f"{placement.together}/{agent.key}" if placement.together else str(agent)
    return max(able, key=lambda host: (_weight(run, unit, host.name), host.name)).name


def offers(host: HostInfo, resources: Mapping[str, float]) -> bool:
    """Whether the host has all that is asked for."""
    return all(host.resources.get(name, 0.0) >= amount for name, amount in resources.items())


def _weight(run: str, unit: str, host: str) -> bytes:
    return hashlib.blake2b(f"{run}\x1f{unit}\x1f{host}".encode(), digest_size=8).digest()
