"""The team that `runtime.durable.durable` returns: AgentChat's methods, each a message to the team's front.

What a program asks of its team is numbered in the order in which it asks. The same program asks the same again after a
crash, and is answered from the record as far as that goes. The run ends with `close()`; until then it can be taken up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self, cast

from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import BaseChatMessage, ModelClientStreamingChunkEvent
from autogen_core import CancellationToken

from runtime import ids
from runtime.autogen_teams.asked import (
    Asked,
    StateAsked,
    StateGiven,
    TaskGiven,
    TeamPaused,
    TeamReset,
    TeamResumed,
    TerminationSet,
)
from runtime.autogen_teams.durable_record import FIRST, NOTHING, EndedRun, Log
from runtime.autogen_teams.front import listeners
from runtime.autogen_teams.letters import ChatLetters, Said
from runtime.autogen_teams.member import externals
from runtime.autogen_teams.team import live
from runtime.codec import Json, parse
from runtime.errors import UsageError
from runtime.exchange.line import Answer, Line
from runtime.failures import revive
from runtime.performance import Engine, Performance

Task = str | BaseChatMessage | Sequence[BaseChatMessage] | None
"""What a team takes as a task; None goes on with the one before."""


@dataclass(slots=True)
class _Stream:
    """What a team says to one request."""

    queue: asyncio.Queue[Said] = field(default_factory=asyncio.Queue[Said])
    seen: int = 0

    def put(self, number: int, said: Said) -> None:
        """Takes what is said; nothing when it was shown before."""
        if number == self.seen:
            self.seen += 1
            self.queue.put_nowait(said)


class DurableTeam:
    """A team with a record; see the module. Made by `runtime.durable.durable`."""

    def __init__(self, book: Log) -> None:
        self._book = book
        own: Any = book.team
        self._letters = ChatLetters(own._message_factory)
        self._streams: dict[str, _Stream] = {}
        self._next = 0
        self._is_left = False
        self._result = NOTHING
        loop = asyncio.get_running_loop()
        self._line: asyncio.Future[Line] = loop.create_future()
        self._closing: asyncio.Future[bytes] = loop.create_future()
        self._performing: asyncio.Task[Json] | None = None
        self._aside: set[asyncio.Future[Any]] = set()

    @classmethod
    async def begun(cls, book: Log, performance: Performance, engine: Engine) -> Self:
        """The team of a run that begins or is taken up.

        Raises:
            Exception: why it cannot begin.
        """
        made = cls(book)
        listeners[book.run] = made._listen
        made._divert_terminations()
        order = replace(performance, converse=made._converse)
        made._performing = asyncio.ensure_future(engine.perform(order))
        beginning: set[asyncio.Future[Any]] = {made._performing, made._line}
        await asyncio.wait(beginning, return_when=asyncio.FIRST_COMPLETED)
        if not made._line.done():
            made._forget()
            await made._performing
        return made

    @classmethod
    def ended(cls, book: Log, line: EndedRun) -> Self:
        """The team of a run that has ended: it says what is on record."""
        made = cls(book)
        made._line.set_result(line)
        return made

    @property
    def run_id(self) -> str:
        """The run's id in the journal."""
        return self._book.run

    @property
    def name(self) -> str:
        """The team's name."""
        return self._book.team.name

    @property
    def description(self) -> str:
        """The team's description."""
        return self._book.team.description

    # What AgentChat's teams do

    async def run(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> TaskResult:
        """Works on a task to its end.

        Raises:
            UsageError: the team was closed or detached, or the program on record asked something else here.
            RuntimeError: an agent of the team failed.
            RunError: the run stands still or was given up; where it can be taken up, the message says so.
        """
        stream = self.run_stream(
            task=task, cancellation_token=cancellation_token, output_task_messages=output_task_messages
        )
        async for said in stream:
            if isinstance(said, TaskResult):
                return said
        raise AssertionError("a stream ends with its result")

    async def run_stream(
        self,
        *,
        task: Task = None,
        cancellation_token: CancellationToken | None = None,
        output_task_messages: bool = True,
    ) -> AsyncGenerator[Said | TaskResult, None]:
        """What the team says, as it says it, and last the result; what is on record comes first, at once.

        Leaving the stream early cancels the task. Raises as `run` does.
        """
        number, payload = self._numbered(self._given(task, output_task_messages=output_task_messages))
        stream = self._streams.setdefault(ids.message_id(ids.ROOT, number), _Stream())
        asking = asyncio.ensure_future((await self._line).ask(number, FIRST, payload))
        if cancellation_token is not None:
            cancellation_token.add_callback(lambda: self._cancel_soon(number))
        heard: list[Said] = []
        try:
            async for said in _until(asking, stream.queue):
                heard.append(said)
                yield said
            result = self._result_of(asking.result())
            for said in () if heard else result.messages:  # a run that has ended says nothing while it answers
                yield said
            messages = [said for said in heard if _stays(said)] or result.messages
            yield TaskResult(messages=messages, stop_reason=result.stop_reason)
        except GeneratorExit:
            if not asking.done():
                self._cancel_soon(number)
                await asyncio.wait([asking])  # so that the team can be asked for something else
            raise
        finally:
            self._streams.pop(ids.message_id(ids.ROOT, number), None)
            self._keep(asking)

    async def reset(self) -> None:
        """The team begins anew."""
        await self._ask(TeamReset())

    async def pause(self) -> None:
        """Tells the team's agents to pause."""
        await self._ask(TeamPaused())

    async def resume(self) -> None:
        """Tells the team's agents to go on."""
        await self._ask(TeamResumed())

    async def save_state(self) -> Mapping[str, Any]:
        """The states of all agents, as AgentChat's teams write them."""
        return cast("Mapping[str, Any]", await self._ask(StateAsked()))

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Gives all agents their states."""
        await self._ask(StateGiven(state=state))

    async def terminate(self, number: int = 0) -> None:
        """Sets the team's external termination of this number, as `ExternalTermination.set` does."""
        await self._ask(TerminationSet(number=number))

    # The run

    async def close(self) -> None:
        """Ends the run; its result is that of the last task.

        Raises:
            RunError: the run has failed, or stands still.
        """
        self._is_left = True
        if self._performing is None or self._closing.done():
            await self._close_journal()
            return
        self._closing.set_result(self._result)
        try:
            await self._performing
        finally:
            self._forget()
            await self._close_journal()

    async def detach(self) -> None:
        """Leaves the run as it is; `durable` with its id takes it up again."""
        self._is_left = True
        if self._performing is not None:
            self._performing.cancel()
            await asyncio.gather(self._performing, return_exceptions=True)
            self._forget()
        await self._close_journal()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the run; where the program fails, leaves it to be taken up again."""
        await (self.close() if error is None else self.detach())

    # How

    def _given(self, task: Task, *, output_task_messages: bool) -> TaskGiven:
        if task is None or isinstance(task, str):
            return TaskGiven(text=task, output_task_messages=output_task_messages)
        messages: list[Any] = [task] if isinstance(task, BaseChatMessage) else list(task)
        if not messages or not all(isinstance(message, BaseChatMessage) for message in messages):
            raise ValueError("a task is a text, a message, or a list of messages that is not empty")
        return TaskGiven(
            messages=[self._letters.dump(message) for message in messages], output_task_messages=output_task_messages
        )

    def _numbered(self, asked: Asked) -> tuple[int, bytes]:
        if self._is_left:
            raise UsageError(
                f"run {self.run_id}: a {type(asked).__name__} was asked of a team that was closed or detached; "
                "`durable` with this id takes the run up, or says what is on record"
            )
        number, payload = self._next, self._letters.encode(asked)
        self._book.check(number, payload)
        self._next += 1
        return number, payload

    async def _ask(self, asked: Asked) -> Json:
        number, payload = self._numbered(asked)
        answer = await (await self._line).ask(number, FIRST, payload)
        return parse(self._body(answer))["data"]  # type: ignore[index,call-overload]  # every payload is an object

    def _result_of(self, answer: Answer) -> TaskResult:
        self._result = self._body(answer)
        return self._letters.load_result(cast("dict[str, Any]", parse(self._result))["data"], answer.at)

    @staticmethod
    def _body(answer: Answer) -> bytes:
        if answer.failure is not None:
            raise revive(answer.failure)
        assert answer.payload is not None, "who did not fail has answered"
        return answer.payload

    async def _converse(self, line: Line) -> bytes:
        self._line.set_result(line)
        return await self._closing

    def _listen(self, message: str, number: int, said: Said) -> None:
        self._streams.setdefault(message, _Stream()).put(number, said)

    def _divert_terminations(self) -> None:
        """`ExternalTermination.set` of the team's own conditions becomes a message to the team."""
        own: Any = self._book.team
        for number, external in enumerate(externals(own._termination_condition)):
            vars(external)["set"] = lambda number=number: self._soon(self.terminate(number))

    def _cancel_soon(self, number: int) -> None:
        self._soon(self._cancel(number))

    async def _cancel(self, number: int) -> None:
        await (await self._line).cancel(number)

    def _soon(self, work: Any) -> None:
        self._keep(asyncio.ensure_future(work))

    def _keep(self, task: asyncio.Future[Any]) -> None:
        """Keeps what goes on aside; what comes of it, whoever cares has seen."""
        self._aside.add(task)
        task.add_done_callback(self._drop)

    def _drop(self, done: asyncio.Future[Any]) -> None:
        self._aside.discard(done)
        if not done.cancelled():
            done.exception()

    def _forget(self) -> None:
        listeners.pop(self._book.run, None)
        live.pop(self._book.run, None)

    async def _close_journal(self) -> None:
        if self._book.owns_journal:
            await self._book.journal.close()


def _stays(said: Said) -> bool:
    """Whether it is part of a task's result: pieces of what is said as a whole afterwards are not."""
    return not isinstance(said, ModelClientStreamingChunkEvent)


async def _until(asking: asyncio.Future[Answer], queue: asyncio.Queue[Said]) -> AsyncGenerator[Said, None]:
    """What comes until the answer is there."""
    while True:
        coming = asyncio.ensure_future(queue.get())
        try:
            either: set[asyncio.Future[Any]] = {asking, coming}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not coming.done():
                coming.cancel()
        if coming.done() and not coming.cancelled():
            yield coming.result()
        elif queue.empty():
            return
