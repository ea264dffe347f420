"""What a program does with a durable team beside asking it: it stops, resets, saves, pauses, cancels; and failures."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from autogen_agentchat.agents import (
    BaseChatAgent,
)
from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.conditions import (
    ExternalTermination,
    MaxMessageTermination,
    TimeoutTermination,
)
from autogen_agentchat.messages import (
    BaseChatMessage,
    TextMessage,
    ToolCallRequestEvent,
)
from autogen_agentchat.teams import (
    BaseGroupChat,
    RoundRobinGroupChat,
)
from autogen_core import CancellationToken

from tests.runtime.chats import Theatre, call, said, says


async def test_a_stream_stops_at_an_external_termination(theatre: Theatre) -> None:
    stops: list[ExternalTermination] = []

    def make() -> BaseGroupChat:
        stops.append(ExternalTermination())
        return RoundRobinGroupChat([says("a", *["again"] * 500)], termination_condition=stops[-1])

    async with theatre.playing(make) as team:
        heard: list[Any] = []
        async for message in team.run_stream(task="go"):
            heard.append(message)
            if len(heard) == 2:
                stops[0].set()
    assert heard[-1].stop_reason == "External termination requested"


async def test_a_reset_team_begins_anew(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        agents = [says("a", "first", "second"), says("b", "never")]
        return RoundRobinGroupChat(cast("list[Any]", agents), max_turns=1)

    async with theatre.playing(make) as team:
        first = await team.run(task="go")
        await team.reset()
        second = await team.run(task="go")
    assert said(first) == [("user", "go"), ("a", "first")]
    assert said(second) == [("user", "go"), ("a", "second")]


async def test_a_team_goes_on_with_its_conversation(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "1"), says("b", "2")], max_turns=1)

    async with theatre.playing(make) as team:
        await team.run(task="go")
        assert said(await team.run()) == [("b", "2")]


async def test_saved_state_goes_on_in_another_team(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "1"), says("b", "2")], max_turns=1)

    async with theatre.playing(make, "first") as first:
        await first.run(task="go")
        state = await first.save_state()
    async with theatre.playing(make, "second") as second:
        await second.load_state(state)
        assert said(await second.run())[-1] == ("b", "2")


async def test_a_durable_team_takes_the_state_of_a_plain_one(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "1"), says("b", "2")], max_turns=1)

    plain = make()
    await plain.run(task="go")
    async with theatre.playing(make) as team:
        await team.load_state(await plain.save_state())
        assert said(await team.run())[-1] == ("b", "2")


class Pausable(BaseChatAgent):
    """Waits in its turn until it is resumed, and says what it was told."""

    def __init__(self) -> None:
        super().__init__("pausable", "waits")
        self._resumed = asyncio.Event()
        self._calls: list[str] = []

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        waiting = asyncio.ensure_future(self._resumed.wait())
        cancellation_token.link_future(waiting)
        await waiting
        return Response(chat_message=TextMessage(content=" ".join(self._calls), source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self._calls.clear()

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        self._calls.append("pause")

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        self._calls.append("resume")
        self._resumed.set()


def waiting_team() -> BaseGroupChat:
    """A team whose one agent waits to be resumed."""
    return RoundRobinGroupChat([Pausable()], max_turns=1)


async def test_a_team_pauses_and_resumes_while_an_agent_is_in_its_turn(theatre: Theatre) -> None:
    async with theatre.playing(waiting_team) as team:
        stream = team.run_stream(task="go")
        assert isinstance(await anext(stream), TextMessage)
        await team.pause()
        await team.resume()
        result = [message async for message in stream][-1]
        assert isinstance(result, TaskResult)
        assert said(result)[-1] == ("pausable", "pause resume")


async def test_a_cancelled_task_is_cancelled_in_all_agents(theatre: Theatre) -> None:
    token = CancellationToken()
    async with theatre.playing(waiting_team) as team:
        stream = team.run_stream(task="go", cancellation_token=token)
        await anext(stream)
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await anext(stream)


async def test_a_task_is_given_up_when_nobody_listens_any_more(theatre: Theatre) -> None:
    async with theatre.playing(waiting_team) as team:
        stream = team.run_stream(task="go")
        await anext(stream)
        await stream.aclose()


@pytest.mark.parametrize("is_left", [False, True], ids=["the token", "the stream"])
async def test_a_task_that_is_cancelled_in_a_tool_leaves_nothing_that_waits(theatre: Theatre, is_left: bool) -> None:
    gate = asyncio.Event()

    def make() -> BaseGroupChat:
        async def wait() -> str:
            """Waits."""
            await gate.wait()
            return "open"

        return RoundRobinGroupChat([says("a", call(("wait", "{}")), "then", tools=[wait])], max_turns=1)

    async with theatre.playing(make) as team:
        token = CancellationToken()
        stream = team.run_stream(task="go", cancellation_token=token)
        async for message in stream:
            if isinstance(message, ToolCallRequestEvent):
                break
        if is_left:
            await stream.aclose()
        else:
            token.cancel()
            with pytest.raises(asyncio.CancelledError):
                await anext(stream)
        gate.set()
        await team.reset()
        assert said(await team.run(task="again"))[-1] == ("a", "then")


class Refuses(BaseChatAgent):
    """Fails in its first turns."""

    def __init__(self, times: int = 100) -> None:
        super().__init__("refuses", "fails")
        self._times = times

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self._times -= 1
        if self._times >= 0:
            raise ValueError("not today")
        return Response(chat_message=TextMessage(content="today", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        pass


async def test_an_agent_that_fails_ends_its_task_and_not_the_run(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a", "one"), Refuses()], max_turns=2)

    async with theatre.playing(make) as team:
        with pytest.raises(RuntimeError, match="ValueError: not today"):
            await team.run(task="go")
        await team.reset()


async def test_a_team_whose_agent_failed_works_on_its_next_task(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([Refuses(times=1)], max_turns=1)

    async with theatre.playing(make) as team:
        with pytest.raises(RuntimeError, match="ValueError: not today"):
            await team.run(task="go")
        assert said(await team.run(task="again"))[-1] == ("refuses", "today")


async def test_a_model_that_fails_ends_its_task(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat([says("a")], max_turns=1)

    async with theatre.playing(make) as team:
        with pytest.raises(RuntimeError, match="No more mock responses available"):
            await team.run(task="go")


async def test_a_time_limit_goes_by_the_time_on_record(theatre: Theatre) -> None:
    def make() -> BaseGroupChat:
        return RoundRobinGroupChat(
            [says("a", "one", "two")], termination_condition=TimeoutTermination(3600) | MaxMessageTermination(3)
        )

    async with theatre.playing(make) as team:
        assert len((await team.run(task="go")).messages) == 3
