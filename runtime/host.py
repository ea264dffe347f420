"""A host of agents: makes them at their first message, performs their steps, and passes on what they do.

Parcels come in through `feed`, in order; each is released to its agent at once, and what the agent did goes out in
batches, one batch of a run at a time, in order. A host holds agents of many runs. It is the same in a Ray actor
(`runtime/cluster.py`), in the calling process (`runtime/local.py`) and in a replay.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec
import structlog

from runtime import clock
from runtime.blobs import digest
from runtime.codec import canonical
from runtime.errors import RepertoryError, Unreachable
from runtime.events import (
    AgentName,
    AgentSlept,
    AnyEvent,
    Digest,
    Failure,
    MessagePublished,
    MessageSent,
    RunCompleted,
    RunFailed,
    RunForked,
    RunInterrupted,
    StepAsked,
    StepBegun,
    StepCompleted,
    StepStarted,
)
from runtime.exchange.channel import RunOver
from runtime.exchange.parcels import ForkPast, Parcel
from runtime.exchange.recollection import Recalled, may_fire
from runtime.failures import describe
from runtime.hosting.cell import Cell
from runtime.hosting.cells import Cells
from runtime.hosting.rest_watch import RestWatch
from runtime.hosting.standing import Standing
from runtime.steps import NeedsPerson, StepCall, StepResult
from runtime.team import Team
from runtime.telemetry import traceparent

Submit = Callable[[str, list[AnyEvent], dict[Digest, bytes]], Awaitable[None]]
"""Hands proposed events of a run, with the blobs that they name, to its sequencer; returns when they are durable."""

Room = Callable[[str, str], Awaitable[bool]]
"""Asks the sequencer whether there is room for more messages, by run and step; see `Channel.room`."""

_ENDS = frozenset[type[AnyEvent]]({RunCompleted, RunFailed, RunInterrupted})
"""What is told to a host as the last of a run."""

log = structlog.get_logger(__name__)


class _Batch(msgspec.Struct, gc=False):
    events: list[AnyEvent] = []
    blobs: dict[Digest, bytes] = {}


Recall = Callable[[str, StepStarted, bytes], Awaitable[Recalled | None]]
"""Asks the sequencer how a step of a fork ends, by run, step and request; see `Channel.recall`."""


@dataclass(frozen=True, slots=True)
class ForkPart:
    """What a host must know of a run that is a fork."""

    fork: RunForked
    standing: Standing
    recall: Recall


class HostedRun:
    """The agents of one run at this host, and what they are doing."""

    def __init__(
        self,
        run: str,
        team: Team,
        submit: Submit,
        secrets: Mapping[str, str],
        on_broken: Callable[[Exception], None],
        fork: ForkPart | None = None,
        room: Room | None = None,
    ) -> None:
        self._run = run
        self._room = room
        self._completed: set[str] = set()
        self._seen: dict[AgentName, int] = {}
        self._fork = fork
        self._is_closed = False
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._on_broken = on_broken
        self._team = team
        self._submit = submit
        self._secrets = secrets
        self._cells = Cells(self._cell, 0 if fork is None else fork.fork.seq)
        self._rest = RestWatch(team.rest, self._put_to_sleep)
        self._batch = _Batch()
        self._is_sending = False
        self._is_releasing = False
        """Whether an agent is at work, and may propose more before anything is to be sent."""
        self._sent: asyncio.Future[None] | None = None
        """The batch that is under way."""
        self._performing: dict[str, asyncio.Task[None]] = {}
        self._results: dict[str, bytes] = {}

    def release(self, parcel: Parcel) -> None:
        """Hands a parcel to its agent and sends on what the agent does with it; nothing when the agent has seen it."""
        assert parcel.to is not None
        if parcel.event.seq <= self._seen.get(parcel.to, 0):
            return
        self._completed.update(parcel.completed)
        event = parcel.event
        if isinstance(event, AgentSlept):
            self._fall_asleep(event)
        elif (cell := self._cells.of(parcel)) is not None:
            self._seen[parcel.to] = event.seq
            self._release_to(cell, parcel)
            self._rest.see(cell)

    def _release_to(self, cell: Cell, parcel: Parcel) -> None:
        """What the agent does is sent when all of it is known, behind the steps that it begins with that."""
        event = parcel.event
        self._is_releasing = True
        try:
            if parcel.is_past and isinstance(event, StepStarted | StepBegun) and not self._was_not_fired(event):
                self._recover(cell, event)
            else:
                cell.release(self._with_result(parcel))
        finally:
            self._is_releasing = False
        if self._batch.events:
            self._send_soon()

    def _cell(self, name: AgentName, state: bytes | None) -> Cell:
        return Cell(name, self._team.agents[name.type], self, state)

    def _put_to_sleep(self, name: AgentName) -> None:
        """Proposes that an agent sleeps; it stays as it is unless, and until, this is recorded."""
        cell = self._cells.awake.get(name)
        if cell is not None and (state := cell.save()) is not None:
            body = digest(state)
            self.propose(AgentSlept(agent=name, state=body, seen=cell.seen), {body: state})

    def _fall_asleep(self, event: AgentSlept) -> None:
        """Forgets an agent, of which nothing is left here but what a fork must keep."""
        self._cells.sleep(event)
        self._rest.forget(event.agent)
        if self._cells.is_shared(event):
            self._seen[event.agent] = event.seq
        else:
            self._seen.pop(event.agent, None)

    def _recover(self, cell: Cell, event: StepStarted | StepBegun) -> None:
        """A step was let through when its host went away, and nothing says whether it happened: go by its effect."""
        held = cell.held(event)
        if held is None or event.step in self._completed:
            return
        started, call = held
        if started.effect in ("read", "idempotent"):
            cell.unhold(event.step)
            self.perform(started, call)
        elif started.effect == "compensable" and call.undo is not None:
            cell.unhold(event.step)
            self.perform(started, _after_undo(call, call.undo))
        else:
            question = (
                f"{started.kind} {started.name!r} had begun when its process went away. Did it happen? "
                "It must not happen twice"
            )
            self.propose(StepAsked(step=event.step, delivery=event.delivery, why="uncertain", question=question), {})

    def _with_result(self, parcel: Parcel) -> Parcel:
        """Adds the result of a step that was performed here, whose bytes need not come back."""
        if isinstance(parcel.event, StepCompleted):
            payload = self._results.pop(parcel.event.step, None)
            if parcel.payload is None:
                return msgspec.structs.replace(parcel, payload=payload)
        return parcel

    def held(self) -> dict[AgentName, int]:
        """The agents that live here, and the highest seq that each has seen."""
        return dict(self._seen)

    async def close(self) -> None:
        """Stops performing; what was not recorded did not happen as far as the run knows."""
        self._is_closed = True
        self._rest.close()
        self._cells.close()
        tasks = [*self._performing.values(), *([self._sent] if self._sent else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)

    # What the cells ask

    def propose(self, event: AnyEvent, blobs: dict[Digest, bytes]) -> None:
        """Puts an event into the next batch; nothing when the run is closed here."""
        if self._is_closed:
            return
        self._batch.events.append(self._with_trace(event))
        self._batch.blobs.update(blobs)
        if not self._is_releasing:
            self._send_soon()

    def _with_trace(self, event: AnyEvent) -> AnyEvent:
        """A message with the trace context that it carries; what is recorded of it does not depend on it."""
        match event:
            case MessageSent() | MessagePublished():
                context = {"traceparent": traceparent(self._run, event.cause)}
                return msgspec.structs.replace(event, headers=context | event.headers)
            case _:
                return event

    def _was_not_fired(self, started: StepStarted | StepBegun) -> bool:
        """Whether it is certain that a step which began has not happened: a fork fires only what it was allowed."""
        if self._fork is None or started.seq < self._fork.fork.seq:
            return self._fork is not None
        return isinstance(started, StepStarted) and not may_fire(self._fork.fork, started)

    def permitted(self, call: StepCall) -> StepCall:
        """The call, about which nobody is asked where a fork answers it from its parent instead of firing it."""
        is_fired = self._fork is None or call.effect in ("read", "idempotent") or may_fire(self._fork.fork, call)
        return call if is_fired else msgspec.structs.replace(call, approval="")

    def standing_step(self, now: StepStarted, seen: int) -> StepStarted:
        """The recorded step that stands for this one, in a fork."""
        return now if self._fork is None else self._fork.standing.step(now, seen)

    def standing(self, now: AnyEvent) -> AnyEvent:
        """The recorded event that stands for this one, in a fork."""
        return now if self._fork is None else self._fork.standing.event(now)

    def perform(self, started: StepStarted, call: StepCall) -> None:
        """Performs a step in a task of the host's own loop, unless its result is on record and comes as a parcel."""
        if started.step in self._completed or self._is_closed:
            return
        self._performing[started.step] = self._task(self._perform(started, call))

    async def room(self, step: str) -> None:
        """Returns when there is room where the delivery of this step sends to."""
        while self._room is not None and not await self._room(self._run, step):
            pass

    def drop(self, step: str) -> None:
        """Stops performing a step."""
        if (task := self._performing.pop(step, None)) is not None:
            task.cancel()

    def describe(self, error: BaseException) -> Failure:
        """Writes an exception down, without secrets."""
        return describe(error, self._secrets.values())

    # What goes on meanwhile

    def _task(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """A task outside of the agents' loops and of their deliveries' contexts."""
        return self._loop.create_task(work, context=self._context.copy())

    def _send_soon(self) -> None:
        """Sends what has been proposed, unless a batch is under way; then it follows that.

        What can go on at once goes on first: the tasks of steps are made before. A step that is done at once is in the
        same batch as its start, and so costs one append, not two.
        """
        if not self._is_sending:
            self._is_sending = True
            self._in_a_turn(self._send)

    def _in_a_turn(self, call: Callable[[], object]) -> None:
        self._loop.call_soon(call, context=self._context)

    def _send(self) -> None:
        if self._is_closed:
            return
        batch, self._batch = self._batch, _Batch()
        try:
            self._sent = asyncio.ensure_future(self._submit(self._run, batch.events, batch.blobs))
        except Exception as error:
            self._is_sending = False
            self._on_broken(error)
        else:
            self._sent.add_done_callback(self._on_sent, context=self._context)

    def _on_sent(self, sent: asyncio.Future[None]) -> None:
        self._is_sending, self._sent = bool(self._batch.events), None
        if not sent.cancelled() and isinstance(error := sent.exception(), Exception):
            self._is_sending = False
            self._on_broken(error)
        elif self._is_sending:
            self._in_a_turn(self._send)

    async def _perform(self, started: StepStarted, call: StepCall) -> None:
        began = clock.time_s()
        if self._fork is not None and await self._recall(self._fork, started, call):
            return
        result: StepResult | None = None
        failure: Failure | None = None
        try:
            result = await call.perform(started.step)
            body = canonical(result.value)
        except NeedsPerson as asked:
            self._performing.pop(started.step, None)
            question = StepAsked(step=started.step, delivery=started.delivery, why="question", question=str(asked))
            self.propose(question, {})
            return
        except Unreachable as error:
            self._performing.pop(started.step, None)
            reason = self.describe(error).message
            self.propose(RunInterrupted(reason=reason, why="unreachable", step=started.step), {})
            return
        except Exception as error:
            body = b""
            failure = self.describe(error)
        self._performing.pop(started.step, None)
        self._complete(started, result, body, failure, began)

    async def _recall(self, fork: ForkPart, started: StepStarted, call: StepCall) -> bool:
        """Ends a step with what the parent of the fork knows of it; False when it must be performed."""
        try:
            recalled = await fork.recall(self._run, started, call.request)
        except RepertoryError as error:
            self._performing.pop(started.step, None)
            self._on_broken(error)
            return True
        if recalled is None:
            return False
        self._performing.pop(started.step, None)
        if recalled.body is not None:
            self._results[started.step] = recalled.body
        self.propose(recalled.completed(started, clock.time_s()), {})
        return True

    def _complete(
        self, started: StepStarted, result: StepResult | None, body: bytes, failure: Failure | None, began: float
    ) -> None:
        name = digest(body) if result is not None and failure is None else None
        if name is not None:
            self._results[started.step] = body
        completed = StepCompleted(
            step=started.step,
            delivery=started.delivery,
            result=name,
            failure=failure,
            attempts=result.attempts if result is not None else 1,
            started_at=began,
            ended_at=clock.time_s(),
            usage=dict(result.usage) if result is not None else {},
        )
        self.propose(completed, {} if name is None else {name: body})


def _after_undo(call: StepCall, undo: Callable[[str], Awaitable[None]]) -> StepCall:
    """The call, undone before it is done: the first time may have happened or not."""

    async def again(step: str) -> StepResult:
        await undo(step)
        return await call.perform(step)

    return msgspec.structs.replace(call, perform=again)


@dataclass(frozen=True, slots=True)
class Part:
    """What a host must have to take part in a run."""

    team: Team
    fork: ForkPart | None = None
    """What there is to know where the run is a fork."""


def fork_part(past: ForkPast | None, recall: Recall) -> ForkPart | None:
    """A host's part of a fork, from what the sequencer says of it."""
    return None if past is None else ForkPart(past.fork, Standing(past.fork, past.recorded), recall)


class Host:
    """Takes parcels of many runs; see the module."""

    def __init__(
        self, name: str, submit: Submit, part_in: Callable[[str], Awaitable[Part]], room: Room | None = None
    ) -> None:
        self._room = room
        self.name = name
        self._submit = submit
        self._part_in = part_in
        self._runs: dict[str, HostedRun] = {}
        self._broken: Callable[[str, Exception], None] = _log_broken
        self._secrets: Mapping[str, str] = {}

    def keep_out(self, secrets: Mapping[str, str]) -> None:
        """Blots these values out of every failure that is recorded from now on."""
        self._secrets = secrets

    def on_broken(self, callback: Callable[[str, Exception], None]) -> None:
        """Calls back when what a run did cannot be submitted any more."""
        self._broken = callback

    async def feed(self, parcel: Parcel) -> None:
        """Releases one parcel; the first one of a run builds its team here, the last one closes it."""
        if type(parcel.event) in _ENDS:
            await self.close_run(parcel.run)
            return
        run = self._runs.get(parcel.run)
        if run is None:
            try:
                run = self._runs[parcel.run] = await self._open(parcel.run)
            except RunOver:
                return  # it ended while the parcel was on its way, so nobody waits for what its agent would do
        run.release(parcel)

    async def _open(self, run: str) -> HostedRun:
        part = await self._part_in(run)
        on_broken = partial(self._broken, run)
        return HostedRun(run, part.team, self._submit, self._secrets, on_broken, part.fork, self._room)

    def held(self) -> dict[str, dict[AgentName, int]]:
        """What lives here, as a sequencer that has started afresh must know it; see `runtime.exchange.channel.Held`."""
        return {run: hosted.held() for run, hosted in self._runs.items()}

    async def close_run(self, run: str) -> None:
        """Forgets a run and stops what it still performs."""
        if (hosted := self._runs.pop(run, None)) is not None:
            await hosted.close()

    async def close(self) -> None:
        """Forgets all runs."""
        for run in list(self._runs):
            await self.close_run(run)


def _log_broken(run: str, error: Exception) -> None:
    log.error("host.broken", run=run, error=str(error))
