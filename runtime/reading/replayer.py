"""Performs a recorded run again in one process: the agents' real code, every step answered from the journal.

No model, tool, memory or network is touched, and no sequencer decides: each agent is released what it was released
then, in the recorded order, at the recorded time. What its code does must be what it did, in the order in which it did
it; the first event that differs, is new, or is missing stops the replay (`runtime/reading/divergence.py` explains it).
"""

from __future__ import annotations

import inspect
import traceback
from bdb import BdbQuit
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from runtime.beginning import last_fork
from runtime.blobs import digest
from runtime.errors import UsageError
from runtime.events import (
    AgentName,
    AgentSlept,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Digest,
    Failure,
    MessageCancelled,
    MessagePublished,
    MessageSent,
    RunCompleted,
    RunFailed,
    RunInterrupted,
    StepAsked,
    StepCompleted,
    StepStarted,
)
from runtime.exchange.parcels import Parcel
from runtime.failures import describe
from runtime.hosting.agent_loop import AgentLoop
from runtime.hosting.cell import Cell
from runtime.hosting.cells import Cells
from runtime.hosting.standing import Standing
from runtime.reading.debugger import Breakpoint, is_machinery
from runtime.reading.divergence import Draft, located
from runtime.reading.doings import differing_fields, key_of
from runtime.reading.expectations import Expectations, Mailboxes, doer
from runtime.steps import StepCall
from runtime.team import AgentSpec, Team


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replay that went as recorded, as far as it went."""

    events: int
    model_calls: int
    tool_calls: int
    """Both as they were answered from the journal."""
    is_whole: bool = True
    """Whether it went to the end of the record."""
    end: str = "done"
    """How the record ends, in words: done, or why there is nothing after it."""


class Stopped(UsageError):
    """The person at the debugger ended the replay."""

    exit_code = 0


class Stray(Exception):
    """A replay left its record; `draft` says where. Callers see `runtime.reading.divergence.Diverged` instead."""

    def __init__(self, draft: Draft) -> None:
        super().__init__("the replay left its record")
        self.draft = draft


@dataclass(frozen=True, slots=True)
class Manner:
    """How a replay is performed."""

    to: int | None = None
    """The seq of the last event; None for all of them."""
    is_strict: bool = False
    """Whether what makes no difference to an agent is compared too."""
    stop: Breakpoint | None = None
    """Where a debugger is wanted."""


@dataclass(slots=True)
class Replay:
    """One run's replay; the `HostRun` of all its agents. Use it once."""

    team: Team
    events: Sequence[AnyEvent]
    blobs: Mapping[Digest, bytes]
    manner: Manner = field(default_factory=Manner)
    cells: Cells = field(init=False)
    """The agents that are awake."""
    asleep: dict[AgentName, bytes] = field(default_factory=dict[AgentName, bytes])
    """What the others have saved."""
    proposed: dict[Digest, bytes] = field(default_factory=dict[Digest, bytes])
    """The blobs of what the agents do now."""
    _standing: Standing | None = field(init=False)
    _messages: dict[str, MessageSent | MessagePublished] = field(init=False)
    _agents: dict[str, AgentName] = field(init=False)
    _expected: Expectations = field(init=False)
    _open: set[str] = field(init=False)
    _ended: set[str] = field(default_factory=set[str])
    _mailboxes: Mailboxes = field(default_factory=Mailboxes)
    _draft: Draft | None = None
    _error: BaseException | None = None
    _seq: int = 0
    _is_over: bool = False
    _is_stopped: bool = False

    def __post_init__(self) -> None:
        events = self.events
        self._messages = {e.message: e for e in events if isinstance(e, MessageSent | MessagePublished)}
        self._agents = {e.delivery: e.agent for e in events if isinstance(e, DeliveryStarted)}
        fork = last_fork(events)
        self._standing = None if fork is None else Standing(fork, events)
        self.cells = Cells(self._cell, 0 if fork is None else fork.seq)
        stands_until = 0 if fork is None else max(fork.seq, fork.set_until)
        self._expected = Expectations(events, self._agents, stands_until)
        self._open = self._agents.keys() - {e.delivery for e in events if isinstance(e, DeliveryCompleted)}

    def perform_all(self) -> Replayed:
        """Releases every recorded event to whom it was released, up to where it is to stop. `close` ends it.

        Raises:
            Stray: at the first event that differs, is new, or is missing.
            Stopped: when the person at the debugger has enough.
        """
        last = len(self.events) if self.manner.to is None else self.manner.to
        for event in self.events[:last]:
            self._seq = event.seq
            self._perform(event)
        answered = {event.step for event in self.events[:last] if isinstance(event, StepCompleted)}
        steps = [e for e in self.events[:last] if isinstance(e, StepStarted) and e.step in answered]
        models, tools = (sum(step.kind == kind for step in steps) for kind in ("model", "tool"))
        return Replayed(self._seq, models, tools, last == len(self.events), _end_of(self.events[-1]))

    def close(self) -> None:
        """Ends what the agents were doing."""
        self._is_over = True
        self.cells.close()

    def _perform(self, event: AnyEvent) -> None:
        """What was recorded before this event must have happened; then it is released."""
        first = self._mailboxes.apply(event)
        if isinstance(event, DeliveryStarted) and first is not None:
            self._stray(self._out_of_order(event, first))
        if self._expected.is_due(event):
            delivery = doer(event) or ""
            self._stray(Draft(self._agents[delivery], delivery, event, None, event.seq))
        self._release(event)
        if self._is_stopped:
            raise Stopped("stopped at the debugger; the journal is as it was")
        if self._draft is not None:
            self._stray(self._draft)

    def _stray(self, draft: Draft) -> None:
        raise Stray(draft)

    def _out_of_order(self, event: DeliveryStarted, first: str) -> Draft:
        now = next(
            (e for e in self.events if isinstance(e, DeliveryStarted) and (e.message, e.agent) == (first, event.agent)),
            DeliveryStarted(delivery="never", message=first, agent=event.agent),
        )
        return Draft(event.agent, event.delivery, event, now, event.seq, is_mailbox=True)

    def _release(self, event: AnyEvent) -> None:
        agent = self._reader(event)
        if agent is None or agent.type not in self.team.agents:
            return
        if isinstance(event, AgentSlept):
            self._put_to_sleep(event)
            return
        message = self._messages[event.message] if isinstance(event, DeliveryStarted) else None
        parcel = Parcel("", event, agent, message, self._payload(event), state=self._state(event))
        if (cell := self.cells.of(parcel)) is not None:
            cell.release(parcel)

    def _state(self, event: AnyEvent) -> bytes | None:
        """What the agent saved that an event wakes."""
        if not isinstance(event, DeliveryStarted) or event.state is None:
            return None
        self.asleep.pop(event.agent, None)
        return self.blobs[event.state]

    def _put_to_sleep(self, event: AgentSlept) -> None:
        """What the agent saves now must be what it saved, unless a fork's own code and settings decide on it."""
        cell = self.cells.awake.get(event.agent)
        if not self.cells.is_shared(event):
            state = None if cell is None else cell.save()
            if state is None or digest(state) != event.state:
                self._stray(self._other_state(event, state))
        self.asleep[event.agent] = self.blobs[event.state]
        self.cells.sleep(event)

    def _other_state(self, event: AgentSlept, state: bytes | None) -> Draft:
        now = None
        if state is not None:
            now = msgspec.structs.replace(event, state=digest(state))
            self.proposed[now.state] = state
        return Draft(event.agent, "", event, now, event.seq, fields=("state",))

    def _cell(self, agent: AgentName, state: bytes | None) -> Cell:
        return Cell(agent, self._spec(agent), self, state)

    def _spec(self, agent: AgentName) -> AgentSpec:
        spec, stop = self.team.agents[agent.type], self.manner.stop
        return stop.watched(spec) if stop is not None and stop.is_at_agent(agent) else spec

    def _reader(self, event: AnyEvent) -> AgentName | None:
        """The agent that an event was released to; the same rule as the sequencer's."""
        match event:
            case DeliveryStarted() | AgentSlept():
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
                return self.blobs[self._messages[event.message].payload]
            case StepCompleted(result=str() as found) | DeliveryCompleted(response=str() as found):
                return self.blobs[found]
            case _:
                return None

    # What the cells ask

    def propose(self, event: AnyEvent, blobs: dict[Digest, bytes]) -> None:
        """Compares what happens now with what was recorded; the first difference is kept.

        A record may end while agents are at work. What these do last may never have been recorded.
        """
        if self._is_over or isinstance(event, StepAsked):  # whether a person is asked makes no difference to an agent
            return
        self.proposed.update(blobs)
        if self._draft is not None:
            self._draft.later.append(event)
            return
        if self.manner.stop is not None and isinstance(event, StepStarted) and self.manner.stop.is_at_step(event.step):
            self.manner.stop.stop_in_handler()
        self._compare(event)

    def _compare(self, event: AnyEvent) -> None:
        delivery = doer(event) or ""
        agent = self._agents[delivery]
        if self._expected.stood(event):
            self._note_end(event, delivery)
            return
        recorded = self._expected.next_of(agent)
        if recorded is not None and key_of(recorded) == key_of(event):
            if fields := differing_fields(recorded, event, is_strict=self.manner.is_strict):
                self._draft = self._drafted(event, recorded, fields)
            else:
                self._expected.has_happened(agent)
        elif recorded is not None or not self._may_be_unrecorded(delivery):
            self._draft = self._drafted(event, recorded)
        self._note_end(event, delivery)

    def _note_end(self, event: AnyEvent, delivery: str) -> None:
        if isinstance(event, DeliveryCompleted):
            self._ended.add(delivery)
            self._error = None

    def _may_be_unrecorded(self, delivery: str) -> bool:
        """Whether the run's end may have cut off what a delivery did, or what it had left behind."""
        is_left_behind = delivery in self._ended and isinstance(self.events[-1], RunCompleted | RunFailed)
        return delivery in self._open or is_left_behind

    def _drafted(self, now: AnyEvent, recorded: AnyEvent | None, fields: tuple[str, ...] = ()) -> Draft:
        delivery = doer(now) or ""
        raised = self._error if isinstance(now, DeliveryCompleted) and now.failure is not None else None
        trace = traceback.extract_tb(None if raised is None else raised.__traceback__)
        return Draft(
            self._agents[delivery],
            delivery,
            recorded,
            now,
            self._seq,
            is_recorded_for_later=self._expected.is_pending(key_of(now)),
            frames=() if isinstance(now, DeliveryCompleted) else located(_handler_frames()),
            traceback=located([(frame.filename, frame.lineno or 0, frame.name) for frame in trace], keep=4),
            fields=fields,
        )

    def permitted(self, call: StepCall) -> StepCall:
        """The call itself: nothing is performed, and whether a person was asked makes no difference."""
        return call

    def standing_step(self, now: StepStarted, seen: int) -> StepStarted:
        """The recorded step that stands for this one, where the run is a fork."""
        return now if self._standing is None else self._standing.step(now, seen)

    def standing(self, now: AnyEvent) -> AnyEvent:
        """The recorded event that stands for this one, where the run is a fork."""
        return now if self._standing is None else self._standing.event(now)

    def perform(self, started: StepStarted, call: StepCall) -> None:
        """Performs nothing: the recorded completion comes in its place of the order."""

    async def room(self, step: str) -> None:
        """Never asked: how long a sender waited is on record."""

    def drop(self, step: str) -> None:
        """Nothing is performed, so nothing is dropped."""

    def describe(self, error: BaseException) -> Failure:
        """Writes an exception down, and keeps it to say where it came from."""
        self._is_stopped |= isinstance(error, BdbQuit)
        self._error = error
        return describe(error)


def _end_of(last: AnyEvent) -> str:
    match last:
        case RunCompleted():
            return "done"
        case RunFailed(failure=failure):
            return f"the run failed ({failure.message})"
        case RunInterrupted(reason=reason):
            return f"the run was interrupted ({reason}); `repertory resume` goes on with it"
        case _:
            return "the run has no last event: it is under way, waits for a person, or its process died"


def _handler_frames() -> list[tuple[str, int, str]]:
    """Where the agent's code stands, outermost first: what its loop has called, without the engine's own frames."""
    frames: list[tuple[str, int, str]] = []
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") != AgentLoop.__module__:
        if not is_machinery(frame):
            frames.append((frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return frames[::-1]
