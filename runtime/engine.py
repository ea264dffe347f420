"""Performing a run: begin it, send the first message, wait for the answer, and end it. The same for both engines.

An engine offers a channel to a sequencer and hosts behind it; everything here is the driver's part, which lives in the
process that the person started. The driver is a host too: for the agents that are placed `local`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Literal

import msgspec

from runtime import ids
from runtime.blobs import digest
from runtime.codec import Json, canonical, parse
from runtime.errors import BudgetExceeded, ClusterLost, RepertoryError, RunError
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    Digest,
    Failure,
    MessageCancelled,
    MessageSent,
    RunAborting,
    RunCompleted,
    RunFailed,
    RunInterrupted,
    RunStarted,
    StepAsked,
)
from runtime.exchange.attendance import Attendance, Left
from runtime.exchange.channel import Channel, NotKnownHere, RunOrder
from runtime.exchange.line import Answer, Converse, Line, answered, run_error
from runtime.exchange.parcels import Parcel
from runtime.failures import describe
from runtime.host import Host, Part, fork_part
from runtime.performance import OnEvent, Performance
from runtime.sequencer import UNDO
from runtime.team import Resources, Team, find_builder
from runtime.telemetry import traceparent
from runtime.undo import is_under_way, undos
from runtime.versions import versions

FIRST = ids.message_id(ids.ROOT, 0)
"""The id of the first message of every run."""

STOPPING = ("budget", "unreachable")
"""Why a run stands still by itself, though its driver is there."""

LAST_WORD_S = 10.0
"""How long a run that is stopped tries to write that down, in seconds."""

MINDED_AFTER_S = 1.0
"""How long a run must take before it is told how its journal is, in seconds."""


async def drive(performance: Performance, channel: Channel, team: Team) -> Json:
    """Performs a run over a channel, with the driver's own build of the team. See `Engine.perform`."""
    driver = f"driver:{performance.run}"
    if performance.is_resumed:
        past = await channel.resume(performance.run, driver)
        part = Part(team, fork_part(past.fork, channel.recall))
    else:
        part = Part(team)
        await channel.open(_order(performance, team, driver))
    stage = _Stage(performance, channel, part, driver)
    async with stage.attended():
        try:
            async with asyncio.timeout(performance.wall_s):
                result = await stage.led_by(performance.converse or partial(_first_answer, performance))
        except TimeoutError:
            reason = f"took {performance.wall_s:g} s, which is limits.wall_s"
            await stage.interrupt(reason, "budget")
            raise BudgetExceeded(f"run {performance.run} {reason}") from None
        except asyncio.CancelledError:
            await stage.interrupt("stopped from outside, by a person or a lost actor")
            raise
        except Left as left:
            if left.event is not None:
                await channel.submit(performance.run, [left.event], {})
            raise left.error from None
        except ClusterLost:
            raise  # nobody is left who could record it, and the run can be resumed
        except RepertoryError as error:
            failure = describe(error, performance.secrets.values())
            with suppress(RepertoryError):  # a journal that cannot take the end does not hide why the run failed
                await stage.undo_all(failure)
                await stage.end(RunFailed(failure=failure), {})
            raise
        except Exception as error:  # a fault of ours or of the machine: nothing is given up, the run can be resumed
            failure = describe(error, performance.secrets.values())
            with suppress(Exception):
                await stage.interrupt(f"unexpected {type(error).__name__}: {failure.message}")
            raise
        await stage.end(RunCompleted(result=digest(result)), {digest(result): result})
    answer = parse(result)
    return answer["data"] if isinstance(answer, dict) else answer


def build(performance: Performance, engine: Literal["local", "ray"]) -> Team:
    """The driver's own build of a run's team.

    Raises:
        UsageError: when the specification cannot be built.
    """
    resources = Resources(performance.run, performance.secrets, performance.ask, engine, performance.addresses)
    return find_builder(performance.spec.builder)(performance.spec.config, resources)


def _order(performance: Performance, team: Team, driver: str) -> RunOrder:
    spec = canonical(dict(performance.spec.config))
    routes = msgspec.json.encode(team.routes(), order="deterministic")
    started = RunStarted(
        name=performance.spec.name,
        builder=performance.spec.builder,
        spec=digest(spec),
        routes=digest(routes),
        versions=versions(performance.spec),
    )
    return RunOrder(performance.run, started, {started.spec: spec, started.routes: routes}, driver)


class _Stage:
    """The driver's host of one run, with its pulling and its watching."""

    def __init__(self, performance: Performance, channel: Channel, part: Part, driver: str) -> None:
        self._performance = performance
        self._channel = channel
        self._part = part
        self._host = Host(driver, channel.submit, self._own_part, channel.room)
        self._host.keep_out(performance.secrets)
        self._host.on_broken(self._on_broken)
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._over: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._undone: dict[str, asyncio.Event] = {}
        self._was_given_up = False
        self._attendance = Attendance(
            channel, performance.run, part.team.routes(), performance.ask, performance.by, performance.quiet_s
        )
        self._tasks: list[asyncio.Task[None]] = []
        """What goes on as long as the run is attended."""
        self._leaving: asyncio.Task[None] | None = None
        self._is_over = False
        """Whether it was told the end of its run, after which nothing comes."""
        self._fault: Exception | None = None
        self._ended = asyncio.Event()
        self._seen = asyncio.Event()
        self._trouble = ""
        self._ending: list[AnyEvent] = []
        self._ending_blobs: dict[Digest, bytes] = {}
        self._told = 0

    async def _own_part(self, _: str) -> Part:
        return self._part

    @asynccontextmanager
    async def attended(self) -> AsyncGenerator[None]:
        """Pulls and watches as long as the block runs; afterwards everything durable has been shown."""
        tasks = self._tasks = [asyncio.create_task(self._pull())]
        minding = asyncio.get_running_loop().call_later(MINDED_AFTER_S, self._mind)
        if self._performance.on_event is not None:
            tasks.append(asyncio.create_task(self._watch(self._performance.on_event)))
        try:
            yield
            if self._performance.on_event is not None:
                await self._seen.wait()
        finally:
            minding.cancel()
            tasks += [self._leaving] if self._leaving is not None else []
            await _end_all(tasks)
            self._fail(RunError(f"run {self._performance.run} was left; it can be taken up again"))
            await self._host.close()
            await self._channel.forget(self._performance.run, self._host.name)

    async def led_by(self, converse: Converse) -> bytes:
        """The result of what the driver does in its run, for as long as that goes on.

        Raises:
            Exception: why it does not go on, or what the driver fails with.
        """
        leading = asyncio.ensure_future(converse(self))
        try:
            done, _ = await asyncio.wait({leading, self._over}, return_when=asyncio.FIRST_COMPLETED)
            return await (self._over if self._over in done else leading)
        finally:
            if leading.done():
                _looked_at(leading)
            else:
                leading.cancel()
                await asyncio.gather(leading, return_exceptions=True)

    async def ask(self, ordinal: int, recipient: AgentName, payload: bytes) -> Answer:
        """See `Line.ask`."""
        run, body, message = self._performance.run, digest(payload), ids.message_id(ids.ROOT, ordinal)
        answer = self._answer(message)
        asked = MessageSent(
            message=message,
            sender=None,
            cause=ids.ROOT,
            recipient=recipient,
            payload=body,
            headers={"traceparent": traceparent(run, ids.ROOT)},
        )
        await self._channel.submit(run, [asked], {body: payload})
        return await answer

    async def cancel(self, ordinal: int) -> None:
        """See `Line.cancel`."""
        event = MessageCancelled(message=ids.message_id(ids.ROOT, ordinal), cause=ids.ROOT)
        await self._channel.submit(self._performance.run, [event], {})

    def _answer(self, message: str) -> asyncio.Future[Answer]:
        """The answer to a message of the driver, whether it is told before it is waited for or later."""
        if message not in self._answers:
            self._answers[message] = asyncio.get_running_loop().create_future()
            if self._over.done():
                _set_failure(self._answers[message], _told_to_callers(self._over.exception()))
        return self._answers[message]

    async def undo_all(self, failure: Failure) -> None:
        """Gives the run up and undoes what can be undone, the last first, one after the other; nothing when there is
        nothing to undo. A run that was given up before goes on where it was.

        Raises:
            JournalError: when it cannot be recorded.
        """
        run = self._performance.run
        events = await self._channel.watch(run, 0)
        if not undos(events) or UNDO not in self._part.team.agents:
            return
        await self._channel.submit(run, [RunAborting(failure=failure)], {})
        if not self._was_given_up:
            events = await self._settled(run)
        for undo in undos(events):
            if undo.state == "to do":
                event, blobs = undo.asked()
                done = self._undone.setdefault(undo.message, asyncio.Event())
                await self._channel.submit(run, [event], blobs)
                await done.wait()
                if self._fault is not None:
                    raise self._fault

    async def _settled(self, run: str) -> list[AnyEvent]:
        """The run's events, when no effect that is to be undone is under way any more, or patience is at its end."""
        events = await self._channel.watch(run, 0)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._performance.undo_patience_s):
                while is_under_way(events):
                    events += await self._channel.watch(run, events[-1].seq)
        return events

    async def end(self, event: RunCompleted | RunFailed, blobs: dict[Digest, bytes]) -> None:
        """Proposes the last event and waits until the run has ended, which is when nothing is left to do."""
        self._ending, self._ending_blobs = [event], blobs
        await self._channel.submit(self._performance.run, [event], blobs)
        await self._ended.wait()
        if self._fault is not None:
            raise self._fault

    async def interrupt(self, reason: str, why: Literal["stopped", "budget"] = "stopped") -> None:
        """Writes down that the run was stopped, if the journal can be used; it can be resumed in any case."""
        if self._trouble:
            return
        with suppress(TimeoutError, RepertoryError):
            async with asyncio.timeout(LAST_WORD_S):
                await self._channel.submit(self._performance.run, [RunInterrupted(reason=reason, why=why)], {})

    def _mind(self) -> None:
        self._tasks.append(asyncio.create_task(self._mind_the_journal()))

    async def _mind_the_journal(self) -> None:
        """Tells when the run stands still because its journal cannot be used, and when it goes on."""
        while True:
            before, self._trouble = self._trouble, await self._channel.trouble(self._trouble)
            if self._trouble != before and self._performance.on_pause is not None:
                self._performance.on_pause(self._trouble)

    async def _pull(self) -> None:
        told = 0
        try:
            while True:
                try:
                    told, parcels = await self._channel.pull(self._host.name, told)
                except NotKnownHere:
                    told, parcels = 0, []
                    await self._rejoin()
                for parcel in parcels:
                    await self._take(parcel)
                if self._is_over:
                    return
        except Exception as error:
            self._on_broken(self._performance.run, error)

    async def _rejoin(self) -> None:
        """The sequencer has started afresh: it takes up the run again, and what waited in its memory is said again."""
        run, held = self._performance.run, self._host.held()
        last = await self._channel.rejoin(run, self._host.name, held, self._told)
        if last is not None:
            self._ended.set()
        elif self._ending:
            await self._channel.submit(run, self._ending, self._ending_blobs)

    async def _take(self, parcel: Parcel) -> None:
        if parcel.to is not None:
            await self._host.feed(parcel)
            return
        self._told = parcel.event.seq
        match parcel.event:
            case RunCompleted() | RunFailed():
                self._is_over = True
                self._ended.set()
            case DeliveryCompleted() as event:
                self._undone.setdefault(event.message, asyncio.Event()).set()
                self._settle(event, parcel.payload)
            case RunAborting(failure=failure):
                self._was_given_up = parcel.is_past
                self._fail(run_error(failure))
            case StepAsked():
                self._attend()
            case RunInterrupted() as event if event.why in STOPPING and not parcel.is_past:
                self._attendance.stop(event)
                self._attend()
            case _:
                pass

    def _attend(self) -> None:
        """From now on, looks whether there is anything left but to leave."""
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave_when_all_waits())

    async def _leave_when_all_waits(self) -> None:
        try:
            left = await self._attendance.until_left()
        except Exception as error:
            self._on_broken(self._performance.run, error)
        else:
            self._fail(left)

    def _settle(self, event: DeliveryCompleted, payload: bytes | None) -> None:
        answer = self._answer(event.message)
        if not answer.done():
            answer.set_result(Answer(payload, event.failure, event.at))

    def _fail(self, error: BaseException) -> None:
        """The run does not go on: whoever waits for an answer, now or later, is told why."""
        if not self._over.done():
            _set_failure(self._over, error)
            for answer in self._answers.values():
                if not answer.done():
                    _set_failure(answer, _told_to_callers(error))

    async def _watch(self, on_event: OnEvent) -> None:
        """Shows events until the last; whoever cannot be shown them (a closed terminal) does not stop the run."""
        after = 0
        try:
            while not self._seen.is_set():
                for event in await self._channel.watch(self._performance.run, after):
                    after = event.seq
                    on_event(event)
                    if isinstance(event, RunCompleted | RunFailed):
                        self._seen.set()
        except RepertoryError as error:
            self._on_broken(self._performance.run, error)
        finally:
            self._seen.set()

    def _on_broken(self, _: str, error: Exception) -> None:
        self._fault = self._fault or error
        for undone in self._undone.values():
            undone.set()
        self._ended.set()
        self._seen.set()
        self._fail(error)


async def _first_answer(performance: Performance, line: Line) -> bytes:
    """What most drivers do: send the first message and wait for the response's payload."""
    return answered(await line.ask(0, performance.recipient, performance.payload))


def _told_to_callers(error: BaseException | None) -> BaseException:
    """What whoever waits for an answer gets to know when its driver leaves the run, or the run ends."""
    assert error is not None, "a run is over with a reason"
    return error.error if isinstance(error, Left) else error


def _set_failure(future: asyncio.Future[Any], error: BaseException) -> None:
    """Has a future fail for which perhaps nobody waits."""
    future.set_exception(error)
    _looked_at(future)


async def _end_all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Ends tasks that still go on, and waits for that; why one has failed interests nobody any more."""
    for task in tasks:
        task.cancel()
    if left := [task for task in tasks if not task.done()]:
        await asyncio.wait(left)
    for task in tasks:
        _looked_at(task)


def _looked_at(future: asyncio.Future[Any]) -> None:
    """Keeps asyncio from complaining where nobody waits for it."""
    if not future.cancelled():
        future.exception()
