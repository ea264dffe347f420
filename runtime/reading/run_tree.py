"""A run as the tree of what led to what: messages, their deliveries, and what each delivery asked and sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Digest,
    MessagePublished,
    MessageSent,
    StepCompleted,
    StepStarted,
)


@dataclass(slots=True)
class StepNode:
    """A step and how it ended."""

    started: StepStarted
    completed: StepCompleted | None = None

    @property
    def id(self) -> str:
        """The step's id."""
        return self.started.step

    @property
    def seq(self) -> int:
        """The seq of its start."""
        return self.started.seq

    @property
    def content(self) -> tuple[str, ...]:
        """What is asked: equal for equal steps of any two runs."""
        return "step", self.started.kind, self.started.name, self.started.request

    @property
    def role(self) -> tuple[str, ...]:
        """What kind of thing it is, whatever is asked."""
        return "step", self.started.kind, self.started.name if self.started.kind == "tool" else ""

    @property
    def label(self) -> str:
        """In words."""
        return f"{self.started.kind} {self.started.name}"


@dataclass(slots=True)
class MessageNode:
    """A message and the deliveries of it."""

    event: MessageSent | MessagePublished
    deliveries: list[DeliveryNode] = field(default_factory=list["DeliveryNode"])

    @property
    def id(self) -> str:
        """The message's id."""
        return self.event.message

    @property
    def seq(self) -> int:
        """The seq of its sending."""
        return self.event.seq

    @property
    def address(self) -> str:
        """Where it goes."""
        event = self.event
        return str(event.recipient) if isinstance(event, MessageSent) else f"topic {event.topic}"

    @property
    def content(self) -> tuple[str, ...]:
        """What is said, and to whom."""
        return "message", self.address, self.event.payload

    @property
    def role(self) -> tuple[str, ...]:
        """To what kind of agent or topic it goes."""
        event = self.event
        return "message", event.recipient.type if isinstance(event, MessageSent) else f"topic {event.topic.type}"

    @property
    def label(self) -> str:
        """In words."""
        return f"to {self.address}"


Doing: TypeAlias = StepNode | MessageNode
"""What a delivery does."""


@dataclass(slots=True)
class DeliveryNode:
    """A delivery, what it did in its order, and how it ended."""

    started: DeliveryStarted
    doings: list[Doing] = field(default_factory=list[Doing])
    completed: DeliveryCompleted | None = None

    @property
    def id(self) -> str:
        """The delivery's id."""
        return self.started.delivery

    @property
    def seq(self) -> int:
        """The seq of its end, or of its start while there is none."""
        return self.started.seq if self.completed is None else self.completed.seq

    @property
    def agent(self) -> AgentName:
        """Who handled it."""
        return self.started.agent

    @property
    def label(self) -> str:
        """In words."""
        return f"answer of {self.agent}"


@dataclass(slots=True)
class RunTree:
    """All of a run that was done by agents or for them."""

    roots: list[Doing] = field(default_factory=list[Doing])
    """The driver's messages."""
    deliveries: dict[str, DeliveryNode] = field(default_factory=dict[str, DeliveryNode])
    messages: dict[str, MessageNode] = field(default_factory=dict[str, MessageNode])
    steps: dict[str, StepNode] = field(default_factory=dict[str, StepNode])
    releases: dict[AgentName, list[tuple[str, int]]] = field(default_factory=dict[AgentName, list[tuple[str, int]]])
    """By agent, what it was told in which order: the ids of deliveries, steps and awaited messages, with the seq."""

    def digests(self) -> Iterator[Digest]:
        """The payloads of all messages."""
        return (node.event.payload for node in self.messages.values())


def tree_of(events: Iterable[AnyEvent]) -> RunTree:
    """The tree of a run's events; what belongs to nothing that is known is left out."""
    tree = RunTree()
    for event in events:
        _add(tree, event)
    return tree


def _add(tree: RunTree, event: AnyEvent) -> None:
    match event:
        case MessageSent() | MessagePublished():
            message = tree.messages[event.message] = MessageNode(event)
            cause = tree.deliveries.get(event.cause)
            (tree.roots if cause is None else cause.doings).append(message)
        case DeliveryStarted() if event.message in tree.messages:
            delivery = tree.deliveries[event.delivery] = DeliveryNode(event)
            tree.messages[event.message].deliveries.append(delivery)
            _release(tree, event.agent, event.delivery, event.seq)
        case StepStarted() if event.delivery in tree.deliveries:
            step = tree.steps[event.step] = StepNode(event)
            tree.deliveries[event.delivery].doings.append(step)
        case StepCompleted() if event.step in tree.steps:
            tree.steps[event.step].completed = event
            _release(tree, tree.deliveries[event.delivery].agent, event.step, event.seq)
        case DeliveryCompleted():
            _complete(tree, event)
        case _:
            pass


def _complete(tree: RunTree, event: DeliveryCompleted) -> None:
    if event.delivery in tree.deliveries:
        tree.deliveries[event.delivery].completed = event
    message = tree.messages.get(event.message)
    if message is not None and isinstance(message.event, MessageSent) and message.event.sender is not None:
        _release(tree, message.event.sender, event.message, event.seq)


def _release(tree: RunTree, agent: AgentName, name: str, seq: int) -> None:
    tree.releases.setdefault(agent, []).append((name, seq))
