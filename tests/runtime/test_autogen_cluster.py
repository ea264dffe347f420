"""`RayAgentRuntime` with placement `cluster`: agents on hosts behave as in one process; no sender waits for ever."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import AgentId, CancellationToken, DefaultTopicId, MessageContext, RoutedAgent, message_handler
from autogen_ext.models.replay import ReplayChatCompletionClient
from structlog.testing import capture_logs

from runtime.autogen import RayAgentRuntime
from runtime.autogen_cluster.errors import CannotTravel, HostLost, LivesElsewhere
from runtime.autogen_local.errors import UnknownAgent
from runtime.events import AnyEvent, DeliveryCompleted, MessageCancelled
from tests.runtime.hosted import (
    WATCHER,
    WORKER,
    Crier,
    Forward,
    Keeper,
    Lock,
    Note,
    Refused,
    Unmade,
    Watcher,
    Whole,
    Worker,
)

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180), pytest.mark.usefixtures("ray_home")]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


class Stage:
    """A runtime on two hosts, with a watcher in this process."""

    def __init__(self) -> None:
        self.runtime = RayAgentRuntime(placement="cluster", hosts=2, run_id="apart")
        self.watcher = Watcher()

    async def says(self, text: str, to: AgentId = WORKER, **options: Any) -> Any:
        return await self.runtime.send_message(Note(text), to, **options)

    async def forwards(self, text: str, to: AgentId) -> Any:
        return await self.runtime.send_message(Forward(text, str(to)), WORKER)

    async def process(self, of: AgentId = WORKER) -> int:
        return int((await self.says("process", of)).text)

    async def record(self) -> list[AnyEvent]:
        return await self.runtime.journal.events(self.runtime.run_id)

    async def other(self) -> AgentId:
        """A worker on the other host."""
        for number in range(20):
            found = AgentId("worker", f"w{number}")
            await self.says("hello", found)
            if self.runtime.homes[found] != self.runtime.homes[WORKER]:
                return found
        raise AssertionError("all workers live on one host")


@pytest.fixture(scope="module")
async def stage() -> AsyncGenerator[Stage]:
    """For all tests that leave its hosts alive."""
    made = Stage()
    await Worker.register(made.runtime, "worker", Worker)
    for name in ("crier", "neighbour"):
        await Crier.register(made.runtime, name, Crier)
    await made.watcher.register_instance(made.runtime, WATCHER)
    made.runtime.start()
    await made.says("hello")
    yield made
    await made.runtime.stop_when_idle()
    await made.runtime.close()


async def test_agents_answer_from_processes_of_hosts_and_from_each_other(stage: Stage) -> None:
    other = await stage.other()
    there = await stage.process(other)

    assert len({os.getpid(), await stage.process(), there}) == 3
    assert await stage.forwards("process", other) == Note(str(there))


async def test_a_handler_is_recorded_as_one_of_this_process_would_be(stage: Stage) -> None:
    async def kinds(runtime: RayAgentRuntime) -> list[str]:
        before = len(await runtime.journal.events(runtime.run_id))
        await runtime.send_message(Forward("hello", "worker/default"), AgentId("worker", "second"))
        await runtime.send_message(Note("count"), WORKER)
        events = (await runtime.journal.events(runtime.run_id))[before:]
        return [type(event).__name__ for event in events if type(event).__name__ != "RunStarted"]

    here = RayAgentRuntime()
    await Worker.register(here, "worker", Worker)
    here.start()
    assert await kinds(stage.runtime) == await kinds(here)
    await here.close()


async def test_a_publish_from_a_host_reaches_agents_everywhere(stage: Stage) -> None:
    await stage.runtime.publish_message(Note("hear"), DefaultTopicId(source="square"))

    told = {await stage.watcher.told.get() for _ in range(4)}
    assert told == {f"{who}/square heard {what}" for who in ("crier", "neighbour") for what in ("hear", "hear, hear")}


async def test_none_is_a_result(stage: Stage) -> None:
    assert await stage.says("nothing") is None
    assert await stage.forwards("nothing", await stage.other()) == Note("None")


async def test_an_error_keeps_its_class_and_what_it_holds(stage: Stage) -> None:
    other = await stage.other()
    for asked in (stage.says("refuse"), stage.forwards("refuse", other)):
        with pytest.raises(Refused, match=r"no \(7\)") as caught:
            await asked
        assert caught.value.code == 7
        assert any("raised at host-" in note for note in caught.value.__notes__)


async def test_what_cannot_travel_is_a_typed_error_at_the_sender(stage: Stage) -> None:
    with pytest.raises(CannotTravel, match="held"):
        await stage.says("lock")
    with pytest.raises(CannotTravel, match="held"):
        await stage.runtime.send_message(Whole(Lock()), WORKER)
    with pytest.raises(CannotTravel, match="asyncio Queue belongs to the event loop"):
        await stage.runtime.send_message(Whole(asyncio.Queue[int]()), WORKER)
    assert await stage.says("still there") == Note("still there")


async def test_an_unknown_recipient_is_a_typed_error_at_the_host(stage: Stage) -> None:
    with pytest.raises(UnknownAgent, match="nobody"):
        await stage.forwards("?", AgentId("nobody", "default"))


async def test_a_factory_that_fails_there_fails_at_the_sender(stage: Stage) -> None:
    await Unmade.register(stage.runtime, "unmade", Unmade)
    for asked in (stage.says("?", AgentId("unmade", "default")), stage.forwards("?", AgentId("unmade", "default"))):
        with pytest.raises(ConnectionRefusedError, match="the factory failed"):
            await asked


@pytest.mark.parametrize("is_forwarded", [False, True])
async def test_a_cancelled_token_is_seen_on_the_host_and_the_handler_goes_on(stage: Stage, is_forwarded: bool) -> None:
    token = CancellationToken()
    message = Forward("until cancelled", str(await stage.other())) if is_forwarded else Note("until cancelled")
    asked = asyncio.ensure_future(stage.runtime.send_message(message, WORKER, cancellation_token=token))
    assert await stage.watcher.told.get() == "entered"
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await stage.watcher.told.get() == "cancelled"
    assert any(isinstance(event, MessageCancelled) for event in await stage.record())


async def test_an_agents_state_is_saved_and_loaded_and_its_object_is_not_to_be_had(stage: Stage) -> None:
    key = AgentId("worker", "stateful")
    await stage.says("once", key)
    assert (await stage.runtime.save_state())[str(key)] == {"count": 1}
    await stage.runtime.agent_load_state(key, {"count": 41})

    assert await stage.says("count", key) == Note("42")
    assert (await stage.runtime.agent_metadata(key))["description"] == "works"
    with pytest.raises(LivesElsewhere, match="host-"):
        await stage.runtime.try_get_underlying_agent_instance(key, Worker)


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ([], "'kept', which the factory uses, is a list"),
        (asyncio.Queue[str], None),
        (("a", 1), None),
        (Whole(), "'kept', which the factory uses, is a tests.runtime.hosted.Whole"),
    ],
)
async def test_an_agent_that_holds_what_this_process_shares_stays_and_the_log_says_why(
    stage: Stage, kept: Any, why: str | None
) -> None:
    name = f"keeper{id(kept)}"
    with capture_logs() as logs:
        await Keeper.register(stage.runtime, name, lambda: Keeper(kept))
        answer = await stage.says("?", AgentId(name, "default"))

    assert (answer == Note(str(os.getpid()))) is (why is not None)
    said = [line for line in logs if line["event"] == "agent.stays"]
    assert [line["type"] for line in said] == ([] if why is None else [name])
    assert why is None or said[0]["why"].startswith(why)


async def test_a_partial_and_a_class_of_a_function_travel_by_what_they_hold(stage: Stage) -> None:
    class Own(Keeper):
        pass

    seen: list[str] = []

    class Sharing(RoutedAgent):
        @message_handler
        async def on_note(self, message: Note, ctx: MessageContext) -> Note:
            seen.append(message.text)
            return message

    await Own.register(stage.runtime, "own", functools.partial(Own, "constant"))
    await Sharing.register(stage.runtime, "sharing", functools.partial(Sharing, "shares"))
    assert await stage.says("?", AgentId("own", "default")) != Note(str(os.getpid()))
    assert await stage.says("here", AgentId("sharing", "default")) == Note("here")
    assert seen == ["here"]


async def test_an_agentchat_team_runs_here_and_each_agent_says_that_it_stays(stage: Stage) -> None:
    model = ReplayChatCompletionClient(["one", "two"])
    agents = [AssistantAgent(name, model_client=model) for name in ("a", "b")]
    team = RoundRobinGroupChat(
        cast("list[Any]", agents), termination_condition=MaxMessageTermination(3), runtime=stage.runtime
    )
    with capture_logs() as logs:
        result = await team.run(task="count")

    assert [message.to_text() for message in result.messages] == ["count", "one", "two"]
    assert len([line for line in logs if line["event"] == "agent.stays"]) == 3


async def test_a_host_that_is_killed_ends_its_deliveries_and_is_replaced() -> None:
    stage = Stage()
    await Worker.register(stage.runtime, "worker", Worker)
    await stage.watcher.register_instance(stage.runtime, WATCHER)
    stage.runtime.start()
    first = await stage.process()
    other = await stage.other()
    waiting = [asyncio.ensure_future(asked) for asked in (stage.says("wait"), stage.says("wait"))]
    for _ in waiting:
        assert await stage.watcher.told.get() == "entered"
    os.kill(first, signal.SIGKILL)

    for asked in waiting:
        with pytest.raises(HostLost, match=str(first)):
            await asked
    assert await stage.says("count") == Note("1"), "made anew, without its state"
    assert first != await stage.process()
    assert await stage.says("count", other) == Note("2"), "the other host has kept its own"
    await stage.runtime.stop_when_idle()
    await stage.runtime.close()
    failed = [event for event in await stage.record() if isinstance(event, DeliveryCompleted) and event.failure]
    assert len(failed) == 2
