"""Which messages of a run wait and which are handled, and so who waits for whom. Pure; the sequencer's own book."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from runtime import ids
from runtime.events import (
    AgentName,
    DeliveryCompleted,
    DeliveryStarted,
    MessageCancelled,
    MessagePublished,
    MessageSent,
    StepCompleted,
    StepStarted,
)

Message = MessageSent | MessagePublished

ROOM = "room"
"""The name of the timer step in which a delivery waits until there is room where it has sent its last message."""

MAILBOX_LIMIT = 1000
"""With how many messages that it has not finished with an agent has no room for more."""


@dataclass(slots=True)
class _Delivery:
    agent: AgentName
    requests: set[str] = field(default_factory=set[str])
    """Messages it has sent that are not answered yet."""
    last: str = ""
    """The last message that it has sent."""
    room: str = ""
    """The message for whose recipients it waits, until they have room for more."""


class MailBook:
    """The messages and deliveries of one run."""

    def __init__(self) -> None:
        self._messages: dict[str, Message] = {}
        self._mailboxes: dict[AgentName, deque[str]] = {}
        self._running: dict[str, _Delivery] = {}
        self._busy: dict[AgentName, set[str]] = {}
        self._agents: dict[str, AgentName] = {}
        self._undeliverable: dict[str, MessageSent] = {}
        self._rooms: dict[str, str] = {}
        """The deliveries that wait for room, by the steps that they do it in."""

    # Messages

    @property
    def is_idle(self) -> bool:
        """Whether no message waits and no delivery runs."""
        return not self._running and not self._mailboxes

    def has(self, message: str) -> bool:
        """Whether a message was ever sent."""
        return message in self._messages

    def message(self, message: str) -> Message:
        """A message that was sent."""
        return self._messages[message]

    def agents_with_mail(self) -> list[AgentName]:
        """The agents for whom messages wait, in the order of their names."""
        return sorted(self._mailboxes)

    def waiting(self, agent: AgentName) -> list[Message]:
        """What waits for an agent, in its order."""
        return [self._messages[message] for message in self._mailboxes.get(agent, ())]

    def next_message(self, agent: AgentName) -> str | None:
        """The message that has waited longest for an agent."""
        mailbox = self._mailboxes.get(agent)
        return mailbox[0] if mailbox else None

    def undeliverable(self) -> list[MessageSent]:
        """Messages to agents that do not exist, until they are answered."""
        return list(self._undeliverable.values())

    # Deliveries

    def running(self) -> dict[str, AgentName]:
        """The deliveries that have started and not completed, with their agents."""
        return {delivery: entry.agent for delivery, entry in self._running.items()}

    def is_running(self, delivery: str) -> bool:
        """Whether a delivery has started and not completed."""
        return delivery in self._running

    def has_started(self, delivery: str) -> bool:
        """Whether a delivery has ever started."""
        return delivery in self._agents

    def agent(self, delivery: str) -> AgentName:
        """Whose a delivery is that has started."""
        return self._agents[delivery]

    def is_busy(self, agent: AgentName) -> bool:
        """Whether an agent handles something."""
        return agent in self._busy

    def is_at_rest(self, agent: AgentName) -> bool:
        """Whether an agent handles nothing, and nothing waits for it."""
        return agent not in self._busy and agent not in self._mailboxes

    # Who waits for whom

    def awaits_answer(self, delivery: str) -> bool:
        """Whether a running delivery has sent what is not answered yet."""
        return bool(self._running[delivery].requests)

    def waits(self, agent: AgentName, wanted: str) -> bool:
        """Whether what a busy agent does waits, directly or through others, for the end of a delivery."""
        seen: set[str] = set()
        to_visit = list(self._busy.get(agent, ()))
        while to_visit:
            delivery = to_visit.pop()
            if delivery == wanted:
                return True
            if delivery not in seen:
                seen.add(delivery)
                to_visit += self._waited_for(delivery)
        return False

    def has_room(self, step: str) -> bool:
        """Whether the delivery that waits in this step may send more; not before the step has started.

        It may when the recipients of its last message have few enough waiting. It must when one of them waits, directly
        or through others, for this very delivery: that mailbox would never empty.
        """
        delivery = self._rooms.get(step)
        if delivery is None or delivery not in self._running:
            return delivery is not None
        full = self._crowded(self._running[delivery].room)
        return not full or any(self.waits(agent, delivery) for agent in full)

    def _waited_for(self, delivery: str) -> Iterator[str]:
        """The deliveries whose end this one waits for: those of its requests, or what keeps these from starting."""
        for message in self._running[delivery].requests:
            request = self._messages[message]
            if isinstance(request, MessageSent):
                own = ids.delivery_id(message, request.recipient)
                yield from [own] if own in self._running else self._busy.get(request.recipient, ())
        for agent in self._crowded(self._running[delivery].room):
            yield from self._busy.get(agent, ())

    def _crowded(self, message: str) -> list[AgentName]:
        """The recipients of a message that have no room for more; none of no message."""
        match self._messages.get(message):
            case MessageSent(recipient=recipient):
                recipients: Iterable[AgentName] = (recipient,)
            case MessagePublished(recipients=found):
                recipients = found
            case None:
                recipients = ()
        return [agent for agent in recipients if self._unfinished(agent) >= MAILBOX_LIMIT]

    def _unfinished(self, agent: AgentName) -> int:
        return len(self._mailboxes.get(agent, ())) + len(self._busy.get(agent, ()))

    # What events change

    def apply_message(self, event: Message, *, is_deliverable: bool) -> None:
        """A message was sent; one that is not deliverable has a recipient that does not exist."""
        self._messages[event.message] = event
        if (sender := self._running.get(event.cause)) is not None:
            sender.last = event.message
        if isinstance(event, MessagePublished):
            for agent in event.recipients:
                self._mailboxes.setdefault(agent, deque()).append(event.message)
            return
        if sender is not None:
            sender.requests.add(event.message)
        if is_deliverable:
            self._mailboxes.setdefault(event.recipient, deque()).append(event.message)
        else:
            self._undeliverable[event.message] = event

    def apply_start(self, event: DeliveryStarted) -> None:
        """A message is handled from now on."""
        mailbox = self._mailboxes[event.agent]
        mailbox.remove(event.message)
        if not mailbox:
            del self._mailboxes[event.agent]
        self._running[event.delivery] = _Delivery(event.agent)
        self._agents[event.delivery] = event.agent
        self._busy.setdefault(event.agent, set()).add(event.delivery)

    def apply_completion(self, event: DeliveryCompleted) -> None:
        """A message is handled no more, or was not deliverable."""
        self._running.pop(event.delivery, None)
        self._undeliverable.pop(event.message, None)
        if (busy := self._busy.get(event.agent)) is not None:
            busy.discard(event.delivery)
            if not busy:
                del self._busy[event.agent]
        message = self._messages[event.message]
        if isinstance(message, MessageSent):
            self._forget_request(message.cause, event.message)

    def apply_cancellation(self, event: MessageCancelled) -> None:
        """A sender waits no more for an answer."""
        self._forget_request(event.cause, event.message)

    def apply_room(self, event: StepStarted | StepCompleted) -> None:
        """Where the step is one of waiting for room: a delivery waits, or waits no more."""
        match event:
            case StepStarted():
                if event.kind == "timer" and event.name == ROOM:
                    self._rooms[event.step] = event.delivery
                    if (asking := self._running.get(event.delivery)) is not None:
                        asking.room = asking.last
            case StepCompleted():
                delivery = self._rooms.pop(event.step, None)
                if delivery is not None and (waiting := self._running.get(delivery)) is not None:
                    waiting.room = ""

    def _forget_request(self, cause: str, message: str) -> None:
        if (sender := self._running.get(cause)) is not None:
            sender.requests.discard(message)
