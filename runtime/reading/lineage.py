"""Where a thing of a run came from: the messages and deliveries that led to it, back to the driver's first message."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from runtime.codec import parse
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryStarted,
    Digest,
    MessagePublished,
    MessageSent,
)


@dataclass(frozen=True, slots=True)
class Hop:
    """One delivery on the way."""

    seq: int
    """The seq of its start."""
    agent: AgentName
    delivery: str
    message_type: str
    sender: AgentName | None
    """None for the driver of the run."""

    def __str__(self) -> str:
        return f"seq {self.seq}: {self.sender or 'you'} → {self.agent} ({self.message_type})"


class Lineage:
    """The family tree of a run's deliveries."""

    def __init__(self, events: Iterable[AnyEvent]) -> None:
        self.messages: dict[str, MessageSent | MessagePublished] = {}
        self.deliveries: dict[str, DeliveryStarted] = {}
        for event in events:
            match event:
                case MessageSent() | MessagePublished():
                    self.messages[event.message] = event
                case DeliveryStarted():
                    self.deliveries[event.delivery] = event
                case _:
                    pass

    def payloads(self, delivery: str) -> list[Digest]:
        """The payloads of the messages on the way to a delivery."""
        return [self.messages[hop.message].payload for hop in self._way(delivery)]

    def path(self, delivery: str, blob: Callable[[Digest], bytes]) -> tuple[Hop, ...]:
        """The deliveries that led to this one, itself last."""
        return tuple(self._hop(started, blob) for started in self._way(delivery))

    def _way(self, delivery: str) -> list[DeliveryStarted]:
        way: list[DeliveryStarted] = []
        while (started := self.deliveries.get(delivery)) is not None:
            way.append(started)
            delivery = self.messages[started.message].cause
        return way[::-1]

    def _hop(self, started: DeliveryStarted, blob: Callable[[Digest], bytes]) -> Hop:
        message = self.messages[started.message]
        return Hop(started.seq, started.agent, started.delivery, message_type(blob(message.payload)), message.sender)


def message_type(payload: bytes) -> str:
    """The short name of a message's type."""
    body = parse(payload)
    name = body.get("type") if isinstance(body, dict) else None
    return name.rpartition(".")[2].rpartition(":")[2] if isinstance(name, str) else "message"
