"""Who exists, who listens to what, and where agents may live: plain facts that the sequencer decides on. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from runtime.budget import Budget
from runtime.events import AgentName, RoutesChanged, Topic


class Placement(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where agents of a type are hosted."""

    where: Literal["cluster", "local"] = "cluster"
    """`local` is the process that drives the run: people at a terminal, closures."""
    together: str = ""
    """Agents with the same word here and the same key share a host."""
    resources: dict[str, float] = {}
    """Ray resources a host must offer, such as {"GPU": 1} or a node label."""


class AgentPolicy(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the sequencer knows of an agent type."""

    concurrent: bool = False
    """Whether deliveries of one agent may overlap; otherwise only along its own call chain."""
    placement: Placement = Placement()


class Subscription(msgspec.Struct, frozen=True, omit_defaults=True):
    """A publish to a matching topic reaches the agent of this type whose key is the topic's source."""

    topic_type: str
    agent_type: str
    is_prefix: bool = False
    """Whether `topic_type` only has to begin the topic's type."""

    def matches(self, topic: Topic) -> bool:
        """Whether a publish to the topic reaches this subscriber."""
        return topic.type.startswith(self.topic_type) if self.is_prefix else topic.type == self.topic_type


class Routes(msgspec.Struct, frozen=True, omit_defaults=True):
    """All agent types of a run, all subscriptions, and how much it may use."""

    types: dict[str, AgentPolicy]
    subscriptions: tuple[Subscription, ...] = ()
    budget: Budget = Budget()

    def subscribers(self, topic: Topic, sender: AgentName | None) -> tuple[AgentName, ...]:
        """The agents that a publish reaches, in the order of their subscriptions, each once, never its own sender."""
        found = dict.fromkeys(
            AgentName(subscription.agent_type, topic.source)
            for subscription in self.subscriptions
            if subscription.matches(topic)
        )
        return tuple(name for name in found if name != sender)

    def changed(self, event: RoutesChanged) -> Routes:
        """The routes after a change."""
        gone = {Subscription(*listening) for listening in event.unsubscribed}
        kept = tuple(subscription for subscription in self.subscriptions if subscription not in gone)
        added = tuple(Subscription(*listening) for listening in event.subscribed)
        types = {name: AgentPolicy(concurrent=concurrent) for name, concurrent in event.types.items()}
        return msgspec.structs.replace(self, types={**self.types, **types}, subscriptions=(*kept, *added))

    def policy(self, agent: AgentName) -> AgentPolicy | None:
        """The policy of the agent's type; None when no such type exists."""
        return self.types.get(agent.type)
