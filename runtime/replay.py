"""Performs a recorded run again in one process: the agents' real code, every step answered from the journal.

No model, tool, memory or network is touched, and no sequencer decides: each agent is released what it was released
then, in the recorded order, at the recorded time. What its code does must be what it did; the first event that differs,
is new, or is missing stops the replay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from runtime.beginning import beginning, last_fork
from runtime.cell import Cell
from runtime.errors import CorruptEvent, DivergenceError
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Digest,
    Failure,
    MessageCancelled,
    MessagePublished,
    MessageSent,
    RunForked,
    RunStarted,
    StepCompleted,
    StepStarted,
)
from runtime.failures import describe
from runtime.ids import ROOT
from runtime.journal import Journal
from runtime.parcels import Parcel
from runtime.routing import Routes
from runtime.standing import Standing
from runtime.steps import StepCall
from runtime.team import Resources, Team, find_builder


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replay that went as recorded."""

    events: int
    model_calls: int
    tool_calls: int


class Replay:
    """One run's replay; the `HostRun` of all its agents."""

    def __init__(self, team: Team, events: Sequence[AnyEvent], blobs: Mapping[Digest, bytes]) -> None:
        self._team = team
        self._events = events
        self._blobs = blobs
        self._cells: dict[AgentName, Cell] = {}
        self._messages = {e.message: e for e in events if isinstance(e, MessageSent | MessagePublished)}
        self._agents = {e.delivery: e.agent for e in events if isinstance(e, DeliveryStarted)}
        self._expected = {key: event for event in events if (key := self._key(event)) is not None}
        self._open = self._agents.keys() - {e.delivery for e in events if isinstance(e, DeliveryCompleted)}
        self._beyond: set[AgentName] = set()
        self._divergence: DivergenceError | None = None
        self._is_over = False
        fork = last_fork(events)
        self._standing = None if fork is None else Standing(fork, events)
        self._stands_until = 0 if fork is None else max(fork.seq, fork.set_until)

    def perform_all(self) -> Replayed:
        """Releases every recorded event to whom it was released.

        Raises:
            DivergenceError: at the first event that differs, is new, or is missing.
        """
        try:
            for event in self._events:
                self._perform(event)
        finally:
            self._is_over = True
            for cell in self._cells.values():
                cell.close()
        steps = [event for event in self._events if isinstance(event, StepStarted)]
        return Replayed(len(self._events), sum(s.kind == "model" for s in steps), sum(s.kind == "tool" for s in steps))

    def _perform(self, event: AnyEvent) -> None:
        """What was recorded before this event must have happened; then it is released."""
        if (key := self._key(event)) in self._expected and event.seq > self._stands_until:
            raise DivergenceError(f"event {event.seq}: {_words(event)} was recorded and did not happen now: {key}")
        self._release(event)
        if self._divergence is not None:
            raise self._divergence

    def _release(self, event: AnyEvent) -> None:
        agent = self._reader(event)
        if agent is None or agent.type not in self._team.agents:
            return
        cell = self._cells.get(agent)
        if cell is None:
            cell = self._cells[agent] = Cell(agent, self._team.agents[agent.type], self)
        message = self._messages[event.message] if isinstance(event, DeliveryStarted) else None
        cell.release(Parcel("", event, agent, message, self._payload(event)))

    def _reader(self, event: AnyEvent) -> AgentName | None:
        """The agent that an event was released to; the same rule as the sequencer's."""
        match event:
            case DeliveryStarted():
                return event.agent
            case StepCompleted():
                return self._agents[event.delivery]
            case DeliveryCompleted():
                message = self._messages[event.message]
                return message.sender if isinstance(message, MessageSent) else None
            case MessageCancelled():
                message = self._messages[event.message]
                return message.recipient if isinstance(message, MessageSent) else None
            case _:
                return None

    def _payload(self, event: AnyEvent) -> bytes | None:
        match event:
            case DeliveryStarted():
                return self._blobs[self._messages[event.message].payload]
            case StepCompleted(result=str() as found) | DeliveryCompleted(response=str() as found):
                return self._blobs[found]
            case _:
                return None

    def _key(self, event: AnyEvent) -> tuple[str, str] | None:
        """What names an event that an agent's code causes; None for what comes from elsewhere."""
        match event:
            case MessageSent() | MessagePublished() if event.cause != ROOT:
                return "message", event.message
            case StepStarted():
                return "step", event.step
            case DeliveryCompleted() if event.delivery in self._agents:
                return "delivery", event.delivery
            case MessageCancelled():
                return "cancelled", event.message
            case _:
                return None

    # What the cells ask

    def propose(self, event: AnyEvent, blobs: dict[Digest, bytes]) -> None:
        """Compares what happens now with what was recorded; the first difference is kept.

        A record may end while deliveries are open. What these do last may never have been recorded; it must then be
        the last that their agent does.
        """
        if self._is_over:
            return
        recorded = self._expected.pop(self._key(event) or ("", ""), None)
        agent, delivery = self._doer(event)
        if recorded is None and delivery in self._open:
            self._beyond.add(agent)
        elif recorded is None:
            self._diverge(f"{_words(event)} happens now and was not recorded")
        elif agent in self._beyond:
            self._diverge(f"event {recorded.seq}: before {_words(recorded)}, {agent} now does what was not recorded")
        elif differences := _differences(recorded, event):
            self._diverge(f"event {recorded.seq}: {_words(recorded)}: {'; '.join(differences)}")

    def _diverge(self, words: str) -> None:
        if self._divergence is None:
            self._divergence = DivergenceError(words)

    def _doer(self, event: AnyEvent) -> tuple[AgentName, str]:
        """The agent whose code did it, and in which delivery."""
        match event:
            case MessageSent() | MessagePublished() | MessageCancelled():
                delivery = event.cause
            case StepStarted() | DeliveryCompleted():
                delivery = event.delivery
            case _:
                raise AssertionError(f"{type(event).__name__} is not an agent's doing")
        return self._agents[delivery], delivery

    def standing_step(self, now: StepStarted, seen: int) -> StepStarted:
        """The recorded step that stands for this one, where the run is a fork."""
        return now if self._standing is None else self._standing.step(now, seen)

    def standing(self, now: AnyEvent) -> AnyEvent:
        """The recorded event that stands for this one, where the run is a fork."""
        return now if self._standing is None else self._standing.event(now)

    def perform(self, started: StepStarted, call: StepCall) -> None:
        """Performs nothing: the recorded completion comes in its place of the order."""

    def drop(self, step: str) -> None:
        """Nothing is performed, so nothing is dropped."""

    def describe(self, error: BaseException) -> Failure:
        """Writes an exception down."""
        return describe(error)


async def replay(journal: Journal, run: str) -> Replayed:
    """Replays a run from its journal.

    Raises:
        DivergenceError: at the first difference.
        CorruptEvent: when the run has no beginning, or something it names is missing.
        UsageError: when its team cannot be built here.
    """
    events = await journal.events(run)
    started = beginning(events)
    if started is None:
        raise CorruptEvent(f"run {run!r} has no first event; `repertory runs list` shows the runs that there are", run)
    blobs = await journal.blobs({name for event in events for name in _named(event)})
    config = msgspec.json.decode(blobs[started.spec])
    team = find_builder(started.builder)(config, Resources(run))
    _check_routes(team, msgspec.json.decode(blobs[started.routes], type=Routes))
    return Replay(team, events, blobs).perform_all()


def _check_routes(team: Team, recorded: Routes) -> None:
    missing = sorted(recorded.types.keys() - team.agents.keys())
    if missing:
        raise DivergenceError(f"the code of today has no agent type {', '.join(missing)}, which the run was made with")


def _named(event: AnyEvent) -> list[Digest]:
    match event:
        case RunStarted() | RunForked():
            return [event.spec, event.routes]
        case MessageSent() | MessagePublished():
            return [event.payload]
        case StepCompleted(result=str() as found) | DeliveryCompleted(response=str() as found):
            return [found]
        case _:
            return []


_NOT_COMPARED = ("seq", "at", "recipients")
"""What the sequencer adds to what an agent's code does."""


def _differences(recorded: AnyEvent, now: AnyEvent) -> list[str]:
    before, after = msgspec.structs.asdict(recorded), msgspec.structs.asdict(now)
    if type(recorded) is not type(now):
        return [f"was a {type(recorded).__name__}, is now a {type(now).__name__}"]
    return [
        f"{name} was {before[name]!r}, is now {after[name]!r}"
        for name in before
        if name not in _NOT_COMPARED and before[name] != after[name]
    ]


def _words(event: AnyEvent) -> str:
    match event:
        case MessageSent():
            return f"a message to {event.recipient}"
        case MessagePublished():
            return f"a message to the topic {event.topic}"
        case StepStarted():
            return f"the {event.kind} step {event.name!r}"
        case DeliveryCompleted():
            return f"the end of a delivery to {event.agent}"
        case _:
            return type(event).__name__
