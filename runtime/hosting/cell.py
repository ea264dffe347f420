"""One agent of one run at its host: its loop, its instance, what it waits for.

Everything in here is synchronous: `release` hands one thing to the agent and steps its loop until it rests. What the
agent did meanwhile lies in the host's hands in the order in which it did it. Called by `runtime/host.py` only.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeVar, cast

import structlog

from runtime import clock, ids
from runtime.blobs import digest
from runtime.codec import canonical, parse
from runtime.errors import RunError
from runtime.events import (
    AgentName,
    AnyEvent,
    DeliveryCompleted,
    DeliveryStarted,
    Digest,
    Failure,
    MessageCancelled,
    MessageSent,
    StepBegun,
    StepCompleted,
    StepStarted,
)
from runtime.exchange.parcels import Parcel
from runtime.failures import revive
from runtime.hosting.agent_loop import AgentLoop
from runtime.hosting.delivery import Delivery
from runtime.hosting.link_book import LinkBook
from runtime.steps import Recorded, StepCall, StepResult, current
from runtime.team import Agent, AgentSpec, Incoming, Savable, is_savable

T = TypeVar("T")
log = structlog.get_logger(__name__)


class HostRun(Protocol):
    """What a cell needs of the host, for its run."""

    def propose(self, event: AnyEvent, blobs: dict[Digest, bytes]) -> None:
        """Proposes an event to the sequencer."""
        ...

    def permitted(self, call: StepCall) -> StepCall:
        """The call as it will happen; see `runtime.hosting.delivery.Outbox`."""
        ...

    def standing_step(self, now: StepStarted, seen: int) -> StepStarted:
        """The recorded step that stands for this one; see `runtime.hosting.standing`."""
        ...

    def standing(self, now: AnyEvent) -> AnyEvent:
        """The recorded event that stands for this one."""
        ...

    def perform(self, started: StepStarted, call: StepCall) -> None:
        """Performs a step outside of the agent's loop and proposes its completion, unless it is recorded."""
        ...

    async def room(self, step: str) -> None:
        """Returns when there is room where the delivery of this step sends to."""
        ...

    def drop(self, step: str) -> None:
        """Stops performing a step whose result nobody waits for any more."""
        ...

    def describe(self, error: BaseException) -> Failure:
        """Writes an exception down, without secrets."""
        ...


class Cell:
    """An agent with its own loop; see the module. It is the `Outbox` of its deliveries and the `Timers` of its loop.

    `state` is what the agent saved when it went to sleep; None for one that is new.
    """

    def __init__(self, name: AgentName, spec: AgentSpec, host: HostRun, state: bytes | None = None) -> None:
        self.name = name
        self.seen = 0
        """The last event that it was told."""
        self.deliveries = 0
        """How many it has been handed since it was made or woken."""
        self._state = state
        self._savable: Savable | None = None
        """The agent itself, once it is made, where it can be saved. To ask that of it takes longer than a message."""
        self.links = LinkBook()
        self._spec = spec
        self._host = host
        self._loop = AgentLoop(self)  # type: ignore[abstract]  # what is missing raises NotImplementedError, by asyncio
        self._instance: asyncio.Future[Agent] | None = None
        self._deliveries: dict[str, Delivery] = {}
        self._responses: dict[str, asyncio.Future[bytes]] = {}
        self._results: dict[str, asyncio.Future[Recorded]] = {}
        self._held: dict[str, tuple[StepStarted, StepCall]] = {}
        self._timer_steps: dict[asyncio.TimerHandle, str] = {}

    @property
    def can_sleep(self) -> bool:
        """Whether nothing of it is under way, nothing will be told to it that it waits for, and it can be saved."""
        if self._deliveries or self._savable is None:
            return False
        return not (self._loop.tasks or self._responses or self._results or self._held or self._timer_steps)

    def save(self) -> bytes | None:
        """What the agent saves, which is to change nothing of it; None when it cannot sleep."""
        agent = self._savable
        if agent is None or not self.can_sleep:
            return None
        context = contextvars.Context()
        context.run(clock.current.set, Delivery(ids.sleep_id(self.name, self.seen), self.name, self, self._time_s))
        task = self._loop.create_task(agent.save(), context=context)
        self._loop.run_until_rest()
        if not task.done():
            self._loop.cancel_all()
        error = RunError("it waits for something") if task.cancelled() else task.exception()
        if error is None:
            return task.result()
        log.warning("agent.not_saved", agent=str(self.name), error=f"{type(error).__name__}: {error}")
        self._savable = None
        return None

    def _time_s(self) -> float:
        return self._loop.time_s

    @property
    def instance(self) -> Agent | None:
        """The agent itself, once it is made."""
        made = self._instance
        return made.result() if made is not None and made.done() and made.exception() is None else None

    @property
    def at_work(self) -> Mapping[str, asyncio.Task[None]]:
        """The handlers that run, by the delivery's id."""
        return {task.get_name(): task for task in self._loop.tasks if task.get_name() in self._deliveries}

    def perform_aside(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs something on the agent's loop that is no delivery, until it rests; for who looks at the agent."""
        task = self._loop.create_task(work)
        self._loop.run_until_rest()
        return task

    def release(self, parcel: Parcel) -> None:
        """Hands one thing to the agent and runs it until it rests."""
        self._loop.time_s = parcel.event.at
        self.seen = parcel.event.seq
        match parcel.event:
            case StepCompleted() as event:
                self._complete_step(event, parcel.payload)
            case DeliveryStarted() as event:
                self._start(event, parcel)
            case StepStarted() | StepBegun() as event if (held := self.held(event)) is not None:
                self.unhold(event.step)
                self._host.perform(*held)
            case DeliveryCompleted() as event:
                self._respond(event, parcel.payload)
            case MessageCancelled() as event:
                self._cancel(event)
            case _:
                return
        self._loop.run_until_rest()

    def held(self, event: StepStarted | StepBegun) -> tuple[StepStarted, StepCall] | None:
        """What this event lets happen; None when it happens already or waits for something else."""
        held = self._held.get(event.step)
        waits_for_approval = held is not None and bool(held[1].approval) and isinstance(event, StepStarted)
        return None if waits_for_approval else held

    def unhold(self, step: str) -> None:
        """Forgets that a step waits to happen."""
        self._held.pop(step, None)

    def hold(self, started: StepStarted, call: StepCall) -> None:
        """Keeps a step until it is let through."""
        self._held[started.step] = (started, call)

    def close(self) -> None:
        """Ends what its handlers were doing; the host takes nothing of it down any more."""
        self._loop.cancel_all()

    # Releases

    def _start(self, event: DeliveryStarted, parcel: Parcel) -> None:
        message = parcel.message
        assert message is not None and parcel.payload is not None, "a delivery comes with its message"
        self.deliveries += 1
        delivery = Delivery(event.delivery, self.name, self, self._time_s)
        self._deliveries[delivery.id] = delivery
        topic = None if isinstance(message, MessageSent) else message.topic
        incoming = Incoming(event.message, message.sender, topic, parcel.payload, delivery.cancelled)
        self._loop.create_task(self._handle(delivery, incoming), name=delivery.id, context=delivery.context())

    def _complete_step(self, event: StepCompleted, payload: bytes | None) -> None:
        self.unhold(event.step)
        future = self._results.pop(event.step, None)
        if future is None or future.done():
            return
        if event.failure is not None:
            future.set_exception(revive(event.failure))
        else:
            assert payload is not None, "a result comes with its bytes"
            future.set_result(Recorded(event.step, parse(payload)))

    def _respond(self, event: DeliveryCompleted, payload: bytes | None) -> None:
        future = self._responses.pop(event.message, None)
        if future is None or future.done():
            return
        if event.failure is not None:
            future.set_exception(revive(event.failure))
        else:
            assert payload is not None, "a response comes with its bytes"
            future.set_result(payload)

    def _cancel(self, event: MessageCancelled) -> None:
        delivery = self._deliveries.get(ids.delivery_id(event.message, self.name))
        if delivery is not None:
            self._loop.call_soon(delivery.cancelled.set, context=delivery.context())

    # The handler

    async def _handle(self, delivery: Delivery, incoming: Incoming) -> None:
        response: bytes | None = None
        failure: Failure | None = None
        try:
            agent = await self._agent()
            response = await agent.receive(incoming)
        except (Exception, asyncio.CancelledError) as error:
            failure = self._host.describe(error)
        del self._deliveries[delivery.id]
        body = None if response is None else digest(response)
        self.propose(
            DeliveryCompleted(
                delivery=delivery.id, message=incoming.message, agent=self.name, response=body, failure=failure
            ),
            {} if body is None or response is None else {body: response},
        )

    async def _agent(self) -> Agent:
        """The instance, made at the first delivery; what fails to be made or loaded is tried again at the next one."""
        if self._instance is None:
            self._instance = self._loop.create_future()
            try:
                self._instance.set_result(await self._made())
            except BaseException as error:
                self._instance.set_exception(error)
                self._instance.exception()
                self._instance = None
                raise
        return await self._instance

    async def _made(self) -> Agent:
        agent = await self._spec.factory(self.name)
        savable = cast(Savable, agent) if is_savable(type(agent)) else None
        if self._state is not None:
            if savable is None:
                raise RunError(f"agent {self.name} was saved when it went to sleep, but cannot be given a state now")
            await savable.load(self._state)
        self._savable = savable
        return agent

    # Outbox

    def propose(self, event: AnyEvent, blobs: dict[Digest, bytes]) -> None:
        """Proposes an event to the sequencer."""
        self._host.propose(self._host.standing(event), blobs)

    def permitted(self, call: StepCall) -> StepCall:
        """The call as it will happen."""
        return self._host.permitted(call)

    def standing_step(self, now: StepStarted) -> StepStarted:
        """The recorded step that stands for this one."""
        return self._host.standing_step(now, self.seen)

    def expect_response(self, message: str) -> asyncio.Future[bytes]:
        """A future for the response to a message."""
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._responses[message] = future
        return future

    def expect_step(self, started: StepStarted, call: StepCall) -> asyncio.Future[Recorded]:
        """A future for a step's result; what cannot be repeated, or is counted, or needs approval, waits until an
        event lets it through."""
        future: asyncio.Future[Recorded] = self._loop.create_future()
        self._results[started.step] = future
        if started.effect in ("compensable", "irreversible") or call.approval or call.is_metered:
            self.hold(started, call)
        else:
            self._host.perform(started, call)
        return future

    async def room(self, step: str) -> StepResult:
        """Performs the step that waits for room in the mailboxes of others."""
        await self._host.room(step)
        return StepResult(None)

    # Timers

    def start(self, delay_s: float, wake: asyncio.TimerHandle) -> None:
        """Makes a sleep of the agent a step of the delivery that sleeps."""
        delivery = current.get()
        if not isinstance(delivery, Delivery):
            raise RuntimeError("an agent can sleep only inside of a message handler, where the record can wake it")

        async def sleep(_: str) -> StepResult:
            await asyncio.sleep(delay_s)
            return StepResult(None)

        call = StepCall("timer", "sleep", canonical({"delay_s": delay_s}), sleep)
        started = delivery.start_step(call)
        self._timer_steps[wake] = started.step
        self.expect_step(started, call).add_done_callback(self._waker(wake))

    def cancel(self, wake: asyncio.TimerHandle) -> None:
        """Forgets a timer that was cancelled before it fired."""
        step = self._timer_steps.pop(wake, None)
        if step is not None and self._results.pop(step, None) is not None:
            self._host.drop(step)

    def _waker(self, wake: asyncio.TimerHandle) -> Callable[[asyncio.Future[Recorded]], None]:
        def on_done(_: asyncio.Future[Recorded]) -> None:
            self._timer_steps.pop(wake, None)
            self._loop.wake(wake)

        return on_done
