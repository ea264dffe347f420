"""What the record says that each agent does next, and in what order messages are handed to agents. Pure.

What an agent does follows from what it is released, so the events of one agent's doing have one order, and a record
that breaks off holds a beginning of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping

from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    MessageCancelled,
    MessagePublished,
    MessageSent,
    StepStarted,
)
from runtime.reading.doings import Key, key_of


def doer(event: AnyEvent) -> str | None:
    """The delivery whose code caused an event; None for what comes from elsewhere."""
    match event:
        case MessageSent() | MessagePublished() | MessageCancelled():
            return event.cause
        case StepStarted() | DeliveryCompleted():
            return event.delivery
        case _:
            return None


class Expectations:
    """The recorded doings of each agent, those that have not happened yet."""

    def __init__(self, events: Iterable[AnyEvent], agents: Mapping[str, AgentName], stands_until: int = 0) -> None:
        """`agents` names the agent of each delivery that was started.

        What a fork shares with its parent, up to the event `stands_until`, stands whether it happens again or not.
        """
        self._queues: dict[AgentName, deque[AnyEvent]] = {}
        self._standing: set[Key] = set()
        self._pending: dict[Key, AnyEvent] = {}
        for key, agent, event in _doings(events, agents):
            if event.seq <= stands_until:
                self._standing.add(key)
            elif key not in self._pending and key not in self._standing:
                self._pending[key] = event
                self._queues.setdefault(agent, deque()).append(event)

    def stood(self, event: AnyEvent) -> bool:
        """Whether an event is one of those that stand, whatever is done now."""
        return key_of(event) in self._standing

    def next_of(self, agent: AgentName) -> AnyEvent | None:
        """What the agent does next; None when nothing more of it is on record."""
        queue = self._queues.get(agent)
        return queue[0] if queue else None

    def has_happened(self, agent: AgentName) -> None:
        """Takes off what the agent does next."""
        event = self._queues[agent].popleft()
        del self._pending[key_of(event) or ("", "")]

    def is_due(self, event: AnyEvent) -> bool:
        """Whether an event is an agent's doing that has not happened."""
        return self.is_pending(key_of(event))

    def is_pending(self, key: Key | None) -> bool:
        """Whether what has this name is on record and has not happened."""
        return key in self._pending


def _doings(events: Iterable[AnyEvent], agents: Mapping[str, AgentName]) -> Iterator[tuple[Key, AgentName, AnyEvent]]:
    for event in events:
        key, delivery = key_of(event), doer(event)
        if key is not None and delivery is not None and (agent := agents.get(delivery)) is not None:
            yield key, agent, event


class Mailboxes:
    """The messages that wait for each agent: an agent at rest is handed the one that came first."""

    def __init__(self) -> None:
        self._waiting: dict[AgentName, deque[str]] = {}
        self._busy: dict[AgentName, set[str]] = {}

    def apply(self, event: AnyEvent) -> str | None:
        """Takes an event of the record; the message that should have been handed over instead, if there is one."""
        match event:
            case MessageSent():
                self._waiting.setdefault(event.recipient, deque()).append(event.message)
            case MessagePublished():
                for agent in event.recipients:
                    self._waiting.setdefault(agent, deque()).append(event.message)
            case DeliveryStarted():
                return self._start(event)
            case DeliveryCompleted():
                self._busy.get(event.agent, set()).discard(event.delivery)
            case _:
                pass
        return None

    def _start(self, event: DeliveryStarted) -> str | None:
        queue, busy = self._waiting.get(event.agent, deque()), self._busy.setdefault(event.agent, set())
        first = queue[0] if queue else None
        is_out_of_order = first != event.message and not busy
        if event.message in queue:
            queue.remove(event.message)
        busy.add(event.delivery)
        return first if is_out_of_order else None
