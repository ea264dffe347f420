"""The core that gives a run its one order: events in, numbered events out. Sans-IO: no clock, no network, no tasks.

Hosts propose events without a number. The sequencer drops what it already has (proposals may come twice), numbers the
rest, decides which deliveries start because of them, and says for whose eyes each event is. A shell makes the numbered
events durable and only then hands them on, in order. Feeding a journal's events to `apply` restores the very state that
they left, which is what recovery is.

Order. AgentChat needs causal order across senders; one sequence per run gives total order. Deliveries of one agent
start in the order of their messages and do not overlap, except where waiting would never end: a message is handed to a
busy agent when what the agent is doing waits, directly or through others, for the sender of that message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from runtime import ids
from runtime.budget import Meter
from runtime.errors import Undeliverable
from runtime.events import (
    AgentName,
    AgentSlept,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Failure,
    LimitsRaised,
    MessageCancelled,
    MessagePublished,
    MessageSent,
    RoutesChanged,
    RunAborting,
    RunCompleted,
    RunFailed,
    RunForked,
    RunInterrupted,
    RunStarted,
    StepAsked,
    StepBegun,
    StepCompleted,
    StepDecided,
    StepStarted,
)
from runtime.mail_book import MailBook, Message
from runtime.routing import Routes
from runtime.sleep_book import SleepBook
from runtime.step_book import StepBook, outcome_of

UNDO = "undo"
"""The agent type that undoes what an aborted run has done; the only one that is heard then."""


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A numbered event and whose eyes it is for."""

    event: AnyEvent
    to: AgentName | None = None
    """The agent that must see it; None when no agent does."""
    to_driver: bool = False
    """Whether the driver of the run must see it."""
    message: Message | None = None
    """The message that a `DeliveryStarted` hands over."""
    is_given: bool = False
    """Whether a person gave this result: no host has its bytes."""


class Sequencer:
    """One run's order: its next seq, and its books of mail, of steps and of who sleeps."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._seq = 0
        self._mail = MailBook()
        self._steps = StepBook()
        self._sleep = SleepBook()
        self._meter = Meter(routes.budget)
        self._is_stopped = False
        self._ending: RunCompleted | None = None
        self._aborting: RunAborting | None = None
        self._ended = False

    # What a shell asks

    @property
    def seq(self) -> int:
        """The number of the last event."""
        return self._seq

    @property
    def is_idle(self) -> bool:
        """Whether no message waits and no delivery runs."""
        return self._mail.is_idle

    @property
    def has_ended(self) -> bool:
        """Whether the run has its last event; what is proposed afterwards is dropped."""
        return self._ended

    @property
    def is_resting(self) -> bool:
        """Whether all that is open waits for a person, as far as events can tell: a handler may just be at work.

        Handlers of an agent whose deliveries may overlap can wait for its next delivery.
        """
        asked = {step.delivery for step in self._steps.asked()}
        has_only_asked = all(step.state == "asked" for step in self._steps.open())
        blocked = all(
            name in asked or self._mail.awaits_answer(name) or self._is_concurrent(agent)
            for name, agent in self._mail.running().items()
        )
        return bool(asked) and has_only_asked and blocked

    @property
    def aborting(self) -> RunAborting | None:
        """Why the run is given up, once it is: only what undoes it is taken from then on."""
        return self._aborting

    @property
    def steps(self) -> StepBook:
        """How the run's steps stand; for reading."""
        return self._steps

    @property
    def sleep(self) -> SleepBook:
        """Who sleeps, and what each agent has been told; for reading."""
        return self._sleep

    def has_room(self, step: str) -> bool:
        """See `MailBook.has_room`."""
        return self._mail.has_room(step)

    def running(self) -> dict[str, AgentName]:
        """The deliveries that have started and not completed, with their agents."""
        return self._mail.running()

    # What a shell does

    def take(self, proposed: AnyEvent, *, at: float) -> list[Outgoing]:
        """Numbers a proposed event and all that follows from it; nothing when it is already known or came too late.

        A proposed `RunCompleted` waits until nothing is left to do.
        `at` is the time in seconds since 1970 that all of them get.
        """
        if self._ended or self._is_known(proposed) or (self._aborting is not None and not self._undoes(proposed)):
            return []
        if self._is_stopped and not isinstance(proposed, StepCompleted | RunInterrupted):
            return []
        match proposed:
            case StepCompleted():
                pass
            case StepStarted():
                if (refusal := self._refusal(proposed)) is not None:
                    return [self._number(refusal, at)]
            case MessagePublished() if not proposed.recipients:
                recipients = self._routes.subscribers(proposed.topic, proposed.sender)
                proposed = msgspec.structs.replace(proposed, recipients=recipients)
            case RunInterrupted():
                self._is_stopped |= proposed.why == "unreachable"
            case RunCompleted() if not self.is_idle:
                self._ending = proposed
                return []
            case _:
                pass
        first = self._number(proposed, at)
        return [first, *[self._number(event, at) for event in self._consequences(proposed)]]

    def _refusal(self, started: StepStarted) -> RunInterrupted | None:
        """Why the budget does not let a step start; from there on the run takes only what had started before."""
        refusal = None if self._aborting is not None else self._meter.refusal(started)
        self._is_stopped = refusal is not None
        return refusal

    def apply(self, event: AnyEvent) -> Outgoing:
        """Changes the state as the numbered event says, and says for whose eyes it is; also how a journal's events
        restore the state."""
        outgoing = self.addressed(event)
        self._seq = event.seq
        self._meter.apply(event)
        self._apply(event)
        if outgoing.to is not None:
            self._sleep.apply(event, outgoing.to)
        return outgoing

    def _apply(self, event: AnyEvent) -> None:
        match event:
            case StepStarted() | StepCompleted():
                self._steps.apply(event)
                self._mail.apply_room(event)
            case StepAsked() | StepDecided() | StepBegun():
                self._steps.apply(event)
            case MessageSent():
                self._mail.apply_message(event, is_deliverable=self._routes.policy(event.recipient) is not None)
            case MessagePublished():
                self._mail.apply_message(event, is_deliverable=True)
            case DeliveryStarted():
                self._mail.apply_start(event)
            case DeliveryCompleted():
                self._mail.apply_completion(event)
            case MessageCancelled():
                self._mail.apply_cancellation(event)
            case RunAborting():
                self._aborting, self._ending = event, None
            case RunCompleted() | RunFailed():
                self._ended = True
            case RoutesChanged():
                self._routes = self._routes.changed(event)
            case RunForked():
                self._ended, self._ending, self._aborting = False, None, None
            case RunStarted() | RunInterrupted() | LimitsRaised() | AgentSlept():
                pass

    def resume(self, *, at: float) -> list[Outgoing]:
        """Starts what may start after a state was restored, and begins what a person has let through meanwhile.

        The events of a fork may end between an event and what follows from it, which then follows here.
        """
        return [self._number(event, at) for event in self._left_over()] + self.begin(at=at)

    def begin(self, *, at: float) -> list[Outgoing]:
        """Begins what a person has let through. Only who has hosts to perform it may ask for this."""
        begun = [] if self._aborting is not None else self._steps.to_begin()
        return [self._number(event, at) for event in begun]

    # Decisions

    def _is_known(self, event: AnyEvent) -> bool:
        match event:
            case StepStarted():
                return self._steps.is_known(event) or not self._mail.has_started(event.delivery)
            case StepCompleted() | StepAsked() | StepDecided() | StepBegun():
                return self._steps.is_known(event)
            case MessageSent() | MessagePublished():
                return self._mail.has(event.message)
            case DeliveryStarted() | RunForked():
                return True
            case DeliveryCompleted():
                return not self._mail.is_running(event.delivery)
            case AgentSlept():
                return not self._mail.is_at_rest(event.agent) or self._sleep.is_known(event)
            case MessageCancelled():
                return not self._mail.has(event.message)
            case RunStarted():
                return self._seq > 0
            case RunAborting():
                return self._aborting is not None
            case RunCompleted() | RunFailed() | RunInterrupted() | LimitsRaised() | RoutesChanged():
                return False

    def _undoes(self, event: AnyEvent) -> bool:
        """Whether an event is of those that a run still takes when it is given up: what undoes, and what ends."""
        match event:
            case MessageSent():
                return event.cause == ids.ROOT and event.recipient.type == UNDO
            case StepStarted() | DeliveryCompleted():
                return self._mail.has_started(event.delivery) and self._mail.agent(event.delivery).type == UNDO
            case StepCompleted() | RunFailed() | RunInterrupted():
                return True
            case _:
                return False

    def _consequences(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """What starts because of an event. Each is applied (by `_number`) before the next is decided."""
        match event:
            case StepStarted() | StepCompleted():
                return ()
            case MessageSent():
                return self._arrive(event)
            case MessagePublished():
                return (started for agent in event.recipients for started in self._starts(agent))
            case DeliveryCompleted():
                return self._go_on(event.agent)
            case StepDecided():
                return outcome_of(event)
            case _:
                return ()

    def _go_on(self, agent: AgentName) -> Iterator[AnyEvent]:
        yield from self._starts(agent)
        if self._ending is not None and self.is_idle:
            yield self._ending

    def _arrive(self, sent: MessageSent) -> Iterator[AnyEvent]:
        if self._routes.policy(sent.recipient) is None:
            yield self._undeliverable(sent)
        elif self._aborting is None and self._must_reenter(sent):
            yield self._start(sent.recipient, sent.message)
        else:
            yield from self._starts(sent.recipient)

    def _left_over(self) -> Iterator[AnyEvent]:
        for sent in self._mail.undeliverable():
            yield self._undeliverable(sent)
        for agent in self._mail.agents_with_mail():
            for waiting in self._mail.waiting(agent):
                if isinstance(waiting, MessageSent) and self._aborting is None and self._must_reenter(waiting):
                    yield self._start(agent, waiting.message)
            yield from self._starts(agent)

    def _starts(self, agent: AgentName) -> Iterator[AnyEvent]:
        if self._aborting is not None and agent.type != UNDO:
            return
        while (message := self._mail.next_message(agent)) is not None and self._is_free(agent):
            yield self._start(agent, message)

    def _is_free(self, agent: AgentName) -> bool:
        return not self._mail.is_busy(agent) or self._is_concurrent(agent)

    def _is_concurrent(self, agent: AgentName) -> bool:
        policy = self._routes.policy(agent)
        return policy is not None and policy.concurrent

    def _must_reenter(self, sent: MessageSent) -> bool:
        """Whether the busy recipient waits, directly or through others, for the delivery that sent this message."""
        return not self._is_free(sent.recipient) and self._mail.waits(sent.recipient, sent.cause)

    def _start(self, agent: AgentName, message: str) -> DeliveryStarted:
        delivery = ids.delivery_id(message, agent)
        return DeliveryStarted(delivery=delivery, message=message, agent=agent, state=self._sleep.state(agent))

    def _undeliverable(self, sent: MessageSent) -> DeliveryCompleted:
        known = ", ".join(sorted(self._routes.types)) or "none"
        lost = f"there is no agent type {sent.recipient.type!r} in this run; there are: {known}"
        return DeliveryCompleted(
            delivery=ids.delivery_id(sent.message, sent.recipient),
            message=sent.message,
            agent=sent.recipient,
            response=None,
            failure=Failure.of(Undeliverable, lost),
        )

    # State

    def _number(self, event: AnyEvent, at: float) -> Outgoing:
        return self.apply(msgspec.structs.replace(event, seq=self._seq + 1, at=at))

    def addressed(self, event: AnyEvent) -> Outgoing:
        """For whose eyes an event is that was applied, now or long ago."""
        match event:
            case StepStarted():
                must_be_durable_first = event.effect in ("compensable", "irreversible") or event.is_metered
                return Outgoing(event, to=self._mail.agent(event.delivery) if must_be_durable_first else None)
            case StepCompleted():
                is_given = self._steps.is_settled(event.step)
                return Outgoing(event, to=self._mail.agent(event.delivery), is_given=is_given)
            case DeliveryStarted():
                return Outgoing(event, to=event.agent, message=self._mail.message(event.message))
            case StepBegun():
                return Outgoing(event, to=self._mail.agent(event.delivery))
            case StepAsked() | RunAborting() | RunInterrupted():
                return Outgoing(event, to_driver=True)
            case DeliveryCompleted():
                message = self._mail.message(event.message)
                is_awaited = isinstance(message, MessageSent)
                return Outgoing(
                    event, to=message.sender if is_awaited else None, to_driver=is_awaited and message.sender is None
                )
            case AgentSlept():
                return Outgoing(event, to=event.agent)
            case MessageCancelled():
                message = self._mail.message(event.message)
                return Outgoing(event, to=message.recipient if isinstance(message, MessageSent) else None)
            case _:
                return Outgoing(event)
